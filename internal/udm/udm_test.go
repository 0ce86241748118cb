package udm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/udm"
)

var update = flag.Bool("update", false, "write the golden files anew")

// masked keeps what a failed test prints free of phone numbers.
func masked(s string) string {
	return regexp.MustCompile(`(\+1 ?)?\(?202\)?[ -]?555[ -]?01\d\d`).ReplaceAllString(s, "PHONE")
}

// convert returns the event as its JSON reads back.
func convert(t *testing.T, log, record string) map[string]any {
	t.Helper()
	event, err := udm.Mappings[log].Convert([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(encoded, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// at follows a path such as "principal.user.userid", or, to a label or an
// additional field, "principal.user.attribute.labels[status]". It returns a text
// as it is, all else as JSON, "" where there is nothing.
func at(event any, path string) string {
	path, key, keyed := strings.Cut(strings.TrimSuffix(path, "]"), "[")
	for step := range strings.SplitSeq(path, ".") {
		if list, ok := event.([]any); ok {
			event = list[0]
		}
		fields, _ := event.(map[string]any)
		event = fields[step]
	}
	if keyed {
		event = underKey(event, key)
	}
	if text, ok := event.(string); ok || event == nil {
		return text
	}
	encoded, err := json.Marshal(event)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

func underKey(event any, key string) any {
	labels, isList := event.([]any)
	if !isList {
		fields, _ := event.(map[string]any)
		return fields[key]
	}
	for _, label := range labels {
		if fields, _ := label.(map[string]any); fields["key"] == key {
			return fields["value"]
		}
	}
	return nil
}

// row is what the event of a record has at a path.
type row struct{ name, record, path, want string }

func testRows(t *testing.T, log string, rows []row) {
	t.Helper()
	for _, test := range rows {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := at(convert(t, log, test.record), test.path); got != test.want {
				t.Errorf("%s = %s, want %s", test.path, masked(got), masked(test.want))
			}
		})
	}
}

// TestOdd has records that Duo should never send.
func TestOdd(t *testing.T) {
	t.Parallel()
	testRows(t, "telephony", []row{
		{"null", `{"type":null}`, "security_result.summary", "Duo Telephony"},
		{"empty", `{"context":"","host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"a list", `{"context":["a"],"host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"an object", `{"host":{"name":"b"}}`, "principal", ""},
		{"a boolean", `{"context":true}`, "metadata.product_event_type", "true"},
		{"a number for a text", `{"phone":12025550100}`, "principal.user.userid", "12025550100"},
		{"a text for a number", `{"credits":"3"}`, "security_result.detection_fields[credits]", "3"},
		{"zero is a number of credits", `{"credits":0}`, "security_result.detection_fields[credits]", "0"},
		{"a huge number", `{"credits":123456789012345678901234567890}`, "security_result.detection_fields[credits]", "123456789012345678901234567890"},
		{"no float's number", `{"credits":1e400}`, "security_result.detection_fields[credits]", "1e400"},
		{"the last of two keys", `{"type":"phone","type":"sms"}`, "security_result.summary", "sms"},
		{"a key in another case", `{"TYPE":"sms"}`, "security_result.summary", "Duo Telephony"},
		{"no time", `{"ts":"soon"}`, "metadata.event_timestamp", ""},
		{"a number for a time", `{"ts":1769460852}`, "metadata.event_timestamp", ""},
		{"a time before the year 1", `{"ts":"0001-01-01T00:00:00+01:00"}`, "metadata.event_timestamp", ""},
		{"a time after the year 9999", `{"ts":"9999-12-31T23:59:59-01:00"}`, "metadata.event_timestamp", ""},
		{"no UTF-8", "{\"type\":\"s\xffms\"}", "security_result.summary", "s\ufffdms"},
		{"white space", " { \"type\" :\t\"sms\" } ", "security_result.summary", "sms"},
	})
}

func TestNoObject(t *testing.T) {
	t.Parallel()
	for log, mapping := range udm.Mappings {
		for _, line := range []string{``, `null`, `[]`, `"a"`, `1`, `{`, `{"a":1}}`, `{"a":1} {"a":2}`, `{"a":1} x`, `{a:1}`, `telephony`} {
			event, err := mapping.Convert([]byte(line))
			if !errors.Is(err, udm.ErrNoObject) || event != nil {
				t.Errorf("%s: %s: %s, %v", log, line, event, err)
			}
		}
	}
}

// TestNothing shows what every event has.
func TestNothing(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"telephony": `{"metadata":{"event_type":"GENERIC_EVENT","vendor_name":"Duo","product_name":"Telephony"},` +
			`"security_result":[{"action":["ALLOW"],"severity":"INFORMATIONAL","summary":"Duo Telephony"}],` +
			`"extensions":{"auth":{"mechanism":["MECHANISM_UNSPECIFIED"]}}}`,
		"authentication": `{"metadata":{"event_type":"GENERIC_EVENT","vendor_name":"DUO_SECURITY","product_name":"MULTI-FACTOR_AUTHENTICATION"},` +
			`"extensions":{"auth":{"type":"SSO"}}}`,
		"activity": `{"metadata":{"event_type":"GENERIC_EVENT"}}`,
	} {
		event, err := udm.Mappings[log].Convert([]byte(`{}`))
		encoded, _ := json.Marshal(event)
		if err != nil || string(encoded) != want {
			t.Errorf("%s: %s, %v, want %s", log, encoded, err, want)
		}
	}
}

// TestOtherTypes puts a value of another type into every place of whole records:
// what is left out is that place's, and the event stays one.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	for log := range udm.Mappings {
		first, _, _ := strings.Cut(read(t, log+".ndjson"), "\n")
		var record map[string]any
		if err := json.Unmarshal([]byte(first), &record); err != nil {
			t.Fatal(err)
		}
		inEveryPlace(record, func(path string) {
			altered, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			event := convert(t, log, string(altered))
			if at(event, "metadata.event_type") == "" {
				t.Errorf("%s: %s: no event", log, path)
			}
		})
	}
}

// inEveryPlace calls test with each member of the object, and of those in it, in
// turn being a value of every type.
func inEveryPlace(object map[string]any, test func(path string)) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		was := object[name]
		if inner, ok := was.(map[string]any); ok {
			inEveryPlace(inner, func(path string) { test(name + "." + path) })
		}
		for _, other := range []any{nil, "", "x", "{", 1, -1e300, true, []any{}, []any{nil, "x", 1, []any{}}, map[string]any{}, map[string]any{"name": 1}} {
			object[name] = other
			test(name)
		}
		object[name] = was
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestGolden holds whole events against testdata; -update writes them anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	for log, mapping := range udm.Mappings {
		t.Run(log, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			for record := range strings.Lines(read(t, log+".ndjson")) {
				event, err := mapping.Convert([]byte(record))
				if err != nil {
					t.Fatal(err)
				}
				if err := enc.Encode(event); err != nil {
					t.Fatal(err)
				}
			}
			golden := log + "-events.ndjson"
			if *update {
				if err := os.WriteFile("testdata/"+golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := read(t, golden)
			if diff := cmp.Diff(masked(want), masked(got.String())); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			} else if want != got.String() {
				t.Error("the events have other phone numbers")
			}
		})
	}
}

// FuzzConvert turns any line into valid JSON or into the one error, by every
// mapping.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{
		`{}`, `[`, "{\"a\":\"\xff\"}",
		`{"ts":"2026-01-02T03:04:05Z","host":"::1","credits":-0.0}`, `{"phone":"\ud800"}`,
		`{"timestamp":1e300,"user":{"groups":[1,null,{"a":[]}]},"auth_device":{"name":"+1 ()-"},"access_device":{"ip":"::ffff:192.0.2.1%x"}}`,
		`{"actor":{"details":"{\"created\":\"2026-01-02T03:04:05Z\",\"group\":[]} "},"old_target":{"details":{}},"access_device":{"ip":{"address":1}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for log, mapping := range udm.Mappings {
			event, err := mapping.Convert(line)
			if err != nil {
				if !errors.Is(err, udm.ErrNoObject) {
					t.Fatal(err)
				}
				continue
			}
			encoded, err := json.Marshal(event)
			if err != nil || !json.Valid(encoded) || bytes.ContainsRune(encoded, '\n') {
				t.Fatalf("%s: %q becomes %q: %v", log, line, encoded, err)
			}
		}
	})
}

// TestHiddenPhones shows where SecOps has a number, and where what PHONES makes of
// it: a device's name that is no number any more is a hostname.
func TestHiddenPhones(t *testing.T) {
	t.Parallel()
	const number = "+12025550100"
	records := map[string]string{"telephony": `{"phone":"` + number + `"}`, "authentication": `{"auth_device":{"name":"` + number + `"}}`}
	for mode, want := range map[string]struct{ value, device string }{
		"keep": {`^\+12025550100$`, "target.user.phone_numbers"},
		"mask": {`^\+xxxxxxx0100$`, "target.hostname"},
		"hash": {`^hmac-sha256:[0-9a-f]{64}$`, "target.hostname"},
	} {
		phones, err := record.NewPhones(mode, []byte("a key of sixteen"))
		if err != nil {
			t.Fatal(err)
		}
		has := func(log, path string) bool {
			l := duo.Logs[slices.IndexFunc(duo.Logs, func(l duo.Log) bool { return l.Name == log })]
			value := at(convert(t, log, string(phones.Apply([]byte(records[log]), l))), path)
			return regexp.MustCompile(want.value).MatchString(strings.Trim(value, `[]"`))
		}
		for _, path := range []string{"principal.user.userid", "principal.user.phone_numbers"} {
			if !has("telephony", path) {
				t.Errorf("%s: telephony has no such number in %s", mode, path)
			}
		}
		for _, path := range []string{"target.user.phone_numbers", "target.hostname"} {
			if expected := path == want.device; has("authentication", path) != expected {
				t.Errorf("%s: authentication has the number in %s: %v, want %v", mode, path, !expected, expected)
			}
		}
	}
}
