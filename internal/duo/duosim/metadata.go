package duosim

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// before an id or a position in an offset: the page shall begin with that record.
const before = "-"

// metadata is the JSON object that comes with a page, its members in Duo's order.
func (l *Log) metadata(q query, p page, now time.Time) string {
	var members []string
	if next, there := l.next(q, p); there {
		members = append(members, `"next_offset":`+l.writeOffset(next))
	}
	if l.manners.Total != NoTotal {
		members = append(members, `"total_objects":`+l.totalObjects(q, p, now))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// next returns the offset of what follows the page, nil for null, if there is one.
func (l *Log) next(q query, p page) (next *offset, there bool) {
	cursor, n := l.manners.Cursor, len(p.records)
	switch full := n == q.limit; cursor {
	case AbsentAtEnd:
		there = p.more
	case NotOnFull:
		there = !full
	case OnlyIfShort:
		there = p.more && !full
	default:
		there = true
	}
	switch lone := l.counts && n == 1; {
	case n == 0 && p.more: // the place before those that follow
		at := p.following.place()
		at.position, at.before = p.start, true
		return &at, there
	case n == 0 && cursor == EvenEmpty:
		return q.after, there
	case n == 0, cursor == NullAtEnd && !p.more:
		return nil, there
	case q.after != nil && !lone && l.chance(l.manners.SameOneIn):
		return q.after, there
	}
	at := p.records[n-1].place()
	at.position = p.start + n
	return &at, there
}

// writeOffset returns the JSON of an offset.
func (l *Log) writeOffset(o *offset) string {
	if o == nil {
		return "null"
	}
	mark := ""
	if o.before {
		mark = before
	}
	parts := []string{strconv.FormatInt(o.ms, 10), mark + o.id}
	if l.counts {
		parts = []string{mark + strconv.Itoa(o.position)}
	}
	text := strings.Join(parts, ",")
	var value any = text
	switch l.manners.Offset {
	case ListOffset:
		value = parts
	case NumberOffset:
		return text
	case OpaqueOffset:
		value = base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	return string(marshal(value))
}

// readOffset reads an offset in any form: manners may have changed since.
func (l *Log) readOffset(value string) (offset, bool) {
	o, ok := l.readPlain(value)
	if opaque, err := base64.RawURLEncoding.DecodeString(value); !ok && err == nil {
		return l.readPlain(string(opaque))
	}
	return o, ok
}

func (l *Log) readPlain(value string) (o offset, ok bool) {
	if l.counts {
		value, o.before = strings.CutPrefix(value, before)
		position, err := strconv.ParseUint(value, 10, 31)
		o.position = int(position)
		return o, err == nil
	}
	stamp, id, _ := strings.Cut(value, ",")
	o.ms, ok = millis(stamp)
	o.id, o.before = strings.CutPrefix(id, before)
	return o, ok
}

// totalObjects counts the query's whole range, wherever in it the page is.
func (l *Log) totalObjects(q query, p page, now time.Time) string {
	n := l.total(q, now)
	switch l.manners.Total {
	case AtLeast:
		return fmt.Sprintf(`{"relation":"gte","value":%d}`, n-n/3)
	case TooMany:
		n += 1 + n/2
	case TooFew:
		n = l.tooFew(q, p, now)
	}
	switch l.manners.TotalAs {
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
func (l *Log) tooFew(q query, p page, now time.Time) int {
	if len(p.records) > 0 || !p.more {
		return 0
	}
	// All that may have been shown, and the record that follows.
	at := p.following.TS.UnixMilli()
	switch {
	case l.counts:
		return p.start + 1
	case q.desc:
		q.min = at
	default:
		q.max = at
	}
	return l.total(q, now)
}
