package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"duo-telephony-collector/internal/duo"
)

const apiHost = "api-x.duosecurity.com"

var telephony, _ = duo.LogNamed("telephony")

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
		if got := string(Read([]byte(in), telephony, apiHost).Line); got != want {
			t.Errorf("%q becomes\n%q, want\n%q", in, got, want)
		}
		if got := Read([]byte(in), telephony, "").Line; bytes.Contains(got, []byte("telephony")) {
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
		a, b := Read([]byte(test.a), telephony, apiHost), Read([]byte(test.b), telephony, apiHost)
		if (a.ID == b.ID) != test.same {
			t.Errorf("%s: the same is %v", test.name, a.ID == b.ID)
		}
	}
}

// TestIdentityEnriched: what is added to a line changes no identity, with any
// host, and a record that has some of it by itself is the same one, too.
func TestIdentityEnriched(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{}`, `{"a":1}`, `{"host":"own"}`, `{"eventtype":"telephony"}`, `{"a":1,"host":"own","eventtype":"telephony"}`, `{"a":1,"host":"own"}`,
		`{"a":{"host":"x"}}`, `{"a":"\"host\":\"x"}`, `{"host":7}`, `[]`, `"host"`, `{"telephony_id":"x1"}`,
	} {
		plain := Read([]byte(raw), telephony, "")
		for _, host := range []string{"", apiHost, "api-y.duosecurity.com"} {
			if r := Read([]byte(raw), telephony, host); r.ID != plain.ID || Read(r.Line, telephony, "").ID != plain.ID {
				t.Errorf("%s, written as %s, is another record", raw, r.Line)
			}
		}
	}
}

// FuzzRecord turns any JSON value into a line of each log: it is valid, keeps what
// was there in its place, and reads back with the same time and identity.
func FuzzRecord(f *testing.F) {
	for _, log := range duo.Logs {
		f.Add(fmt.Appendf(nil, `{%q:"SE1","eventtype":"telephony",%q:"1795171200123","host":"x"}`, log.ID, log.Time))
		f.Add(fmt.Appendf(nil, `{%q:"ab","x":{},%q:1.795171200123e12}`, log.ID, log.Time))
	}
	for _, s := range []string{`{}`, `{"telephony_id":"x","ts":"2026-01-02T03:04:05.678901+00:00"}`, `[1,"\n"]`, "{ \"a\" :\t\"\u2028\xff\" }", `{"host":1,"host":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		for _, log := range duo.Logs {
			becomesLine(t, log, raw)
		}
	})
}

func becomesLine(t *testing.T, log duo.Log, raw []byte) {
	t.Helper()
	r := Read(raw, log, apiHost)
	if bytes.ContainsAny(r.Line, "\n\r") || !json.Valid(r.Line) {
		t.Fatalf("%s: %q becomes the line %q", log.Name, raw, r.Line)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, raw); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(r.Line, bytes.TrimSuffix(plain.Bytes(), []byte("}"))) {
		t.Fatalf("%s: %q becomes %q", log.Name, plain.Bytes(), r.Line)
	}
	if log.EventType == "" && !bytes.Equal(r.Line, plain.Bytes()) {
		t.Fatalf("%s: %q becomes %q, and nothing is to be added", log.Name, plain.Bytes(), r.Line)
	}
	if again := Read(r.Line, log, ""); again.ID != r.ID || again.At != r.At {
		t.Fatalf("%s: %q reads back as %+v, was %+v", log.Name, r.Line, again, r)
	}
	if twice := Read(r.Line, log, apiHost); !bytes.Equal(twice.Line, r.Line) {
		t.Fatalf("%s: %q is enriched twice: %q", log.Name, r.Line, twice.Line)
	}
}

// TestTime reads RFC 3339 in any form, also where it is escaped.
func TestTime(t *testing.T) {
	t.Parallel()
	const at = 1772362800573
	for value, want := range map[string]int64{
		`"2026-03-01T11:00:00.573580+00:00"`:      at,
		`"2026-03-01T11:00:00.573999Z"`:           at,
		`"2026-03-01T13:00:00.573+02:00"`:         at,
		`"2026\u002d03-01T11:00:00.573580+00:00"`: at,
		`"2024-02-29T23:59:59.999999+00:00"`:      1709251199999,
		`"1969-12-31T23:59:59.999999+00:00"`:      -1,
		`"2023-02-29T23:59:59.999999+00:00"`:      0,
		`"2026-03-01T24:00:00.000000+00:00"`:      0,
		`"9999-12-31T23:59:59.999-00:01"`:         0,
		`"0000-01-01T00:00:00+00:01"`:             0,
		`"2026-03-01"`:                            0,
		`""`:                                      0, `7`: 0, `null`: 0, `["2026-03-01T11:00:00Z"]`: 0,
	} {
		if got := Read([]byte(`{"ts":`+value+`}`), telephony, "").At; got != want {
			t.Errorf("%s is read as %d, want %d", value, got, want)
		}
	}
	if got := Read([]byte(`{"ts":"2026-03-01T11:00:00Z","ts":"2026-03-01T11:00:00.573Z","Ts":"2026-03-02T11:00:00Z","x":{"ts":1}}`), telephony, "").At; got != at {
		t.Errorf("of two times and another key %d is read, want the last time, %d", got, at)
	}
}

// TestIdentityStays has identities that cursors in the field hold.
func TestIdentityStays(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"telephony_id":"x1","ts":"2026-03-01T11:00:00.573580+00:00"}`: "caabf2d655f49bcc2f940229408bc441",
		`{ "a" : 1 }`: "dd81eef8ca2c8b83d3315adb6f6bac9a",
		`[1]`:         "7c13dba1a0661e39434122f63661d84b",
	} {
		if got := fmt.Sprintf("%x", Read([]byte(raw), telephony, apiHost).ID); got != want {
			t.Errorf("the identity of %s is %s, was %s", raw, got, want)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		`"60799fee"`: "60799fee", `"\u0061b"`: "ab", `7`: "7", `null`: "null", `["x"]`: "", `{"x":1}`: "",
	} {
		if got := Name([]byte(`{"telephony_id":`+id+`}`), telephony); got != want {
			t.Errorf("%s has the name %q, want %q", id, got, want)
		}
	}
	for _, line := range []string{`{}`, `7`, `{"telephony_id"`} {
		if got := Name([]byte(line), telephony); got != "" {
			t.Errorf("%s has the name %q", line, got)
		}
	}
}

// TestUndo removes from the end what Read adds, for one host or for any.
func TestUndo(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		`{"a":1,"eventtype":"telephony","host":"api-x.duosecurity.com"}`: {`{"a":1`, `{"a":1`},
		`{"a":1,"eventtype":"telephony","host":"API-X.duosecurity.com"}`: {`{"a":1`, `{"a":1`},
		`{"a":1,"eventtype":"telephony","host":"api-y.duosecurity.com"}`: {`{"a":1,"eventtype":"telephony","host":"api-y.duosecurity.com"`, `{"a":1`},
		`{"host":"x","eventtype":"telephony"}`:                           {`{"host":"x"`, `{`},
		`{"eventtype":"other"}`:                                          {`{"eventtype":"other"`, `{"eventtype":"other"`},
		`{"a":["host":"x"]}`:                                             {`{"a":["host":"x"]`, `{"a":["host":"x"]`},
		`[]`:                                                             {`[]`, `[]`},
		``:                                                               {``, ``},
	} {
		if got := [2]string{string(Undo([]byte(line), telephony, apiHost)), string(Undo([]byte(line), telephony, ""))}; got != want {
			t.Errorf("%s becomes %q, want %q", line, got, want)
		}
	}
}

// TestDamagedLine is a line of ours that somebody has damaged: it counts as a
// record without time and id.
func TestDamagedLine(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "{", `{ "a" : 1 ] }`, `{"telephony_id":"x"`, "\x00", `{"ts":"2026-01-02T03:04:05.678901+00:00"}}`} {
		staysDamaged(t, telephony, []byte(line))
	}
}

func staysDamaged(t *testing.T, log duo.Log, line []byte) {
	t.Helper()
	if r := Read(line, log, apiHost); r.At != 0 || r.ID != new(reader).hash("line", line) || !bytes.Equal(r.Line, line) {
		t.Fatalf("%s: %q is read as %+v", log.Name, line, r)
	}
}

// TestSpacedLine is a line that somebody wrote with white space: it is the same
// record, and the object's bytes stay as they are.
func TestSpacedLine(t *testing.T) {
	t.Parallel()
	line := []byte(`{ "a" : [ 1 ] } `)
	spaced, plain := Read(line, telephony, ""), Read([]byte(`{"a":[1]}`), telephony, "")
	if spaced.ID != plain.ID || string(spaced.Line) != string(plain.Line) || string(line) != `{ "a" : [ 1 ] } ` {
		t.Errorf("%q is read as %+v, want %+v", line, spaced, plain)
	}
}
