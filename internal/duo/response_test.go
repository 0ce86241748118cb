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
)

// body is a page with so many records and the given metadata.
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
			for _, records := range []int{0, PageSize - 1, PageSize} {
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

func TestDecodeRecords(t *testing.T) {
	items := []string{`{"phone":null, "n":1.50, "new":{"x":[1e400]}}`, `null`, `7`, `"te xt"`, `[ ]`, "{\"bad\" :\"\xff\"}"}
	want := []string{`{"phone":null,"n":1.50,"new":{"x":[1e400]}}`, `null`, `7`, `"te xt"`, `[]`, "{\"bad\":\"\xff\"}"}
	page, err := decodePage([]byte("{ \"stat\":\"OK\",\n\"response\" : {\"items\":\t[" + strings.Join(items, " , ") + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(page.Records); !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
}

// TestReaderKeepsMemory reads pages of one record and of a thousand: the others
// have their place from the page before.
func TestReaderKeepsMemory(t *testing.T) {
	var r Reader
	allocations := func(records int) float64 {
		page := []byte(body(records, `{"next_offset":"1,a"}`))
		return testing.AllocsPerRun(10, func() {
			if page, err := r.Page(page); err != nil || len(page.Records) != records {
				t.Errorf("%d records, %v", len(page.Records), err)
			}
		})
	}
	if one, full := allocations(1), allocations(PageSize); one != full {
		t.Errorf("a page of one record takes %v allocations, a full one %v", one, full)
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
		"null":              {`null`, errFail},
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

// decodePage leaves the body as it is. Its Reader has read another page before,
// of which nothing may stay.
func decodePage(body []byte) (Page, error) {
	var r Reader
	before := []byte(`{ "stat":"OK","response":{"items":[{"ts":"1","telephony_id":"2","eventtype":3,"host":4}, 5, 6 ]}}`)
	if page, err := r.Page(before); err != nil || len(page.Records) != 3 {
		panic(err)
	}
	return r.Page(slices.Clone(body))
}

// reference is decodePage as package json would have it.
func reference(body []byte) (Page, error) {
	var e envelope
	e.Response.Metadata.Total, e.Metadata.Total = -1, -1
	if json.Unmarshal(body, &e) != nil {
		return Page{}, errNotJSON
	}
	for _, item := range e.Response.Items {
		var compact bytes.Buffer
		if err := json.Compact(&compact, item); err != nil {
			return Page{}, err
		}
		e.records = append(e.records, Record{JSON: compact.Bytes()})
	}
	return e.page()
}

func texts(records []Record) []string {
	texts := []string{}
	for _, r := range records {
		texts = append(texts, string(r.JSON))
	}
	return texts
}

// sameAsReference holds the scanner against package json.
func sameAsReference(t *testing.T, body []byte) {
	t.Helper()
	want, wantErr := reference(body)
	got, err := decodePage(body)
	if !errors.Is(err, wantErr) {
		t.Fatalf("decode = %v, package json says %v", err, wantErr)
	}
	for _, r := range got.Records {
		sameFields(t, r)
	}
	if got.Next != want.Next || got.Total != want.Total || !slices.Equal(texts(got.Records), texts(want.Records)) {
		t.Fatalf("decode = %q, next %q, total %d; package json reads %q, %q, %d",
			texts(got.Records), got.Next, got.Total, texts(want.Records), want.Next, want.Total)
	}
}

// sameFields holds what a record tells against package json, which keeps the last
// of the members with the same key, and reads the record once more by itself.
func sameFields(t *testing.T, r Record) {
	t.Helper()
	var members map[string]json.RawMessage
	isObject := json.Unmarshal(r.JSON, &members) == nil && members != nil
	if r.IsObject() != isObject {
		t.Fatalf("%q is an object: %v", r.JSON, r.IsObject())
	}
	want := Record{JSON: r.JSON, Time: members["ts"], ID: members["telephony_id"]}
	_, want.EventType = members["eventtype"]
	_, want.Host = members["host"]
	if fields(r) != fields(want) {
		t.Fatalf("the record is %q, package json reads %q", fields(r), fields(want))
	}
	again, ok := ReadRecord(slices.Concat([]byte(" "), r.JSON, []byte("\n")))
	if !ok || fields(again) != fields(want) {
		t.Fatalf("%q reads as %q by itself", r.JSON, fields(again))
	}
}

func TestReadRecord(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     `{} <nil> <nil> false false`,
		`{"ts":"a","x":{"ts":1},"ts":[ "b" ]}`:   `{"ts":"a","x":{"ts":1},"ts":["b"]} ["b"] <nil> false false`,
		`{"telephony_id" : "a" , "host":null }`:  `{"telephony_id":"a","host":null} <nil> "a" false true`,
		`{"t\u0073":1,"telephony\u005fid":null}`: `{"t\u0073":1,"telephony\u005fid":null} 1 null false false`,
		`{"event\u0074ype":1,"\u0068ost":2}`:     `{"event\u0074ype":1,"\u0068ost":2} <nil> <nil> true true`,
		`{"Ts":1,"TS":1,"HOST":1,"eventType":1}`: `{"Ts":1,"TS":1,"HOST":1,"eventType":1} <nil> <nil> false false`,
		"{\"ts\xff\":1,\"\xffhost\":1}":          "{\"ts\xff\":1,\"\xffhost\":1} <nil> <nil> false false",
		` [{"ts":1}] `:                           `[{"ts":1}] <nil> <nil> false false`,
		` "ts" `:                                 `"ts" <nil> <nil> false false`,
	} {
		r, ok := ReadRecord([]byte(text))
		if !ok || fields(r) != want {
			t.Errorf("%q reads as\n%s, want\n%s", text, fields(r), want)
		}
	}
	for _, text := range []string{"", " ", "{", "{}{}", "nul", `{"a":1} x`, "\x00", `{"ts"`, `{"ts":`, `{"ts":1`, `{"ts":"1`, `{"ts":1,`, `{"ts":1,}`} {
		if r, ok := ReadRecord([]byte(text)); ok {
			t.Errorf("%q reads as the record %q", text, fields(r))
		}
	}
}

// fields is a record as text, in which nil is something else than empty.
func fields(r Record) string {
	orNil := func(value []byte) string {
		if value == nil {
			return "<nil>"
		}
		return string(value)
	}
	return fmt.Sprintf("%s %s %s %v %v", r.JSON, orNil(r.Time), orNil(r.ID), r.EventType, r.Host)
}

// TestStrings has strings with every byte at many places, and another one behind
// it. By themselves they are looked at byte by byte, in front of others by eight.
func TestStrings(t *testing.T) {
	for at := range 17 {
		for c := range 256 {
			for _, next := range []string{"", "\x00", "!", "#", "]", "\"", "\\"} {
				quoted := `"` + strings.Repeat("x", at) + string([]byte{byte(c)}) + next + `x"`
				for _, text := range []string{quoted, `{` + quoted + `:` + quoted + `,"ts":       1}`} {
					if _, ok := ReadRecord([]byte(text)); ok != json.Valid([]byte(text)) {
						t.Fatalf("%q is JSON: %v, package json disagrees", text, ok)
					}
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{`"a\u0062"`: "ab", `"ab"`: "ab", `""`: "", "7": "<nil>", "null": "<nil>", "": "<nil>", "\"\xff\"": "\ufffd"} {
		got := "<nil>"
		if text := Text([]byte(value)); text != nil {
			got = string(text)
		}
		if got != want {
			t.Errorf("the text of %q is %q, want %q", value, got, want)
		}
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
		"deep":            nested(maxDepth - 3), // below three levels of the answer
		"too deep":        nested(maxDepth - 2),
		"wide":            strings.Repeat(`[[]],{"a":{}},`, maxDepth) + `1`,
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
		`{"stat":"OK","response":{"it\u0065ms":[1]}}`,
		`{"stat":"OK","re\ud800sponse":{"items":[1]}}`,
		`{"stat":"OK","response":{"items":[1]}} x`,
		`{"stat":"OK","response":{"items":[1]}}{}`,
		` {"stat":"OK","response":{"items":[]}} `,
		`{"items":[1]}`,
		`{"stat":"OK","response":{"items":[{"items":[1],"response":{"items":[2]}}],"a":{"items":[3]}},"items":[4]}`,
	} {
		sameAsReference(t, []byte(body))
	}
}

// TestDecodeDamaged cuts a page at every place, and puts every kind of byte in
// place of every one and between every two.
func TestDecodeDamaged(t *testing.T) {
	page := `{"stat":"OK","response":{"items":[{"ts":"2026","n":-1.5e+7,"host":null,"a":[1,{"b":true}]}, { "telephony_id" : "\u00e9\n" } ],"metadata":{"total_objects":2}}}`
	for i := range page {
		sameAsReference(t, []byte(page[:i]))
		for _, c := range " \x00\"\\{}[]:,0-+.eutx\u00e9" {
			sameAsReference(t, []byte(page[:i]+string(c)+page[i:]))
			sameAsReference(t, []byte(page[:i]+string(c)+page[i+1:]))
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
	f.Fuzz(func(t *testing.T, data []byte) { sameAsReference(t, data) })
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
