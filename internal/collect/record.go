package collect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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

// newRecords makes records of a page's JSON, which is compact, and appends the
// extra fields that they lack. Whatever a record holds, it is kept: one that is
// no object, or has no time or id, too. Their lines are parts of lines, one
// after the other with a newline after each.
func newRecords(raws []json.RawMessage, extra []field) (records []record, lines []byte) {
	size := len(raws)
	for _, raw := range raws {
		size += len(raw)
	}
	for _, f := range extra {
		size += len(raws) * len(f.json)
	}
	records, lines = make([]record, len(raws)), make([]byte, 0, size)
	for i, raw := range raws {
		lines, records[i] = appendRecord(lines, raw, extra)
		lines = append(lines, '\n')
	}
	return records, lines
}

// appendRecord appends a record's line to dst.
func appendRecord(dst, raw []byte, extra []field) ([]byte, record) {
	line := append(dst, raw...)
	m := scanMembers(raw, extra)
	if m.object {
		line = enrich(line, extra, m)
	}
	return line, m.record(line[len(dst):len(line):len(line)])
}

// parseRecord reads a record back from a line of an object.
func parseRecord(line []byte) record { return scanMembers(line, nil).record(line) }

// found is what is looked for among an object's top-level members.
type found struct {
	object  bool
	empty   bool
	ts, id  []byte // as written, nil where there is none
	present uint   // a bit for each of the extra fields that is there
}

// scanMembers reads a line. Duo's keys are matched exactly; of a key that comes
// twice the last one counts.
func scanMembers(line []byte, extra []field) found {
	m := found{object: line[0] == '{', empty: len(line) == 2}
	for key, value := range members(line) {
		switch string(key) {
		case `"ts"`:
			m.ts = value
		case `"telephony_id"`:
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
	return record{line: line, ts: parseTime(m.ts), id: identity(m.id, line)}
}

// members yields an object's top-level keys, in quotes, and values; nothing for
// any other value. The line must be valid JSON without white space.
func members(line []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if line[0] != '{' {
			return
		}
		for i := 1; line[i] == '"'; i++ {
			colon := endString(line, i)
			end := endValue(line, colon+1)
			if !yield(plainKey(line[i:colon]), line[colon+1:end]) || line[end] == '}' {
				return
			}
			i = end
		}
	}
}

// plainKey returns a key without needless escapes.
func plainKey(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	return slices.Concat([]byte{'"'}, text(key), []byte{'"'})
}

// endString returns where the string that begins at i ends.
func endString(line []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(line[i:], '"')
		if line[i-1] != '\\' || !escaped(line[:i]) {
			return i + 1
		}
	}
}

// escaped reports whether what follows is escaped: an odd number of backslashes
// comes before it.
func escaped(before []byte) bool {
	return (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 1
}

// endValue returns where the value that begins at i ends.
func endValue(line []byte, i int) int {
	switch line[i] {
	case '"':
		return endString(line, i)
	case '{', '[':
		return endNested(line, i)
	}
	for i < len(line) && line[i] != ',' && line[i] != '}' {
		i++
	}
	return i
}

// endNested returns where the object or array that begins at i ends.
func endNested(line []byte, i int) int {
	for depth := 0; ; i++ {
		switch line[i] {
		case '"':
			i = endString(line, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// text is a JSON string's content, nil for any other value.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	content := value[1 : len(value)-1]
	if bytes.IndexByte(content, '\\') < 0 && utf8.Valid(content) {
		return content
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return nil
	}
	return []byte(s)
}

// parseTime reads the one form that Duo documents, RFC 3339 with microseconds.
func parseTime(value []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(text(value)))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// identity is what makes two records the same one: the id if it is a UUID,
// else its hash, and without an id the hash of the line as it is written.
func identity(value, line []byte) store.ID {
	s := value // an id that is no string
	if len(value) > 0 && value[0] == '"' {
		s = text(value)
	}
	if len(s) == 0 || string(s) == "null" && value[0] == 'n' {
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

// field is a member to add to records: its key in quotes, and all of it with a
// comma before.
type field struct{ key, json string }

// extraFields are what SecOps' parser reads and Duo's API does not send; Duo's
// own clients add them.
func (c Config) extraFields() []field {
	if !c.Enrich {
		return nil
	}
	host, _ := json.Marshal(c.Host)
	return []field{
		{`"eventtype"`, `,"eventtype":"telephony"`},
		{`"host"`, `,"host":` + string(host)},
	}
}

// enrich appends the fields that an object, the end of line, lacks.
func enrich(line []byte, extra []field, m found) []byte {
	line = bytes.TrimSuffix(line, []byte("}"))
	for i, f := range extra {
		if m.present&(1<<i) != 0 {
			continue
		}
		if m.empty {
			f.json, m.empty = strings.TrimPrefix(f.json, ","), false
		}
		line = append(line, f.json...)
	}
	return append(line, '}')
}
