package duo

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What can be wrong with a body. Package json's own texts could quote it.
var (
	errFail    = errors.New("stat is not OK")
	errTooLong = fmt.Errorf("the body is longer than %d MiB", maxBody>>20)
	errNotJSON = errors.New("the body is not the JSON of a log page")
	errNoItems = errors.New("the body has no list of items")
	errNoList  = errors.New("the body has no list of accounts")
	errPaged   = errors.New("the body has only a part of the accounts, and an offset to the rest, which this service does not know how to ask for")
)

// answer is the JSON of every answer. Values stay raw, parts of the body, until needed:
// shapes differ between Duo's logs and documents, and an odd refusal is still a refusal.
type answer struct {
	Stat    jsontext.Value `json:"stat"`
	Code    jsontext.Value `json:"code"`
	Message jsontext.Value `json:"message"`
	Detail  jsontext.Value `json:"message_detail"`

	Response jsontext.Value `json:"response"`
	// Metadata may stand here instead of in the response, as Duo's general paging
	// has it: https://duo.com/docs/adminapi#response-paging
	Metadata jsontext.Value `json:"metadata"`
}

func decode(body []byte) (answer, error) {
	if len(body) > maxBody {
		return answer{}, errTooLong
	}
	var a answer
	if jsontext.Value(body).Kind() != '{' || unmarshal(body, &a) != nil {
		return answer{}, errNotJSON
	}
	return a, nil
}

// unmarshal accepts all that package encoding/json accepts: equal names, of which
// the last one counts, and invalid UTF-8 in strings. A [jsontext.Value] is not
// copied but a part of the source. A nil source is no value.
func unmarshal(source jsontext.Value, into any) error {
	if source == nil {
		return nil
	}
	inPlace := json.UnmarshalFromFunc(func(d *jsontext.Decoder, value *jsontext.Value) error {
		read, err := d.ReadValue()
		end := d.InputOffset()
		*value = source[end-int64(len(read)) : end]
		return err
	})
	return json.Unmarshal(source, into, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), json.WithUnmarshalers(inPlace))
}

// page returns the page of a log that the answer is, or one of the errors above.
func (a answer) page(log Log) (Page, error) {
	if text(a.Stat) != "OK" {
		return Page{}, errFail
	}
	var response map[string]jsontext.Value
	var items []jsontext.Value
	if unmarshal(a.Response, &response) != nil || unmarshal(response[log.List], &items) != nil {
		return Page{}, errNotJSON
	}
	// A list that is null or missing says nothing about the log: taken for
	// an empty page it would end the window and lose the rest of it.
	if items == nil {
		return Page{}, errNoItems
	}
	within, err := readMetadata(response["metadata"])
	if err != nil {
		return Page{}, err
	}
	beside, err := readMetadata(a.Metadata)
	if err != nil {
		return Page{}, err
	}
	m := within.or(beside)
	return Page{Records: items, Next: m.next, Total: m.total}, nil
}

// accounts returns the accounts that the answer lists, or one of the errors
// above. An entry that is no account is one without id and host.
func (a answer) accounts() ([]Account, error) {
	if text(a.Stat) != "OK" {
		return nil, errFail
	}
	var entries []jsontext.Value
	if unmarshal(a.Response, &entries) != nil || entries == nil {
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
		_ = unmarshal(entry, &m)
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
	if unmarshal(value, &m) != nil {
		return metadata{}, errNotJSON
	}
	next, err := offset(m.Next)
	return metadata{next: next, total: count(m.Total)}, err
}

// or completes what one place says by the other. Two totals that differ are none.
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
	_ = unmarshal(value, &s)
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
	if unmarshal(value, &parts) != nil {
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

// maxCount is the greatest count that is believed: a float64 holds all up to it.
const maxCount = 1 << 53

// count returns a number, or the one that an object calls exact; -1 for anything
// else. The number may be written as a string or with a fraction of 0.
func count(value jsontext.Value) int {
	if value.Kind() == '{' {
		var total struct {
			Relation jsontext.Value `json:"relation"`
			Value    jsontext.Value `json:"value"`
		}
		if unmarshal(value, &total) != nil || text(total.Relation) != "eq" {
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
