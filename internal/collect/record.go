package collect

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// record is one telephony event as it goes into an object.
type record struct {
	line []byte // one line of JSON, without the newline
	at   int64  // its time, see timeOf
	id   store.ID
}

// timeOf is a record's time: in whole milliseconds since 1970, the unit of
// windows. 0 and the zero time are that of a record that has no readable one.
func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

// floor cuts to whole milliseconds. The zero time stays zero.
func floor(t time.Time) time.Time { return t.Truncate(time.Millisecond).UTC() }

// records is a page's. Their lines are parts of lines, one after the other with
// a newline after each.
type records struct {
	all   []record
	lines []byte
}

// fill replaces the records by those of a page, with the extra fields that they
// lack. Whatever a record holds, it is kept: one that is no object, or has no
// time or id, too.
func (r *records) fill(page []duo.Record, extra []field) {
	size := len(page)
	for _, p := range page {
		size += len(p.JSON)
	}
	for _, f := range extra {
		size += len(page) * len(f.json)
	}
	// Whole from the start: the records' lines would stay behind if lines grew.
	r.all, r.lines = slices.Grow(r.all[:0], len(page)), slices.Grow(r.lines[:0], size)
	for _, p := range page {
		var one record
		r.lines, one = appendRecord(r.lines, p, extra)
		r.lines = append(r.lines, '\n')
		r.all = append(r.all, one)
	}
}

// appendRecord appends a record's line to dst.
func appendRecord(dst []byte, r duo.Record, extra []field) ([]byte, record) {
	line := append(dst, r.JSON...)
	if r.IsObject() {
		line = enrich(line, extra, r)
	}
	return line, record{line: line[len(dst):len(line):len(line)], at: parseTime(r.Time), id: identity(r)}
}

// parseRecord reads a record back from a line of an object. What is no JSON, in
// an object that somebody damaged, is a record without time and id.
func parseRecord(line []byte) record {
	r, ok := duo.ReadRecord(bytes.Clone(line))
	if !ok {
		return record{line: line, id: hash("line", line)}
	}
	return record{line: r.JSON, at: parseTime(r.Time), id: identity(r)}
}

// parseTime reads a JSON string with RFC 3339 in it, and cuts it to
// milliseconds; 0 is what is none.
func parseTime(value []byte) int64 {
	if at, ok := parseDuoTime(between(value)); ok {
		return at
	}
	t, err := time.Parse(time.RFC3339Nano, string(duo.Text(value)))
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// between is a JSON value without its first and last byte. Where that is a time
// or a UUID, the value is a string and says so without an escape.
func between(value []byte) []byte {
	if len(value) < 2 {
		return nil
	}
	return value[1 : len(value)-1]
}

// parseDuoTime reads the one form that Duo is known to send, in UTC with
// microseconds, at many times the speed of package time.
func parseDuoTime(s []byte) (at int64, ok bool) {
	if len(s) != 32 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || string(s[26:]) != "+00:00" {
		return 0, false
	}
	year, month, day := number(s[:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second, micro := number(s[11:13]), number(s[14:16]), number(s[17:19]), number(s[20:26])
	// The sign bit of one that is no number stays.
	if year|month|day|hour|minute|second|micro < 0 || year < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	if day < 1 || day > days(year, month+1, 1)-days(year, month, 1) {
		return 0, false
	}
	return (((days(year, month, day)*24+hour)*60+minute)*60+second)*1000 + micro/1000, true
}

// days is the number of days from the 1st of January 1970 to a date, at a third
// of package time's price, see
// https://howardhinnant.github.io/date_algorithms.html#days_from_civil. Month 13
// is the January after.
func days(year, month, day int64) int64 {
	if month < 3 { // years begin in March, so that a leap day ends one
		year, month = year-1, month+12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719_469
}

// number reads decimal digits; -1 if there is anything else.
func number(digits []byte) (n int64) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// identity is what makes two records the same one: id and time as Duo wrote
// them, and all of its bytes where the id says nothing. What is added to a line
// does not count, so it may change.
func identity(r duo.Record) store.ID {
	if bytes.ContainsAny(duo.Text(r.ID), "123456789") {
		return hash("id", r.ID, r.Time)
	}
	return hash("line", plain(r.JSON))
}

// hash is that of the parts. None of them, being JSON, holds the zero byte that
// follows it.
func hash(kind string, parts ...[]byte) store.ID {
	b := append([]byte(kind), 0)
	for _, p := range parts {
		b = append(append(b, p...), 0)
	}
	sum := sha256.Sum256(b)
	return store.ID(sum[:16])
}

// field is a member to add to records, as it is written with a comma before.
type field struct{ key, json string }

// extraFields are what SecOps' parser reads and Duo's API does not send; Duo's
// own clients add them.
func (c Config) extraFields() []field {
	if !c.Enrich {
		return nil
	}
	host, _ := json.Marshal(c.Host)
	return []field{
		{"eventtype", `,"eventtype":"telephony"`},
		{"host", `,"host":` + string(host)},
	}
}

// enrich appends the fields that r, an object and the end of line, lacks.
func enrich(line []byte, extra []field, r duo.Record) []byte {
	line = line[:len(line)-1]
	for _, f := range extra {
		if f.key == "eventtype" && r.EventType || f.key == "host" && r.Host {
			continue
		}
		if line[len(line)-1] == '{' {
			f.json = f.json[1:]
		}
		line = append(line, f.json...)
	}
	return append(line, '}')
}

// plain returns a record's JSON without the fields that enrich may have appended
// to it, whatever the host was. The last bracket is missing then.
func plain(line []byte) []byte {
	if len(line) == 0 || line[0] != '{' {
		return line
	}
	line = line[:len(line)-1]
	for {
		const host, event = `"host":"`, `"eventtype":"telephony"`
		rest := bytes.TrimSuffix(line, []byte(event))
		if i := bytes.LastIndex(line, []byte(host)); i > 0 && bytes.IndexByte(line[i+len(host):], '"') == len(line)-i-len(host)-1 {
			rest = line[:i]
		}
		if len(rest) == len(line) {
			return line
		}
		line = bytes.TrimSuffix(rest, []byte(","))
	}
}
