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

// Name identifies an object by stream, window and page.
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

// ParseName is the inverse of [Name.String]. It accepts only strings that String
// returns, so no two strings stand for one name.
func ParseName(s string) (Name, bool) {
	base, gzip := strings.CutSuffix(s, ".gz")
	base, ok := strings.CutSuffix(base, ".ndjson")
	fields := strings.Split(path.Base(base), "_")
	if !ok || len(fields) != 4 || fields[0] == "" {
		return Name{}, false
	}
	from, badFrom := time.Parse(timeLayout, fields[1])
	to, badTo := time.Parse(timeLayout, fields[2])
	page, badPage := strconv.ParseUint(fields[3], 10, 63)
	n := Name{Stream: fields[0], From: from, To: to, Page: int(page), Gzip: gzip}
	if errors.Join(badFrom, badTo, badPage) != nil || n.String() != s {
		return Name{}, false
	}
	return n, true
}

// day is the time span of a folder.
const day = 24 * time.Hour

// folder returns the date folder of windows that start at t.
func folder(t time.Time) string { return t.UTC().Format(folderLayout) }

// intersects reports whether n's window and [from, to) overlap.
func (n Name) intersects(from, to time.Time) bool {
	return n.From.Before(to) && from.Before(n.To)
}

// cleanPrefix drops outer slashes and empty folder names, which break a SecOps feed.
func cleanPrefix(prefix string) string {
	return strings.TrimPrefix(path.Clean("/"+prefix), "/")
}
