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
		"absent":          {`{}`, ""},
		"no metadata":     {`null`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for records, want := range map[int]string{0: "", PageSize - 1: "", PageSize: tt.want} {
				page, err := decode([]byte(body(records, tt.metadata)))
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
		page, err := decode([]byte(body(1, metadata)))
		if err != nil || page.Total != want {
			t.Errorf("%s: total %d, %v; want %d", metadata, page.Total, err, want)
		}
	}
}

func TestDecodeRecords(t *testing.T) {
	items := []string{`{"phone":null, "n":1.50, "new":{"x":[1e400]}}`, `null`, `7`, `"text"`, `[]`, "{\"bad\":\"\xff\"}"}
	page, err := decode([]byte(`{"stat":"OK","response":{"items":[` + strings.Join(items, " , ") + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range page.Records {
		got = append(got, string(r))
	}
	if !slices.Equal(got, items) {
		t.Errorf("records = %q, want %q", got, items)
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
		if page, err := decode([]byte(tt.body)); !errors.Is(err, tt.want) {
			t.Errorf("%s: decode = %+v, %v; want %v", name, page, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(body(2, `{"next_offset":"1666714065304,a","total_objects":3}`)))
	f.Add([]byte(body(0, `{"next_offset":null,"total_objects":{"relation":"eq","value":3}}`)))
	f.Add([]byte(body(1, `{"next_offset":[1,"a"]}`)))
	f.Add([]byte(`{"stat":"FAIL","code":"","message":"m","message_detail":"d"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		page, err := decode(data)
		if err != nil {
			return
		}
		if page.Records == nil {
			t.Error("a page without a list of records")
		}
		for _, r := range page.Records {
			if !json.Valid(r) || !bytes.Contains(data, r) {
				t.Errorf("record %q is not a value of the body", r)
			}
		}
		again, err := json.Marshal(map[string]any{"stat": "OK", "response": map[string]any{"items": page.Records}})
		if err != nil {
			t.Fatal(err)
		}
		repeated, err := decode(again)
		if err != nil || len(repeated.Records) != len(page.Records) {
			t.Errorf("%d records written again read as %d, %v", len(page.Records), len(repeated.Records), err)
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
