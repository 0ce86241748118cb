package writer

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	folderLayout = "2006/01/02"
	timeLayout   = "20060102T150405.000Z"
)

// Name says which page of which window of which stream an object holds.
type Name struct {
	Stream string // without '_' and '/'
	// From and To bound the window, half open, in whole milliseconds, UTC.
	From, To time.Time
	Page     int // not negative
	Gzip     bool
}

// String is the object's name below the prefix, such as
// 2006/01/02/telephony_20060102T150405.000Z_20060102T160405.000Z_0001.ndjson.
// The folder is the date of From.
func (n Name) String() string {
	ext := ".ndjson"
	if n.Gzip {
		ext = ".ndjson.gz"
	}
	return fmt.Sprintf("%s/%s_%s_%s_%04d%s", folder(n.From), n.Stream,
		n.From.UTC().Format(timeLayout), n.To.UTC().Format(timeLayout), n.Page, ext)
}

// ParseName is the inverse of [Name.String]. It takes exactly the strings that
// String makes, so two strings never stand for one name.
func ParseName(s string) (Name, bool) {
	base, gzip := strings.CutSuffix(s, ".gz")
	base, ok := strings.CutSuffix(base, ".ndjson")
	parts := strings.Split(path.Base(base), "_")
	if !ok || len(parts) != 4 || parts[0] == "" {
		return Name{}, false
	}
	from, badFrom := time.Parse(timeLayout, parts[1])
	to, badTo := time.Parse(timeLayout, parts[2])
	page, badPage := strconv.ParseUint(parts[3], 10, 63)
	n := Name{Stream: parts[0], From: from, To: to, Page: int(page), Gzip: gzip}
	if errors.Join(badFrom, badTo, badPage) != nil || n.String() != s {
		return Name{}, false
	}
	return n, true
}

// day is the time that a folder spans.
const day = 24 * time.Hour

// folder is the date folder of the windows that start at t.
func folder(t time.Time) string { return t.UTC().Format(folderLayout) }

// intersects tells whether n's window and [from, to) have a time in common.
func (n Name) intersects(from, to time.Time) bool {
	return n.From.Before(to) && from.Before(n.To)
}

// cleanPrefix drops the slashes at either end and empty folder names within: a
// SecOps feed does not work with empty folder names.
func cleanPrefix(prefix string) string {
	return strings.TrimPrefix(path.Clean("/"+prefix), "/")
}
