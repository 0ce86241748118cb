// Package udm turns a record of one of Duo's logs into the event that Google
// SecOps makes of it, by the mapping tables of Google's guides. Events are JSON
// with the names of the Unified Data Model, snake_case, as SecOps' event APIs
// take them. Each log has a file with its table and, where the table contradicts
// itself or says too little, with what is done.
//
// A field that is null, empty or a list or an object where a text is wanted
// counts as missing; a number or a boolean counts as its text. A time or an
// address that can't be read is left out, and so is a value for which the guide
// has no translation: an event holds nothing that is guessed.
package udm

import (
	"bytes"
	jsonv1 "encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrNoObject means that a line is no JSON object. It never holds the line.
var ErrNoObject = errors.New("is no JSON object")

// Mapping is the table of a log, a row for each field of its event, in the event's order.
type Mapping []row

// row says what a field of the event is made from.
type row struct {
	// from is the record's field, a path: names with dots between them. What is
	// behind a slash is in the JSON that a text holds.
	from string
	// to is the event's field. In brackets is the key of a label or an additional
	// field; [] for from.
	to string
	// value makes it, "" for none. Without it the event gets each text of a list.
	value func(r fields, from string) string
}

// Mappings are those of the logs that SecOps has a parser for, by the log's name.
var Mappings = map[string]Mapping{
	"telephony":      telephony,
	"authentication": authentication,
	"activity":       activity,
}

// Convert returns the event of one record, a JSON object. Keys are matched
// exactly; of a key that comes twice the last one counts.
func (m Mapping) Convert(record []byte) (jsontext.Value, error) {
	r := parse(record)
	if r == nil {
		return nil, ErrNoObject
	}
	var event object
	for _, row := range m {
		to := strings.Replace(row.to, "[]", "["+row.from+"]", 1)
		if row.value != nil {
			event.add(to, row.value(r, row.from))
			continue
		}
		list, _ := r.at(row.from).([]any)
		for _, element := range list {
			event.add(to, text(element))
		}
	}
	return json.Marshal(event)
}

// object is a JSON object whose members stay in the order in which they came.
type object []member

type member struct {
	name  string
	value any // a text, an object that is a label, an *object, or a list of one of these
}

// repeated are the fields of the model that are lists. A list of objects other
// than labels has a single one.
var repeated = []string{
	"about", "security_result", "labels", "detection_fields",
	"action", "email_addresses", "group_identifiers", "ip", "mechanism", "phone_numbers",
}

// add adds a field, and the objects that it is in. The model has no empty ones.
func (o *object) add(to, value string) {
	if value == "" {
		return
	}
	path, key, keyed := strings.Cut(strings.TrimSuffix(to, "]"), "[")
	names := strings.Split(path, ".")
	last := len(names) - 1
	for _, name := range names[:last] {
		o = o.within(name)
	}
	switch name := names[last]; {
	case keyed && slices.Contains(repeated, name): // a label
		o.set(name, object{{"key", key}, {"value", value}})
	case keyed:
		o.within(name).set(key, value)
	default:
		o.set(name, value)
	}
}

// within returns the object that a member is, or the one in its list.
func (o *object) within(name string) *object {
	switch value := (*o.member(name)).(type) {
	case *object:
		return value
	case []any:
		return value[0].(*object)
	}
	inner := new(object)
	o.set(name, inner)
	return inner
}

// set gives a member a value, or one more.
func (o *object) set(name string, value any) {
	member := o.member(name)
	if slices.Contains(repeated, name) {
		list, _ := (*member).([]any)
		value = append(list, value)
	}
	*member = value
}

// member returns the value of a member, which is nil at first.
func (o *object) member(name string) *any {
	i := slices.IndexFunc(*o, func(m member) bool { return m.name == name })
	if i < 0 {
		i = len(*o)
		*o = append(*o, member{name: name})
	}
	return &(*o)[i].value
}

// MarshalJSONTo implements [json.MarshalerTo].
func (o object) MarshalJSONTo(e *jsontext.Encoder) error {
	err := e.WriteToken(jsontext.BeginObject)
	for _, m := range o {
		err = errors.Join(err, e.WriteToken(jsontext.String(m.name)), json.MarshalEncode(e, m.value))
	}
	return errors.Join(err, e.WriteToken(jsontext.EndObject))
}

// fields are those of a JSON object. The methods take a path: names and dots.
type fields map[string]any

// parse returns nil where data is not one JSON object. Numbers keep their spelling.
func parse(data []byte) fields {
	d := jsonv1.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var r fields
	if d.Decode(&r) != nil {
		return nil
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil // more follows
	}
	return r
}

func (r fields) at(path string) any {
	if outer, inner, ok := strings.Cut(path, "/"); ok {
		return parse([]byte(r.text(outer))).at(inner)
	}
	var value any = map[string]any(r)
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// static returns what every event has.
func static(_ fields, value string) string { return value }

// text returns "" where the field counts as missing.
func (r fields) text(path string) string { return text(r.at(path)) }

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case jsonv1.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// timestamp returns an RFC 3339 text in UTC.
func (r fields) timestamp(path string) string {
	t, err := time.Parse(time.RFC3339Nano, r.text(path))
	return utc(t, err)
}

// seconds returns the time of a whole number of seconds since 1970, in UTC.
func (r fields) seconds(path string) string {
	n, err := strconv.ParseInt(r.text(path), 10, 64)
	return utc(time.Unix(n, 0), err)
}

// utc returns "" for what could not be read, and outside of the years 1 to 9999:
// the model has no others.
func utc(t time.Time, err error) string {
	t = t.UTC()
	if year := t.Year(); err != nil || year < 1 || year > 9999 {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// ip returns an address, of whichever version.
func (r fields) ip(path string) string {
	address := r.text(path)
	return only(address, isIP(address))
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// only returns a value that fits, "" in the place of one that does not.
func only(value string, fits bool) string {
	if !fits {
		return ""
	}
	return value
}

// platformOf returns the model's word for a system. The pairs are a part of Duo's
// names for it, in lower case, and the word; the first that fits counts.
func platformOf(os string, pairs ...string) string {
	for pair := range slices.Chunk(pairs, 2) {
		if os != "" && strings.Contains(strings.ToLower(os), pair[0]) {
			return pair[1]
		}
	}
	return ""
}
