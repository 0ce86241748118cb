package duo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

var telephony, _ = LogNamed("telephony")

// body is a page of telephony with so many records and the given metadata.
func body(records int, metadata string) string {
	items := slices.Repeat([]string{`{"a":1}`}, records)
	return fmt.Sprintf(`{"stat":"OK","response":{"items":[%s],"metadata":%s}}`, strings.Join(items, ","), metadata)
}

func TestDecodeNext(t *testing.T) {
	tests := map[string]struct{ metadata, want string }{
		"string":          {`{"next_offset":"1666714065304,5bf1"}`, "1666714065304,5bf1"},
		"array":           {`{"next_offset":["1666714065304","5bf1"]}`, "1666714065304,5bf1"},
		"array of number": {`{"next_offset":[1666714065304,"5bf1"]}`, "1666714065304,5bf1"},
		"null":            {`{"next_offset":null}`, ""},
		"empty":           {`{"next_offset":""}`, ""},
		"empty list":      {`{"next_offset":[]}`, ""},
		"number":          {`{"next_offset":7}`, "7"},
		"absent":          {`{}`, ""},
		"no metadata":     {`null`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, records := range []int{0, telephony.Limit - 1, telephony.Limit} {
				page, err := decodePage([]byte(body(records, tt.metadata)))
				if err != nil || page.Next != tt.want || len(page.Records) != records {
					t.Errorf("with %d records: %d records, next %q, %v; want next %q", records, len(page.Records), page.Next, err, tt.want)
				}
			}
		})
	}
}

// TestDecodePlaces has metadata in either place and in both.
func TestDecodePlaces(t *testing.T) {
	const here, there = `"metadata":{"next_offset":"1,a","total_objects":3}`, `"metadata":{"next_offset":"2,b","total_objects":4}`
	tests := map[string]struct {
		within, beside string
		next           string
		total          int
	}{
		"in response":              {here, `"x":1`, "1,a", 3},
		"beside response":          {`"x":1`, there, "2,b", 4},
		"null there":               {`"metadata":null`, there, "2,b", 4},
		"in two that say the same": {here, here, "1,a", 3},
		"in two that do not":       {here, there, "1,a", -1},
		"in two that say a half":   {`"metadata":{"total_objects":3}`, `"metadata":{"next_offset":"2,b"}`, "2,b", 3},
	}
	for name, tt := range tests {
		page, err := decodePage(fmt.Appendf(nil, `{"stat":"OK","response":{"items":[1],%s},%s}`, tt.within, tt.beside))
		if err != nil || page.Next != tt.next || page.Total != tt.total {
			t.Errorf("%s: next %q, total %d, %v; want %q, %d", name, page.Next, page.Total, err, tt.next, tt.total)
		}
	}
}

func TestDecodeTotal(t *testing.T) {
	tests := map[string]int{
		`{"total_objects":3}`:                                     3,
		`{"total_objects":{"relation":"eq","value":4}}`:           4,
		`{"total_objects":{"relation":"gte","value":10000}}`:      -1,
		`{"total_objects":{"value":10000}}`:                       -1,
		`{"total_objects":null}`:                                  -1,
		`{"total_objects":3.0}`:                                   3,
		`{"total_objects":"3"}`:                                   3,
		`{"total_objects":{"relation":"eq","value":"4"}}`:         4,
		`{"total_objects":{"relation":"eq"}}`:                     -1,
		`{"total_objects":3.5}`:                                   -1,
		`{"total_objects":-3}`:                                    -1,
		`{"total_objects":""}`:                                    -1,
		`{"total_objects":true}`:                                  -1,
		`{"total_objects":"many"}`:                                -1,
		`{"total_objects":[1]}`:                                   -1,
		`{"total_objects":99999999999999999999}`:                  -1,
		`{"total_objects":{"relation":["eq"],"value":"several"}}`: -1,
		`{}`: -1,
	}
	for metadata, want := range tests {
		page, err := decodePage([]byte(body(1, metadata)))
		if err != nil || page.Total != want {
			t.Errorf("%s: total %d, %v; want %d", metadata, page.Total, err, want)
		}
	}
}

// TestDecodeRecords keeps records byte for byte, with the white space in them.
func TestDecodeRecords(t *testing.T) {
	want := []string{`{"phone":null, "n":1.50, "new":{"x":[1e400]}}`, `null`, `7`, `"te xt"`, `[ ]`, "{\"bad\" :\"\xff\"}", "\"\u2028\\u2028\\ud800\"", `{"a":1,"a" : 2}`}
	page, err := decodePage([]byte("{ \"stat\":\"OK\",\n\"response\" : {\"items\":\t[" + strings.Join(want, " , ") + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(page.Records); !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
}

func TestDecodeMalformed(t *testing.T) {
	tests := map[string]struct {
		body string
		want error
	}{
		"nothing":           {``, errNotJSON},
		"HTML":              {`<html>`, errNotJSON},
		"cut off":           {`{"stat":"OK","response":{"items":[{}`, errNotJSON},
		"list":              {`[]`, errNotJSON},
		"null":              {`null`, errNotJSON},
		"other JSON":        {`{"status":"up"}`, errFail},
		"FAIL":              {`{"stat":"FAIL","code":50000}`, errFail},
		"no response":       {`{"stat":"OK"}`, errNoItems},
		"response null":     {`{"stat":"OK","response":null}`, errNoItems},
		"items missing":     {`{"stat":"OK","response":{"metadata":{"next_offset":"1,a"}}}`, errNoItems},
		"items null":        {`{"stat":"OK","response":{"items":null}}`, errNoItems},
		"items object":      {`{"stat":"OK","response":{"items":{}}}`, errNotJSON},
		"offset object":     {body(1, `{"next_offset":{"ms":1}}`), errNotJSON},
		"offset of one":     {body(1, `{"next_offset":["1666714065304"]}`), errNotJSON},
		"offset of objects": {body(1, `{"next_offset":[{},{}]}`), errNotJSON},
		"offset of nulls":   {body(1, `{"next_offset":[null,null]}`), errNotJSON},
	}
	for name, tt := range tests {
		if page, err := decodePage([]byte(tt.body)); !errors.Is(err, tt.want) {
			t.Errorf("%s: decode = %+v, %v; want %v", name, page, err, tt.want)
		}
	}
}

func decodePage(body []byte) (Page, error) { return decodePageOf(telephony, body) }

func decodePageOf(log Log, body []byte) (Page, error) {
	a, err := decode(body)
	if err != nil {
		return Page{}, err
	}
	return a.page(log)
}

func texts(records []jsontext.Value) []string {
	texts := []string{}
	for _, r := range records {
		texts = append(texts, string(r))
	}
	return texts
}

// reference returns the records of a log's page as encoding/json reads them.
func reference(log Log, body []byte) ([]string, error) {
	var answer, response map[string]json.RawMessage
	var stat string
	var items []json.RawMessage
	if json.Unmarshal(body, &answer) != nil || answer == nil { // null is no answer
		return nil, errNotJSON
	}
	if _ = json.Unmarshal(answer["stat"], &stat); stat != "OK" {
		return nil, errFail
	}
	if answer["response"] != nil && json.Unmarshal(answer["response"], &response) != nil {
		return nil, errNotJSON
	}
	if response[log.List] != nil && json.Unmarshal(response[log.List], &items) != nil {
		return nil, errNotJSON
	}
	if items == nil {
		return nil, errNoItems
	}
	all := []string{}
	for _, item := range items {
		all = append(all, string(item))
	}
	return all, nil
}

// sameAsReference compares a page of each log with what encoding/json reads. The
// list of records is called "items", for which each log's own name is put.
func sameAsReference(t *testing.T, body []byte) {
	t.Helper()
	for _, log := range Logs {
		own := bytes.ReplaceAll(body, []byte(`"items"`), []byte(`"`+log.List+`"`))
		sameAsReferenceOf(t, log, own)
	}
}

// sameAsReferenceOf does it for one log. Metadata that can't be read makes a page
// malformed; its own tests say which.
func sameAsReferenceOf(t *testing.T, log Log, body []byte) {
	t.Helper()
	want, wantErr := reference(log, body)
	got, err := decodePageOf(log, body)
	if wantErr == nil && errors.Is(err, errNotJSON) && bytes.Contains(body, []byte("data")) {
		return
	}
	if !errors.Is(err, wantErr) {
		t.Fatalf("%s: decode = %v, encoding/json says %v for %q", log.Name, err, wantErr, body)
	}
	if err == nil && !slices.Equal(texts(got.Records), want) {
		t.Fatalf("%s: decode = %q, encoding/json reads %q", log.Name, texts(got.Records), want)
	}
}

func TestDecodeLikeJSON(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, item := range map[string]string{
		"numbers":         `-0, 0.0, 1E+2, 1e-999, 123456789012345678901234567890`,
		"bad numbers":     `01`,
		"lone minus":      `-`,
		"no fraction":     `1.`,
		"no exponent":     `1e`,
		"plus":            `+1`,
		"escapes":         `"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00\ud800"`,
		"bad escape":      `"\x"`,
		"short escape":    `"\u00g0"`,
		"invalid UTF-8":   "\"\xff\xc3(\", {\"\xff\":1}",
		"control":         "\"a\nb\"",
		"NUL":             "\x00",
		"words":           `true, false, null`,
		"bad word":        `nul`,
		"duplicate keys":  `{"a":1,"a":2,"ts":3,"ts":4}`,
		"known keys":      `{"telephony_id":"x" , "ts" :[ 1, 2 ],"host": { } ,"eventtype":null},{"t\u0073":1},{"ts":1},1`,
		"like known keys": `{"Ts":1,"hos":1,"hostt":1,"event_type":1,"telephony-id":1}`,
		"trailing comma":  `{"a":1,}`,
		"comma in a list": `[1,]`,
		"key no string":   `{a:1}`,
		"no colon":        `{"a" 1}`,
		"all white space": " \t\r\n[ \t\r\n] ",
		"other space":     "\u00a0[]",
		"deep":            nested(9_997), // below three levels of the answer
		"too deep":        nested(9_998),
		"wide":            strings.Repeat(`[[]],{"a":{}},`, 10_000) + `1`,
		"unclosed string": `"a`,
	} {
		t.Run(name, func(t *testing.T) {
			sameAsReference(t, []byte(`{"stat":"OK","response":{"items":[`+item+`]}}`))
		})
	}
	for _, body := range []string{
		`{"stat":"OK","response":{"items":[1]},"response":{"items":[2,3]}}`,
		`{"stat":"OK","response":{"items":[1],"items":null}}`,
		`{"stat":"OK","response":{"items":[1]},"response":null}`,
		`{"stat":"OK","response":{"items":[1]},"response":{}}`,
		`{"STAT":"OK","Response":{"ITEMS":[1]}}`,
		`{"stat":"OK","response":{"ITEMS":[1]}}`,
		`{"stat":"OK","response":{"it\u0065ms":[1]}}`,
		`{"stat":"OK","re\ud800sponse":{"items":[1]}}`,
		`{"stat":"OK","response":{"items":[1]}} x`,
		`{"stat":"OK","response":{"items":[1]}}{}`,
		` {"stat":"OK","response":{"items":[]}} `,
		`{"items":[1]}`,
		`null`,
		`{"stat":"OK","response":{"items":[{"items":[1],"response":{"items":[2]}}],"a":{"items":[3]}},"items":[4]}`,
	} {
		sameAsReference(t, []byte(body))
	}
}

// TestDecodeDamaged cuts a page of each log at every place, and puts every kind
// of byte in place of every one and between every two.
func TestDecodeDamaged(t *testing.T) {
	for _, log := range Logs {
		page := `{"stat":"OK","response":{"` + log.List + `":[{"ts":"2026","n":-1.5e+7,"host":null,"a":[1,{"b":true}]}, { "id" : "\u00e9\n" } ],"metadata":{"total_objects":2}}}`
		for i := range page {
			sameAsReferenceOf(t, log, []byte(page[:i]))
			for _, c := range " \x00\"\\{}[]:,0-+.eutx\u00e9" {
				sameAsReferenceOf(t, log, []byte(page[:i]+string(c)+page[i:]))
				sameAsReferenceOf(t, log, []byte(page[:i]+string(c)+page[i+1:]))
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(body(2, `{"next_offset":"1666714065304,a","total_objects":3}`)))
	f.Add([]byte(body(0, `{"next_offset":null,"total_objects":{"relation":"eq","value":3}}`)))
	f.Add([]byte(body(1, `{"next_offset":[1,"a"]}`)))
	f.Add([]byte(`{"stat":"FAIL","code":"","message":"m","message_detail":"d"}`))
	f.Add([]byte(`{"stat":"OK","response":{"items":[{"ts":"1","telephony_id":"2","eventtype":3,"host":4}, { "t\u0073" : [ 1 ] ,"ts" : { "host" : 1 } } ]}}`))
	f.Add([]byte("{\"stat\":\"OK\",\"response\":{\"items\":[ -1.5e+7, \"\\u00e9\xff\" , {\"a\" : [ ] } ]}}"))
	for _, log := range Logs {
		f.Add(fmt.Appendf(nil, `{"stat":"OK","response":{"items":[1],%q:[{"x":1},2],"metadata":{"next_offset":["1","a"]}}}`, log.List))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, log := range Logs {
			sameAsReferenceOf(t, log, data)
		}
	})
}

func TestClean(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":            {"'mintime' must be a timestamp", "'mintime' must be a timestamp"},
		"control":          {"a\r\nb\x1b[31m\u2028c\u202ed", "a  b [31m c d"},
		"phone":            {"no +17345551311 or +4916012345678.", "no +… or +…."},
		"phone with marks": {"+1 (734) 555-1311!", "+…!"},
		"no phone":         {"+123456, 17345551311", "+123456, 17345551311"},
		"long":             {strings.Repeat("é", 300), strings.Repeat("é", 200)},
		"phone at the cut": {strings.Repeat("x", 196) + "+17345551311", strings.Repeat("x", 196) + "+…"},
	}
	for name, tt := range tests {
		if got := clean(tt.in); got != tt.want {
			t.Errorf("%s: clean = %q, want %q", name, got, tt.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Tue, 21 Aug 2012 17:29:18 GMT"
	tests := map[string]struct {
		date, value string
		want        time.Duration
	}{
		"absent":            {date, "", time.Minute},
		"seconds":           {date, "7", 7 * time.Second},
		"none":              {date, "0", time.Minute},
		"negative":          {date, "-5", time.Minute},
		"nonsense":          {date, "soon", time.Minute},
		"absurd":            {date, "9223372036854775807", time.Hour},
		"a day":             {date, "86400", time.Hour},
		"beyond any number": {date, "99999999999999999999999", time.Hour},
		"in blanks":         {date, " 7 ", 7 * time.Second},
		"date by Duo's own": {date, "Tue, 21 Aug 2012 17:29:58 GMT", 40 * time.Second},
		"date past":         {date, "Tue, 21 Aug 2012 17:29:08 GMT", time.Minute},
		"date, no clock":    {"", "Tue, 21 Aug 2012 17:29:58 GMT", time.Minute},
		"date far off":      {date, "Tue, 21 Aug 2312 17:29:58 GMT", time.Hour},
	}
	for name, tt := range tests {
		h := http.Header{"Date": {tt.date}, "Retry-After": {tt.value}}
		if got := retryAfter(h); got != tt.want {
			t.Errorf("%s: retryAfter = %s, want %s", name, got, tt.want)
		}
	}
}
