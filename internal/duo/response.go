package duo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// What can be wrong with a body. The texts of package json are not passed on:
// they can quote the body.
var (
	errFail    = errors.New("stat is not OK")
	errTooLong = fmt.Errorf("the body is longer than %d MiB", maxBody>>20)
	errNotJSON = errors.New("the body is not the JSON of a log page")
	errNoItems = errors.New("the body has no list of items")
)

// envelope is the JSON of every answer. Only what is needed to walk on is
// read; shapes differ between Duo's logs, its documentation and its clients.
type envelope struct {
	Stat     text
	Code     text
	Message  text
	Detail   text `json:"message_detail"`
	Response struct {
		Items    []json.RawMessage
		Metadata metadata
	}
	// Metadata may stand here instead, as Duo's general paging has it:
	// https://duo.com/docs/adminapi#response-paging
	Metadata metadata

	records []Record // the items, which package json does not read
}

type metadata struct {
	Next  offset `json:"next_offset"`
	Total count  `json:"total_objects"`
}

// Reader reads answers, each in the memory of the one before.
type Reader struct {
	body     bytes.Buffer // the latest one as it came
	scan     scan
	envelope []byte // its JSON without the records
}

// Page reads the body of an answer that is a page, and overwrites it: the
// records are parts of it. They are overwritten when the next one is read.
func (r *Reader) Page(body []byte) (Page, error) {
	e, err := r.decode(body)
	if err != nil {
		return Page{}, err
	}
	return e.page()
}

// decode reads the body of any answer.
func (r *Reader) decode(body []byte) (envelope, error) {
	var e envelope
	e.Response.Metadata.Total, e.Metadata.Total = -1, -1
	if len(body) > maxBody {
		return e, errTooLong
	}
	s := &r.scan
	s.reset(body)
	if !s.whole(s.value(s.next(0), answer)) {
		return e, errNotJSON
	}
	r.envelope = s.envelope(r.envelope[:0])
	if json.Unmarshal(r.envelope, &e) != nil {
		return e, errNotJSON
	}
	e.records = s.records
	return e, nil
}

// page returns the page that the answer is, or errFail or errNoItems.
func (e envelope) page() (Page, error) {
	if e.Stat != "OK" {
		return Page{}, errFail
	}
	// A list that is null or missing says nothing about the log: taken for
	// an empty page it would end the window and lose the rest of it.
	if e.Response.Items == nil {
		return Page{}, errNoItems
	}
	m := e.Response.Metadata.or(e.Metadata)
	return Page{Records: e.records, Next: string(m.Next), Total: int(m.Total)}, nil
}

// or completes what one place says by what the other one does. Two totals that
// differ are none.
func (m metadata) or(other metadata) metadata {
	m.Next = cmp.Or(m.Next, other.Next)
	switch {
	case m.Total < 0:
		m.Total = other.Total
	case other.Total >= 0 && other.Total != m.Total:
		m.Total = -1
	}
	return m
}

// text is a string, or a number as it is written; "" for null.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(t))
	}
	return json.Unmarshal(data, (*json.Number)(t)) // takes null too
}

// offset is a text, or a list: of two texts, which are sent with a comma between,
// or of none.
type offset string

func (o *offset) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, (*text)(o))
	}
	var parts []text
	if json.Unmarshal(data, &parts) != nil || len(parts) != 0 && (len(parts) != 2 || parts[0] == "" || parts[1] == "") {
		return errNotJSON
	}
	if len(parts) == 0 {
		return nil
	}
	*o = offset(strings.Join([]string{string(parts[0]), string(parts[1])}, ","))
	return nil
}

// count is a number, or an object that says of one that it is exact; -1 where
// there is none. The number may be written as a string or with a fraction of 0.
type count int

func (c *count) UnmarshalJSON(data []byte) error {
	*c = -1
	var n text
	if json.Unmarshal(data, &n) != nil {
		var total struct {
			Relation string
			Value    text
		}
		if json.Unmarshal(data, &total) != nil || total.Relation != "eq" {
			return nil
		}
		n = total.Value
	}
	if f, err := strconv.ParseFloat(string(n), 64); err == nil && f == math.Trunc(f) && 0 <= f && f <= maxCount {
		*c = count(f)
	}
	return nil
}

// maxCount is the greatest count that is believed: up to there a float64 holds
// every whole number.
const maxCount = 1 << 53
