package collect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
)

var extra = Config{Enrich: true, Host: "api-x.duosecurity.com"}.extraFields()

// newRecord makes a record of any JSON.
func newRecord(raw string, extra []field) record {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(raw)); err != nil {
		panic(err)
	}
	page, ok := duo.ReadRecord(compact.Bytes())
	if !ok {
		panic("no record: " + raw)
	}
	var r records
	r.fill([]duo.Record{page}, extra)
	return r.all[0]
}

func TestEnrich(t *testing.T) {
	t.Parallel()
	const both = `"eventtype":"telephony","host":"api-x.duosecurity.com"}`
	for in, want := range map[string]string{
		`{}`:                               `{` + both,
		`{"a":1}`:                          `{"a":1,` + both,
		`{"a":{"host":1,"eventtype":2}}`:   `{"a":{"host":1,"eventtype":2},` + both,
		`{"host":null}`:                    `{"host":null,"eventtype":"telephony"}`,
		`{"eventtype":"x","host":"y"}`:     `{"eventtype":"x","host":"y"}`,
		`{"ho\u0073t":"y","eventtype":0}`:  `{"ho\u0073t":"y","eventtype":0}`,
		`{"Host":1}`:                       `{"Host":1,` + both,
		`[1]`:                              `[1]`,
		`"s"`:                              `"s"`,
		`null`:                             `null`,
		"{ \"n\" : 1e400 ,\n\"n\":-0.0 } ": `{"n":1e400,"n":-0.0,` + both,
		"{\"u\":\"\u2028\\u2028\\n\xff\"}": "{\"u\":\"\u2028\\u2028\\n\xff\"," + both,
	} {
		if got := string(newRecord(in, extra).line); got != want {
			t.Errorf("%q becomes\n%q, want\n%q", in, got, want)
		}
		if got := newRecord(in, nil).line; bytes.Contains(got, []byte("telephony")) {
			t.Errorf("%q is enriched although it shall not be: %q", in, got)
		}
	}
}

// TestIdentity has pairs that are the same record, and pairs that are not.
func TestIdentity(t *testing.T) {
	t.Parallel()
	const id = `"60799fee-f08f-4ba8-971f-4e53b3473e9a"`
	const nil0 = `"00000000-0000-0000-0000-000000000000"`
	for _, test := range []struct {
		name, a, b string
		same       bool
	}{
		{"an id, all else differs", `{"telephony_id":` + id + `,"a":1}`, `{"b":2,"telephony_id":` + id + `}`, true},
		{"an id at one time", `{"telephony_id":` + id + `,"ts":"x","a":1}`, `{"ts":"x","telephony_id":` + id + `}`, true},
		{"an id at two times", `{"telephony_id":` + id + `,"ts":"x"}`, `{"telephony_id":` + id + `,"ts":"y"}`, false},
		{"an id, a time or none", `{"telephony_id":` + id + `,"ts":null}`, `{"telephony_id":` + id + `}`, false},
		{"an escaped key", `{"telephony_\u0069d":` + id + `,"a":1}`, `{"telephony_id":` + id + `}`, true},
		{"an id in a nested object", `{"a":{"telephony_id":"x1"},"n":[{"telephony_id":"y2"}]}`, `{"telephony_id":"x1"}`, false},
		{"quotes and brackets in strings", `{"a":"\\","b":"}\"]","telephony_id":` + id + `}`, `{"telephony_id":` + id + `,"c":["]",{"}":"{"}]}`, true},
		{"letter case", `{"telephony_id":` + id + `}`, `{"telephony_id":` + strings.ToUpper(id) + `}`, false},
		{"the last of two ids", `{"telephony_id":"x","telephony_id":` + id + `}`, `{"telephony_id":` + id + `}`, true},
		{"other key's case", `{"telephony_id":` + id + `}`, `{"TELEPHONY_ID":` + id + `}`, false},
		{"no UUID", `{"telephony_id":"x1","a":1}`, `{"telephony_id":"x1","a":2}`, true},
		{"not available", `{"telephony_id":"N/A","a":1}`, `{"telephony_id":"N/A","a":2}`, false},
		{"blank", `{"telephony_id":" ","a":1}`, `{"telephony_id":" ","a":2}`, false},
		{"the nil UUID", `{"telephony_id":` + nil0 + `,"a":1}`, `{"telephony_id":` + nil0 + `,"a":2}`, false},
		{"a number", `{"telephony_id":7,"a":1}`, `{"telephony_id":7,"a":2}`, false},
		{"a list", `{"telephony_id":["7"],"a":1}`, `{"telephony_id":["7"],"a":2}`, false},
		{"false", `{"telephony_id":false,"a":1}`, `{"telephony_id":false,"a":2}`, false},
		{"nothing, the same bytes", `{"telephony_id":"N/A","a":1}`, `{ "telephony_id" : "N/A" , "a" : 1 }`, true},
		{"no id", `{"a":1}`, `{ "a" : 1 }`, true},
		{"no id, other bytes", `{"a":1}`, `{"a":2}`, false},
		{"null and empty are no ids", `{"telephony_id":null}`, `{"telephony_id":""}`, false},
	} {
		a, b := newRecord(test.a, extra), newRecord(test.b, extra)
		if (a.id == b.id) != test.same {
			t.Errorf("%s: the same is %v", test.name, a.id == b.id)
		}
	}
}

// TestIdentityEnriched: what is added to a line changes no identity, with any
// host, and a record that has some of it by itself is the same one, too.
func TestIdentityEnriched(t *testing.T) {
	t.Parallel()
	other := Config{Enrich: true, Host: "api-y.duosecurity.com"}.extraFields()
	for _, raw := range []string{
		`{}`, `{"a":1}`, `{"host":"own"}`, `{"eventtype":"telephony"}`, `{"a":1,"host":"own","eventtype":"telephony"}`, `{"a":1,"host":"own"}`,
		`{"a":{"host":"x"}}`, `{"a":"\"host\":\"x"}`, `{"host":7}`, `[]`, `"host"`, `{"telephony_id":"x1"}`,
	} {
		plain := newRecord(raw, nil)
		for _, fields := range [][]field{nil, extra, other} {
			if r := newRecord(raw, fields); r.id != plain.id || parseRecord(r.line).id != plain.id {
				t.Errorf("%s, written as %s, is another record", raw, r.line)
			}
		}
	}
}

// FuzzRecord turns any JSON value into a line: it is valid, keeps what was
// there in its place, and reads back with the same time and identity.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{`{}`, `{"telephony_id":"x","ts":"2026-01-02T03:04:05.678901+00:00"}`, `[1,"\n"]`, "{ \"a\" :\t\"\u2028\xff\" }", `{"host":1,"host":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		r := newRecord(string(raw), extra)
		if bytes.ContainsAny(r.line, "\n\r") || !json.Valid(r.line) {
			t.Fatalf("%q becomes the line %q", raw, r.line)
		}
		var plain bytes.Buffer
		if err := json.Compact(&plain, raw); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(r.line, bytes.TrimSuffix(plain.Bytes(), []byte("}"))) {
			t.Fatalf("%q becomes %q", plain.Bytes(), r.line)
		}
		if again := parseRecord(r.line); again.id != r.id || again.at != r.at {
			t.Fatalf("%q reads back as %+v, was %+v", r.line, again, r)
		}
		if twice := newRecord(string(r.line), extra); !bytes.Equal(twice.line, r.line) {
			t.Fatalf("%q is enriched twice: %q", r.line, twice.line)
		}
	})
}

// TestParseTime holds the quick way against package time.
func TestParseTime(t *testing.T) {
	t.Parallel()
	const good = "2024-02-29T23:59:59.999999+00:00"
	texts := []string{good, "2023-02-29T23:59:59.999999+00:00", "2024-02-29T24:00:00.000000+00:00", "2024-13-01T00:00:00.000000+00:00",
		"2024-00-01T00:00:00.000000+00:00", "2024-01-00T00:00:00.000000+00:00", "2024-01-01T00:60:00.000000+00:00", "2024-01-01T00:00:60.000000+00:00",
		"2024-01-01T00:00:00.000000+01:00", "2024-01-01T00:00:00.000000-00:00", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.1Z", "0000-01-01T00:00:00.000000+00:00", ""}
	for i := range good {
		for _, c := range "0:x" {
			texts = append(texts, good[:i]+string(c)+good[i+1:])
		}
	}
	for _, text := range texts {
		want, err := time.Parse(time.RFC3339Nano, text)
		at := int64(0)
		if err == nil {
			at = want.UnixMilli()
		}
		escaped := strings.Replace(text, "-", `\u002d`, 1)
		for _, value := range []string{`"` + text + `"`, `"` + escaped + `"`} {
			if got := parseTime([]byte(value)); got != at {
				t.Errorf("%s is read as %d, want %d, %v", value, got, at, err)
			}
		}
	}
	for _, value := range []string{"", "7", `["` + good[2:] + `"]`} {
		if got := parseTime([]byte(value)); got != 0 {
			t.Errorf("%s is read as %d", value, got)
		}
	}
}

// TestParseTimeDays reads every day there is, and those that are not, of years
// of all kinds.
func TestParseTimeDays(t *testing.T) {
	t.Parallel()
	for _, year := range []int{1, 4, 100, 400, 1899, 1900, 1969, 1970, 1972, 1999, 2000, 2001, 2024, 2026, 2100, 9999} {
		for month := range 14 {
			for day := range 33 {
				text := fmt.Sprintf("%04d-%02d-%02dT11:22:33.444555+00:00", year, month, day)
				want, err := time.Parse(time.RFC3339Nano, text)
				if got, ok := parseDuoTime([]byte(text)); ok != (err == nil) || ok && got != want.UnixMilli() {
					t.Errorf("%s is read as %d, %t, want %d, %v", text, got, ok, want.UnixMilli(), err)
				}
			}
		}
	}
}

// TestDamagedLine is a line of ours that somebody has damaged: it counts as a
// record without time and id.
func TestDamagedLine(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "{", `{ "a" : 1 ] }`, `{"telephony_id":"x"`, "\x00", `{"ts":"2026-01-02T03:04:05.678901+00:00"}}`} {
		if r := parseRecord([]byte(line)); r.at != 0 || r.id != hash("line", []byte(line)) || string(r.line) != line {
			t.Errorf("%q is read as %+v", line, r)
		}
	}
}

// TestSpacedLine is a line that somebody wrote with white space: it is the same
// record, and the object's bytes stay as they are.
func TestSpacedLine(t *testing.T) {
	t.Parallel()
	line := []byte(`{ "a" : [ 1 ] } `)
	spaced, plain := parseRecord(line), parseRecord([]byte(`{"a":[1]}`))
	if spaced.id != plain.id || string(spaced.line) != string(plain.line) || string(line) != `{ "a" : [ 1 ] } ` {
		t.Errorf("%q is read as %+v, want %+v", line, spaced, plain)
	}
}
