package collect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

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

// newRecord compacts a record and appends the extra fields that it lacks.
// Whatever the record holds, it is kept: one that is no object, or has no time
// or id, too.
func newRecord(raw json.RawMessage, extra []field) record {
	var line bytes.Buffer
	line.Grow(len(raw) + 96)
	if err := json.Compact(&line, raw); err != nil {
		panic("a record out of a JSON list is no JSON: " + err.Error())
	}
	fields := fieldsOf(line.Bytes())
	return recordOf(enrich(line.Bytes(), fields, extra), fields)
}

// parseRecord reads a record back from a line of an object.
func parseRecord(line []byte) record { return recordOf(line, fieldsOf(line)) }

// recordOf reads time and identity. Duo's keys are matched exactly; of a key
// that comes twice the last one counts.
func recordOf(line []byte, fields map[string]json.RawMessage) record {
	return record{line: line, ts: parseTime(fields["ts"]), id: identity(fields["telephony_id"], line)}
}

// fieldsOf returns a line's top-level fields, nil if it is no object.
func fieldsOf(line []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return nil
	}
	return fields
}

// parseTime reads the one form that Duo documents, RFC 3339 with microseconds.
func parseTime(raw json.RawMessage) time.Time {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// identity is what makes two records the same one: the id if it is a UUID,
// else its hash, and without an id the hash of the line as it is written.
func identity(raw json.RawMessage, line []byte) store.ID {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw) // none, or one that is no string
	}
	if s == "" {
		return hash("line", line)
	}
	if id, ok := parseUUID(s); ok {
		return id
	}
	return hash("id", []byte(s))
}

func hash(kind string, b []byte) store.ID {
	sum := sha256.Sum256(append([]byte(kind+"\x00"), b...))
	return store.ID(sum[:16])
}

func parseUUID(s string) (id store.ID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", "")))
	return id, err == nil && n == len(id)
}

// field is a key and its JSON value.
type field struct{ key, value string }

// extraFields are what SecOps' parser reads and Duo's API does not send; Duo's
// own clients add them.
func (c Config) extraFields() []field {
	if !c.Enrich {
		return nil
	}
	host, _ := json.Marshal(c.Host)
	return []field{{"eventtype", `"telephony"`}, {"host", string(host)}}
}

// enrich appends the fields that an object lacks.
func enrich(line []byte, have map[string]json.RawMessage, extra []field) []byte {
	if have == nil || len(extra) == 0 {
		return line
	}
	line = bytes.TrimSuffix(line, []byte("}"))
	for _, f := range extra {
		if _, ok := have[f.key]; ok {
			continue
		}
		if len(line) > 1 {
			line = append(line, ',')
		}
		line = append(line, `"`+f.key+`":`+f.value...)
	}
	return append(line, '}')
}
