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
	"unicode/utf8"
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
		"absent":          {`{}`, ""},
		"no metadata":     {`null`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for records, want := range map[int]string{0: "", PageSize - 1: "", PageSize: tt.want} {
				page, err := decodePage([]byte(body(records, tt.metadata)))
				if err != nil || page.Next != want || len(page.Records) != records {
					t.Errorf("with %d records: %d records, next %q, %v; want next %q", records, len(page.Records), page.Next, err, want)
				}
			}
		})
	}
}

func TestDecodeTotal(t *testing.T) {
	tests := map[string]int{
		`{"total_objects":3}`:                                     3,
		`{"total_objects":{"relation":"eq","value":4}}`:           4,
		`{"total_objects":{"relation":"gte","value":10000}}`:      -1,
		`{"total_objects":{"value":10000}}`:                       -1,
		`{"total_objects":null}`:                                  -1,
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
	}
	for name, tt := range tests {
		if page, err := decodePage([]byte(tt.body)); !errors.Is(err, tt.want) {
			t.Errorf("%s: decode = %+v, %v; want %v", name, page, err, tt.want)
		}
	}
}

// decodePage is ReadPage, and leaves the body as it is.
func decodePage(body []byte) (Page, error) { return ReadPage(slices.Clone(body)) }

// reference is decodePage as package json would have it.
func reference(body []byte) (Page, error) {
	var e envelope
	e.Response.Metadata.Total = -1
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
		sameMembers(t, r)
	}
	if got.Next != want.Next || got.Total != want.Total || !slices.Equal(texts(got.Records), texts(want.Records)) {
		t.Fatalf("decode = %q, next %q, total %d; package json reads %q, %q, %d",
			texts(got.Records), got.Next, got.Total, texts(want.Records), want.Next, want.Total)
	}
}

// sameMembers holds a record's members against package json's, which keeps the
// last of those with the same key, and reads the record once more by itself.
func sameMembers(t *testing.T, r Record) {
	t.Helper()
	var want map[string]json.RawMessage
	isObject := json.Unmarshal(r.JSON, &want) == nil && want != nil
	got := map[string]string{}
	for key, value := range r.Members() {
		if !utf8.Valid(key) { // package json replaces what is not
			key = unquote(slices.Concat([]byte{'"'}, key, []byte{'"'}))
		}
		got[string(key)] = string(value)
	}
	same := len(got) == len(want)
	for key, value := range want {
		same = same && got[key] == string(value)
	}
	if !same || r.IsObject() != isObject {
		t.Fatalf("the members of %q are %q", r.JSON, got)
	}
	again, ok := ReadRecord(slices.Concat([]byte(" "), r.JSON, []byte("\n")))
	if !ok || string(again.JSON) != string(r.JSON) || len(again.members) != len(r.members) {
		t.Fatalf("%q reads as %q by itself", r.JSON, again.JSON)
	}
}

func TestReadRecord(t *testing.T) {
	for _, text := range []string{"", " ", "{", "{}{}", "nul", `{"a":1} x`, "\x00"} {
		if r, ok := ReadRecord([]byte(text)); ok {
			t.Errorf("%q reads as the record %q", text, r.JSON)
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
		"trailing comma":  `{"a":1,}`,
		"comma in a list": `[1,]`,
		"key no string":   `{a:1}`,
		"no colon":        `{"a" 1}`,
		"all white space": " \t\r\n[ \t\r\n] ",
		"other space":     "\u00a0[]",
		"deep":            nested(maxDepth - 3), // below three levels of the answer
		"too deep":        nested(maxDepth - 2),
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
	} {
		sameAsReference(t, []byte(body))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(body(2, `{"next_offset":"1666714065304,a","total_objects":3}`)))
	f.Add([]byte(body(0, `{"next_offset":null,"total_objects":{"relation":"eq","value":3}}`)))
	f.Add([]byte(body(1, `{"next_offset":[1,"a"]}`)))
	f.Add([]byte(`{"stat":"FAIL","code":"","message":"m","message_detail":"d"}`))
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
		"absurd":            {date, "9223372036854775807", 24 * time.Hour},
		"date by Duo's own": {date, "Tue, 21 Aug 2012 17:29:58 GMT", 40 * time.Second},
		"date past":         {date, "Tue, 21 Aug 2012 17:29:08 GMT", time.Minute},
		"date, no clock":    {"", "Tue, 21 Aug 2012 17:29:58 GMT", time.Minute},
		"date far off":      {date, "Tue, 21 Aug 2312 17:29:58 GMT", 24 * time.Hour},
	}
	for name, tt := range tests {
		h := http.Header{"Date": {tt.date}, "Retry-After": {tt.value}}
		if got := retryAfter(h); got != tt.want {
			t.Errorf("%s: retryAfter = %s, want %s", name, got, tt.want)
		}
	}
}
