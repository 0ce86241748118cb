// Package record reads a log's records: which line a record becomes, when it
// happened, and what tells it from others, by the log's row in [duo.Logs].
package record

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
)

// Record is one event as it goes into an object.
type Record struct {
	Line []byte // one line of JSON, without the newline
	// At is the record's time in whole milliseconds since 1970, the unit of
	// windows; 0 if the record has no readable one.
	At int64
	// ID is the record's identity: two records are the same one if theirs are
	// equal. It is that of Duo's own bytes, whatever is added to them or hidden.
	ID [16]byte
	// Written is by what a line of an object is recognised. Phone numbers may be
	// hidden there, so records that differ in nothing else share it.
	Written [16]byte
}

// members are the values of a record's members as written, nil for one it lacks.
// Names are case-sensitive; of equal names the last one counts.
type members struct{ Time, ID, EventType, Host jsontext.Value }

// named returns where the value of a member is kept, nil if none needs it.
func (r *reader) named(m *members, name []byte) *jsontext.Value {
	switch {
	case string(name) == r.log.Time:
		return &m.Time
	case string(name) == r.log.ID:
		return &m.ID
	case string(name) == "eventtype":
		return &m.EventType
	case string(name) == "host":
		return &m.Host
	}
	return nil
}

// asSent accepts all that encoding/json accepts, and keeps strings' and numbers' bytes.
var asSent = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true))

// Read reads a record of a log from the JSON that Duo sent, or from a line of an
// object, and leaves that as it is. The record's line is the same JSON without
// white space between its tokens. If host is not empty and the log has an
// EventType, the line also has the two members that SecOps' parser reads and Duo's
// API does not send: Duo's own clients add them.
//
// Whatever the JSON is, it is kept. What is no JSON, in an object that somebody
// damaged, is a record without time and id.
func Read(raw []byte, log duo.Log, host string) Record {
	var p Page
	return p.Read([]jsontext.Value{raw}, log, Phones{}, host)[0]
}

// Page is the memory of a page's records, to be used again.
type Page struct {
	reader
	records []Record
	lines   []byte
	shown   [][]byte // what of the page is written: with phone numbers as they are to be
	scratch []byte
}

// Read reads the records of a page of a log, in place of those before. Their lines
// have phone numbers as phones has them.
func (p *Page) Read(page []jsontext.Value, log duo.Log, phones Phones, host string) []Record {
	p.log = log
	if log.EventType == "" {
		host = ""
	}
	p.shown = p.shown[:0]
	size := 0
	for _, raw := range page {
		shown := phones.Apply(raw, log)
		p.shown = append(p.shown, shown)
		size += len(shown) + len(eventTypeKey) + len(log.EventType) + len(hostKey) + len(host) + len(`,"",""`)
	}
	// Whole from the start: the lines would stay behind if it grew.
	p.records, p.lines = p.records[:0], slices.Grow(p.lines[:0], size)
	for i, shown := range p.shown {
		var r Record
		start := len(p.lines)
		p.lines, r = p.append(p.lines, shown, host)
		r.Line = p.lines[start:len(p.lines):len(p.lines)]
		if !bytes.Equal(shown, page[i]) {
			var own Record
			p.scratch, own = p.append(p.scratch[:0], page[i], "")
			r.ID = own.ID
		}
		p.records = append(p.records, r)
	}
	return p.records
}

// reader is kept from record to record, for its memory.
type reader struct {
	log     duo.Log
	decoder jsontext.Decoder
	source  bytes.Buffer
	phones  []phone // of the line, in order
	hashed  []byte
	pieces  [][]byte
}

// append appends a record's line to lines.
func (r *reader) append(lines, raw []byte, host string) ([]byte, Record) {
	start := len(lines)
	blank := func(b byte) bool { return bytes.IndexByte(raw, b) >= 0 } // a third of ContainsAny's time
	if blank(' ') || blank('\n') || blank('\t') || blank('\r') {
		var err error
		if lines, err = jsontext.AppendFormat(lines, raw, asSent); err != nil {
			lines = append(lines[:start], raw...)
		}
	} else {
		lines = append(lines, raw...)
	}
	line := lines[start:]
	m, ok := r.members(line)
	if !ok {
		id := r.hash("line", line)
		return lines, Record{ID: id, Written: id}
	}
	record := Record{At: storable(millis(m.Time, r.log.TimeUnit))}
	record.ID, record.Written = r.identity(line, m)
	if host != "" && line[0] == '{' {
		lines = enrich(lines, r.log.EventType, host, m)
	}
	return lines, record
}

// members reads a line's members, none if it is no object, and whether it is JSON.
func (r *reader) members(line []byte) (m members, ok bool) {
	r.source = *bytes.NewBuffer(line) // which the decoder reads in place
	r.decoder.Reset(&r.source, asSent)
	r.phones = r.phones[:0]
	if r.decoder.PeekKind() != '{' {
		return m, r.decoder.SkipValue() == nil && r.ended()
	}
	head, rest, _ := strings.Cut(r.log.Phone, ".")
	err := r.each(func(name []byte) (err error) {
		if member := r.named(&m, name); member != nil {
			*member, err = r.value(line)
			return err
		}
		if head != "" && string(name) == head {
			return r.find(line, rest)
		}
		return r.decoder.SkipValue()
	})
	if err != nil || !r.ended() {
		return members{}, false
	}
	return m, true
}

// value reads a value that is a part of the line.
func (r *reader) value(line []byte) (jsontext.Value, error) {
	value, err := r.decoder.ReadValue()
	end := r.decoder.InputOffset()
	return line[end-int64(len(value)) : end], err
}

func (r *reader) ended() bool {
	_, err := r.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}

// Name returns the id of a log's record for people to read: a string without its
// quotes, or a number; "" for anything else. The line is a record's.
func Name(line []byte, log duo.Log) string {
	r := reader{log: log}
	m, _ := r.members(line)
	if m.ID.Kind() == '{' || m.ID.Kind() == '[' {
		return "" // may hold anything
	}
	if m.ID.Kind() == '"' {
		return string(text(m.ID))
	}
	return string(m.ID)
}

// plain returns what a JSON string says, without a copy where nothing is escaped.
func plain(value jsontext.Value) []byte {
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	return text(value)
}

// text returns what a JSON string says, with U+FFFD for invalid UTF-8; else nil.
func text(value jsontext.Value) []byte {
	if value.Kind() != '"' {
		return nil
	}
	s, _ := jsontext.AppendUnquote(nil, value) // fails for invalid UTF-8 alone
	return s
}

// millis reads a time: a count of units or, where that is 0, a JSON string that
// holds an RFC 3339 time. It returns 0 for anything else.
func millis(value jsontext.Value, unit time.Duration) int64 {
	if value.Kind() == '"' {
		value = plain(value)
	} else if unit == 0 {
		return 0
	}
	if unit != 0 {
		return whole(value) * unit.Milliseconds()
	}
	t, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// earliest and latest, in milliseconds since 1970, are the first and the last time
// that RFC 3339 can write in UTC.
var (
	earliest = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	latest   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
)

// storable returns a time that an object's metadata can hold, 0 for any other: a
// number in another unit, or the year 9999 some hours west of UTC.
func storable(at int64) int64 {
	if at < earliest || at > latest {
		return 0
	}
	return at
}

// maxWhole is up to where a float64 holds every whole number.
const maxWhole = 1 << 53

// whole reads a whole number, which may be written with a fraction of 0 or an
// exponent; 0 if it is none, or one that a float64 may not hold.
func whole(number jsontext.Value) int64 {
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || number.Kind() != '0' || !number.IsValid() || f != math.Trunc(f) || math.Abs(f) > maxWhole {
		return 0
	}
	return int64(f)
}

// identity returns what identifies the record, and its line in an object: id and
// time as Duo wrote them. Where they are not unique in the log, or the id says
// nothing, all bytes are; for the line all but the names of devices with a key.
func (r *reader) identity(line []byte, m members) (id, written [16]byte) {
	if r.log.Unique && m.ID.Kind() == '"' && tells(plain(m.ID)) {
		id = r.hash("id", m.ID, m.Time)
		return id, id
	}
	line = Undo(line, r.log, "")
	id = r.hash("line", line)
	if pieces := r.unnamed(line); len(pieces) > 1 {
		return id, r.hash("line", pieces...)
	}
	return id, id
}

// tells reports whether an id tells its record from others. A blank, a dash, "N/A"
// or zeros do not: they have no digit but 0. But nor need a key of Duo's form, such
// as trust monitor's, have one: about twenty random capitals and digits.
func tells(id []byte) bool {
	if bytes.ContainsAny(id, "123456789") {
		return true
	}
	const length, different = 16, 5 // at least
	return len(id) >= length && len(bytes.Trim(id, "0ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0 &&
		len(slices.Compact(slices.Sorted(slices.Values(id)))) >= different
}

// hash hashes the parts, each followed by a zero byte, which JSON never holds.
// Cursors store it: it must not change.
func (r *reader) hash(kind string, parts ...[]byte) [16]byte {
	r.hashed = append(append(r.hashed[:0], kind...), 0)
	for _, p := range parts {
		r.hashed = append(append(r.hashed, p...), 0)
	}
	sum := sha256.Sum256(r.hashed)
	return [16]byte(sum[:16])
}
