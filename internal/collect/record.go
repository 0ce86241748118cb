package collect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// record is one telephony event as it goes into an object.
type record struct {
	line []byte    // one line of JSON, without the newline
	ts   time.Time // zero where the record has no readable one
	id   store.ID
}

// at is the record's time in whole milliseconds, the unit of windows.
func (r record) at() time.Time { return floor(r.ts) }

// floor cuts to whole milliseconds. The zero time stays zero.
func floor(t time.Time) time.Time { return t.Truncate(time.Millisecond).UTC() }

// newRecords makes records of a page's and appends the extra fields that they
// lack. Whatever a record holds, it is kept: one that is no object, or has no
// time or id, too. Their lines are parts of lines, one after the other with a
// newline after each.
func newRecords(page []duo.Record, extra []field) (records []record, lines []byte) {
	size := len(page)
	for _, r := range page {
		size += len(r.JSON)
	}
	for _, f := range extra {
		size += len(page) * len(f.json)
	}
	records, lines = make([]record, len(page)), make([]byte, 0, size)
	for i, r := range page {
		lines, records[i] = appendRecord(lines, r, extra)
		lines = append(lines, '\n')
	}
	return records, lines
}

// appendRecord appends a record's line to dst.
func appendRecord(dst []byte, r duo.Record, extra []field) ([]byte, record) {
	line := append(dst, r.JSON...)
	m := find(r, extra)
	if r.IsObject() {
		line = enrich(line, extra, m)
	}
	return line, m.record(line[len(dst):len(line):len(line)])
}

// parseRecord reads a record back from a line of an object. What is no JSON, in
// an object that somebody damaged, is a record without time and id.
func parseRecord(line []byte) record {
	r, ok := duo.ReadRecord(bytes.Clone(line))
	if !ok {
		return found{}.record(line)
	}
	return find(r, nil).record(r.JSON)
}

// found is what is looked for among a record's members.
type found struct {
	ts, id  []byte // as written, nil where there is none
	present uint   // a bit for each of the extra fields that is there
}

// find looks through a record. Duo's keys are matched exactly; of a key that
// comes twice the last one counts.
func find(r duo.Record, extra []field) (m found) {
	for key, value := range r.Members() {
		switch string(key) {
		case "ts":
			m.ts = value
		case "telephony_id":
			m.id = value
		}
		for i := range extra {
			if string(key) == extra[i].key {
				m.present |= 1 << i
			}
		}
	}
	return m
}

func (m found) record(line []byte) record {
	return record{line: line, ts: parseTime(duo.Text(m.ts)), id: identity(m.id, line)}
}

// parseTime reads RFC 3339; zero is what is none.
func parseTime(s []byte) time.Time {
	if t, ok := parseDuoTime(s); ok {
		return t
	}
	t, err := time.Parse(time.RFC3339Nano, string(s))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// parseDuoTime reads the one form that Duo is known to send, in UTC with
// microseconds, at several times the speed of package time.
func parseDuoTime(s []byte) (t time.Time, ok bool) {
	if len(s) != 32 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || string(s[26:]) != "+00:00" {
		return t, false
	}
	var n [7]int
	for i, part := range [...][]byte{s[:4], s[5:7], s[8:10], s[11:13], s[14:16], s[17:19], s[20:26]} {
		number := 0
		for _, c := range part {
			if c < '0' || c > '9' {
				return t, false
			}
			number = 10*number + int(c-'0')
		}
		n[i] = number
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 1000*n[6], time.UTC)
	// Date takes the 30th of February for the 1st or 2nd of March.
	return t, int(t.Month()) == n[1] && t.Day() == n[2] && n[3] < 24 && n[4] < 60 && n[5] < 60
}

// identity is what makes two records the same one: the id if it is a UUID,
// else its hash, and without an id the hash of the line as it is written.
func identity(value, line []byte) store.ID {
	s := duo.Text(value)
	if s == nil && string(value) != "null" {
		s = value // an id that is no string
	}
	if len(s) == 0 {
		return hash("line", line)
	}
	if id, ok := parseUUID(s); ok {
		return id
	}
	return hash("id", s)
}

func hash(kind string, b []byte) store.ID {
	sum := sha256.Sum256(append([]byte(kind+"\x00"), b...))
	return store.ID(sum[:16])
}

// parseUUID reads a UUID with its hyphens.
func parseUUID(s []byte) (id store.ID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	var digits [32]byte
	copy(digits[:], s[:8])
	copy(digits[8:], s[9:13])
	copy(digits[12:], s[14:18])
	copy(digits[16:], s[19:23])
	copy(digits[20:], s[24:])
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
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

// enrich appends the fields that an object, the end of line, lacks.
func enrich(line []byte, extra []field, m found) []byte {
	line = line[:len(line)-1]
	for i, f := range extra {
		if m.present&(1<<i) != 0 {
			continue
		}
		if line[len(line)-1] == '{' {
			f.json = f.json[1:]
		}
		line = append(line, f.json...)
	}
	return append(line, '}')
}
