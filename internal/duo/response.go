package duo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What can be wrong with a body. The texts of package json are not passed on:
// they can quote the body.
var (
	errFail    = errors.New("stat is not OK")
	errTooLong = fmt.Errorf("the body is longer than %d MiB", maxBody>>20)
	errNotJSON = errors.New("the body is not the JSON of a log page")
	errNoItems = errors.New("the body has no list of items")
	errNoList  = errors.New("the body has no list of accounts")
	errPaged   = errors.New("the body has not all accounts but an offset to the rest, which is not known to happen")
)

// lenient accepts all that package encoding/json accepts: equal names, of which
// the last one counts, and invalid UTF-8 in strings.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// answer is the JSON of every answer. Values stay raw until they are needed:
// shapes differ between Duo's logs, its documentation and its clients, and a
// refusal with an odd one is still a refusal. All are parts of the body.
type answer struct {
	Stat, Code, Message, Detail jsontext.Value

	Response response
	// Metadata may stand here instead, as Duo's general paging has it:
	// https://duo.com/docs/adminapi#response-paging
	Metadata jsontext.Value
}

type response struct {
	Items    []jsontext.Value // nil for null, and where there is none
	Metadata jsontext.Value
	Odd      bool           // it, or its list of items, is something else
	List     jsontext.Value // the whole response, where that is a list
}

// decode reads the body of any answer of a log, in place and once.
func decode(body []byte, log Log) (answer, error) {
	var a answer
	if len(body) > maxBody {
		return a, errTooLong
	}
	d := decoder{jsontext.NewDecoder(bytes.NewBuffer(body), lenient), body, log.List, log.Limit}
	if d.PeekKind() != '{' || d.object(func(name string) error { return d.answer(&a, name) }) != nil {
		return answer{}, errNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return answer{}, errNotJSON
	}
	return a, nil
}

// decoder reads a body in place.
type decoder struct {
	*jsontext.Decoder
	body  []byte
	list  string // the member with the records
	limit int    // how many were asked for
}

// value reads a value that is a part of the body.
func (d decoder) value(into *jsontext.Value) error {
	v, err := d.ReadValue()
	end := d.InputOffset()
	*into = d.body[end-int64(len(v)) : end]
	return err
}

// object reads an object, whose members' values member has to read.
func (d decoder) object(member func(name string) error) error {
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != '}' {
		var name jsontext.Token
		if name, err = d.ReadToken(); err == nil {
			err = member(name.String())
		}
	}
	if err != nil {
		return err
	}
	_, err = d.ReadToken()
	return err
}

func (d decoder) answer(a *answer, name string) error {
	switch name {
	case "stat":
		return d.value(&a.Stat)
	case "code":
		return d.value(&a.Code)
	case "message":
		return d.value(&a.Message)
	case "message_detail":
		return d.value(&a.Detail)
	case "metadata":
		return d.value(&a.Metadata)
	case "response":
		a.Response = response{}
		if d.PeekKind() == '{' {
			return d.object(func(name string) error { return d.response(&a.Response, name) })
		}
		a.Response.Odd = d.PeekKind() != 'n'
		if d.PeekKind() == '[' {
			return d.value(&a.Response.List)
		}
	}
	return d.SkipValue()
}

func (d decoder) response(r *response, name string) error {
	switch name {
	case "metadata":
		return d.value(&r.Metadata)
	case d.list:
		r.Items = nil
		if d.PeekKind() == '[' {
			return d.items(r)
		}
		r.Odd = r.Odd || d.PeekKind() != 'n'
	}
	return d.SkipValue()
}

func (d decoder) items(r *response) error {
	_, err := d.ReadToken()
	for r.Items = make([]jsontext.Value, 0, d.limit); err == nil && d.PeekKind() != ']'; {
		var item jsontext.Value
		err = d.value(&item)
		r.Items = append(r.Items, item)
	}
	if err != nil {
		return err
	}
	_, err = d.ReadToken()
	return err
}

// page returns the page that the answer is, or one of the errors above.
func (a answer) page() (Page, error) {
	if text(a.Stat) != "OK" {
		return Page{}, errFail
	}
	if a.Response.Odd {
		return Page{}, errNotJSON
	}
	// A list that is null or missing says nothing about the log: taken for
	// an empty page it would end the window and lose the rest of it.
	if a.Response.Items == nil {
		return Page{}, errNoItems
	}
	within, err := readMetadata(a.Response.Metadata)
	if err != nil {
		return Page{}, err
	}
	beside, err := readMetadata(a.Metadata)
	if err != nil {
		return Page{}, err
	}
	m := within.or(beside)
	return Page{Records: a.Response.Items, Next: m.next, Total: m.total}, nil
}

// accounts returns the accounts that the answer lists, or one of the errors
// above. An entry that is no account is one without id and host.
func (a answer) accounts() ([]Account, error) {
	if text(a.Stat) != "OK" {
		return nil, errFail
	}
	var entries []jsontext.Value
	if a.Response.List == nil || json.Unmarshal(a.Response.List, &entries, lenient) != nil {
		return nil, errNoList
	}
	// A part of the list, taken for all of it, would leave accounts out.
	if m, err := readMetadata(a.Metadata); err != nil || m.next != "" {
		return nil, errPaged
	}
	accounts := make([]Account, 0, len(entries))
	for _, entry := range entries {
		var m struct {
			ID   jsontext.Value `json:"account_id"`
			Host jsontext.Value `json:"api_hostname"`
			Name jsontext.Value `json:"name"`
		}
		_ = json.Unmarshal(entry, &m, lenient)
		account := Account{ID: text(m.ID), Name: clean(text(m.Name)), Host: text(m.Host)}
		if !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	return accounts, nil
}

// metadata is what Duo says of paging: "" and -1 where it says nothing.
type metadata struct {
	next  string
	total int
}

func readMetadata(value jsontext.Value) (metadata, error) {
	var m struct {
		Next  jsontext.Value `json:"next_offset"`
		Total jsontext.Value `json:"total_objects"`
	}
	if value != nil && json.Unmarshal(value, &m, lenient) != nil {
		return metadata{}, errNotJSON
	}
	next, err := offset(m.Next)
	return metadata{next: next, total: count(m.Total)}, err
}

// or completes what one place says by what the other one does. Two totals that
// differ are none.
func (m metadata) or(other metadata) metadata {
	m.next = cmp.Or(m.next, other.next)
	switch {
	case m.total < 0:
		m.total = other.total
	case other.total >= 0 && other.total != m.total:
		m.total = -1
	}
	return m
}

// text returns a string, or a number as it is written; "" for anything else.
func text(value jsontext.Value) string {
	if value.Kind() == '0' {
		return string(value)
	}
	var s string
	_ = json.Unmarshal(value, &s, lenient)
	return s
}

// offset returns a text, a number as it is written, or the two of a list, which
// are sent with a comma between; "" for null, an empty list, and nothing.
func offset(value jsontext.Value) (string, error) {
	switch value.Kind() {
	case '"', '0':
		return text(value), nil
	case 'n', jsontext.KindInvalid:
		return "", nil
	}
	var parts []jsontext.Value
	if json.Unmarshal(value, &parts, lenient) != nil {
		return "", errNotJSON
	}
	if len(parts) == 0 {
		return "", nil
	}
	if len(parts) != 2 || text(parts[0]) == "" || text(parts[1]) == "" {
		return "", errNotJSON
	}
	return text(parts[0]) + "," + text(parts[1]), nil
}

// maxCount is the greatest count that is believed: up to there a float64 holds
// every whole number.
const maxCount = 1 << 53

// count returns a number, or the one that an object calls exact; -1 for anything
// else. The number may be written as a string or with a fraction of 0.
func count(value jsontext.Value) int {
	if value.Kind() == '{' {
		var total struct {
			Relation jsontext.Value `json:"relation"`
			Value    jsontext.Value `json:"value"`
		}
		if json.Unmarshal(value, &total, lenient) != nil || text(total.Relation) != "eq" {
			return -1
		}
		value = total.Value
	}
	f, err := strconv.ParseFloat(text(value), 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > maxCount {
		return -1
	}
	return int(f)
}
