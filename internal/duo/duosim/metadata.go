package duosim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// before an id in an offset says that the page shall begin with that record.
const before = "-"

// metadata is the JSON object that comes with a page, its members in Duo's order.
func (s *Sim) metadata(q query, p page, now time.Time) string {
	var members []string
	if next, there := s.next(q, p); there {
		members = append(members, `"next_offset":`+s.cfg.Offset.write(next))
	}
	if s.cfg.Total != NoTotal {
		members = append(members, `"total_objects":`+s.totalObjects(q, p, now))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// next returns the offset of what follows the page, nil for null, and whether
// there is a next_offset at all.
func (s *Sim) next(q query, p page) (next *Record, there bool) {
	if len(p.records) == 0 {
		return p.lead(q, s.cfg.Cursor == EvenEmpty), p.more || s.cfg.Cursor != AbsentAtEnd && s.cfg.Cursor != OnlyIfShort
	}
	full := len(p.records) == q.limit
	switch s.cfg.Cursor {
	case NullAtEnd:
		there = true
		if !p.more {
			return nil, there
		}
	case AbsentAtEnd:
		there = p.more
	case NotOnFull:
		there = !full
	case OnlyIfShort:
		there = p.more && !full
	default:
		there = true
	}
	if q.after != nil && s.chance(s.cfg.SameOneIn) {
		return q.after, there
	}
	return &p.records[len(p.records)-1], there
}

// write returns the JSON of the offset that names a record.
func (o Offset) write(r *Record) string {
	if r == nil {
		return "null"
	}
	ms := strconv.FormatInt(r.TS.UnixMilli(), 10)
	var value any = ms + "," + r.ID
	switch o {
	case ListOffset:
		value = []string{ms, r.ID}
	case OpaqueOffset:
		value = base64.RawURLEncoding.EncodeToString([]byte(ms + "," + r.ID))
	}
	out, err := json.Marshal(value)
	if err != nil {
		panic(err) // unreachable: strings
	}
	return string(out)
}

// readOffset reads an offset in any form: manners may have changed since.
func readOffset(value string) (*Record, bool) {
	if opaque, err := base64.RawURLEncoding.DecodeString(value); err == nil {
		value = string(opaque)
	}
	stamp, id, _ := strings.Cut(value, ",")
	ms, ok := millis(stamp)
	return &Record{TS: time.UnixMilli(ms), ID: id}, ok
}

// totalObjects returns what is counted of the query's range, wherever in it the
// page is.
func (s *Sim) totalObjects(q query, p page, now time.Time) string {
	n := s.total(q, now)
	switch s.cfg.Total {
	case AtLeast:
		return fmt.Sprintf(`{"relation":"gte","value":%d}`, n-n/3)
	case TooMany:
		n += 1 + n/2
	case TooFew:
		n = s.tooFew(q, p, now)
	}
	switch s.cfg.TotalAs {
	case Text:
		return fmt.Sprintf(`"%d"`, n)
	case Float:
		return fmt.Sprintf("%d.0", n)
	case Object:
		return fmt.Sprintf(`{"relation":"eq","value":%d}`, n)
	}
	return strconv.Itoa(n)
}

// tooFew returns a count that is too low and that nobody can take for the number
// of the records shown so far, see [Manners].
func (s *Sim) tooFew(q query, p page, now time.Time) int {
	if len(p.records) > 0 || !p.more {
		return 0
	}
	// All that may have been shown, and the record that follows.
	if at := p.following.TS.UnixMilli(); q.desc {
		q.min = at
	} else {
		q.max = at
	}
	return s.total(q, now)
}
