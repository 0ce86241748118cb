package udm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/udm"
)

var update = flag.Bool("update", false, "write the golden files anew")

// masked keeps what a failed test prints free of phone numbers.
func masked(s string) string {
	return regexp.MustCompile(`\+1\d{10}`).ReplaceAllString(s, "PHONE")
}

// convert returns the event as its JSON reads back.
func convert(t *testing.T, record string) map[string]any {
	t.Helper()
	event, err := udm.Convert([]byte(record))
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

// at follows a path such as "principal.user.userid" to a text or a list of
// texts, "" where there is nothing. In a list of labels a step is a key.
func at(event any, path string) string {
	for step := range strings.SplitSeq(path, ".") {
		switch v := event.(type) {
		case map[string]any:
			event = v[step]
		case []any:
			event = inList(v, step)
		}
	}
	encoded, err := json.Marshal(event)
	if err != nil || event == nil {
		return ""
	}
	return strings.Trim(string(encoded), `"`)
}

func inList(list []any, step string) any {
	for _, element := range list {
		fields, _ := element.(map[string]any)
		if fields["key"] == step {
			return fields["value"]
		}
		if v, ok := fields[step]; ok {
			return v
		}
	}
	return nil
}

// TestRows has a test for every row of the guide's table, in its order, and
// one for each choice where it contradicts itself.
func TestRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, record, path, want string }{
		{"context to metadata.product_event_type", `{"context":"enrollment"}`, "metadata.product_event_type", "enrollment"},
		{"credits to detection_fields", `{"credits":2}`, "security_result.detection_fields.credits", "2"},
		{"eventtype to detection_fields", `{"eventtype":"telephony"}`, "security_result.detection_fields.eventtype", "telephony"},
		{"host to principal.hostname", `{"host":"api-x.duosecurity.com"}`, "principal.hostname", "api-x.duosecurity.com"},
		{"host that is an IPv4 address: no hostname", `{"host":"192.0.2.1"}`, "principal", ""},
		{"host that is an IPv6 address: no hostname", `{"host":"2001:db8::1"}`, "principal", ""},
		{"security_result.action is ALLOW", `{}`, "security_result.action", `["ALLOW"]`},
		{"MECHANISM_UNSPECIFIED: no detection field", `{}`, "security_result.detection_fields", ""},
		{"MECHANISM_UNSPECIFIED: in extensions.auth.mechanism", `{}`, "extensions.auth.mechanism", `["MECHANISM_UNSPECIFIED"]`},
		{"metadata.event_timestamp from ts", `{"ts":"2026-01-26T20:54:12.573580+00:00"}`, "metadata.event_timestamp", "2026-01-26T20:54:12.57358Z"},
		{"event_type with context and host", `{"context":"a","host":"b"}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type with context and a host that is an IP address", `{"context":"a","host":"192.0.2.1"}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type with host alone", `{"host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"event_type with context alone", `{"context":"a"}`, "metadata.event_type", "GENERIC_EVENT"},
		{"event_type with neither", `{}`, "metadata.event_type", "GENERIC_EVENT"},
		{"metadata.log_type from log_type", `{"log_type":"DUO_TELEPHONY"}`, "metadata.log_type", "DUO_TELEPHONY"},
		{"metadata.log_type: not made up", `{}`, "metadata.log_type", ""},
		{"metadata.product_name is Telephony", `{}`, "metadata.product_name", "Telephony"},
		{"metadata.vendor_name is Duo", `{}`, "metadata.vendor_name", "Duo"},
		{"phone to principal.user.phone_numbers", `{"phone":"+12025550100"}`, "principal.user.phone_numbers", `["+12025550100"]`},
		{"phone to principal.user.userid", `{"phone":"+12025550100"}`, "principal.user.userid", "+12025550100"},
		{"no phone: no user", `{"host":"b"}`, "principal.user", ""},
		{"security_result.severity is INFORMATIONAL", `{}`, "security_result.severity", "INFORMATIONAL"},
		{"security_result.summary is Duo Telephony without a type", `{}`, "security_result.summary", "Duo Telephony"},
		{"ts in UTC", `{"ts":"2026-01-26T22:54:12+02:00"}`, "metadata.event_timestamp", "2026-01-26T20:54:12Z"},
		{"type to security_result.summary, before the static one", `{"type":"sms"}`, "security_result.summary", "sms"},
		{"not in the table: telephony_id to metadata.product_log_id", `{"telephony_id":"60799fee"}`, "metadata.product_log_id", "60799fee"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := at(convert(t, test.record), test.path); got != test.want {
				t.Errorf("%s = %s, want %s", test.path, masked(got), masked(test.want))
			}
		})
	}
}

// TestOdd has records that Duo should never send.
func TestOdd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, record, path, want string }{
		{"null", `{"type":null}`, "security_result.summary", "Duo Telephony"},
		{"empty", `{"context":"","host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"a list", `{"context":["a"],"host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"an object", `{"host":{"name":"b"}}`, "principal", ""},
		{"a boolean", `{"context":true}`, "metadata.product_event_type", "true"},
		{"a number for a text", `{"phone":12025550100}`, "principal.user.userid", "12025550100"},
		{"a text for a number", `{"credits":"3"}`, "security_result.detection_fields.credits", "3"},
		{"zero is a number of credits", `{"credits":0}`, "security_result.detection_fields.credits", "0"},
		{"a huge number", `{"credits":123456789012345678901234567890}`, "security_result.detection_fields.credits", "123456789012345678901234567890"},
		{"no float's number", `{"credits":1e400}`, "security_result.detection_fields.credits", "1e400"},
		{"the last of two keys", `{"type":"phone","type":"sms"}`, "security_result.summary", "sms"},
		{"a key in another case", `{"TYPE":"sms"}`, "security_result.summary", "Duo Telephony"},
		{"no time", `{"ts":"soon"}`, "metadata.event_timestamp", ""},
		{"a number for a time", `{"ts":1769460852}`, "metadata.event_timestamp", ""},
		{"a time before the year 1", `{"ts":"0001-01-01T00:00:00+01:00"}`, "metadata.event_timestamp", ""},
		{"a time after the year 9999", `{"ts":"9999-12-31T23:59:59-01:00"}`, "metadata.event_timestamp", ""},
		{"no UTF-8", "{\"type\":\"s\xffms\"}", "security_result.summary", "s\ufffdms"},
		{"white space", " { \"type\" :\t\"sms\" } ", "security_result.summary", "sms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := at(convert(t, test.record), test.path); got != test.want {
				t.Errorf("%s = %s, want %s", test.path, got, test.want)
			}
		})
	}
}

func TestNoObject(t *testing.T) {
	t.Parallel()
	for _, line := range []string{``, `null`, `[]`, `"a"`, `1`, `{`, `{"a":1}}`, `{"a":1} {"a":2}`, `{a:1}`, `telephony`} {
		event, err := udm.Convert([]byte(line))
		if !errors.Is(err, udm.ErrNoObject) || event.SecurityResult != nil {
			t.Errorf("%s: %+v, %v", line, event, err)
		}
	}
}

// TestGolden holds whole events against testdata; -update writes them anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	records, err := os.ReadFile("testdata/records.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for record := range bytes.Lines(records) {
		event, err := udm.Convert(record)
		if err != nil {
			t.Fatal(err)
		}
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(event); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/events.ndjson"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(masked(string(want)), masked(got.String())); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	} else if !bytes.Equal(want, got.Bytes()) {
		t.Error("the events have other phone numbers")
	}
}

// FuzzConvert turns any line into valid JSON or into the one error.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{`{}`, `{"ts":"2026-01-02T03:04:05Z","host":"::1","credits":-0.0}`, `{"phone":"\ud800"}`, `[`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		event, err := udm.Convert(line)
		if err != nil {
			if !errors.Is(err, udm.ErrNoObject) {
				t.Fatal(err)
			}
			return
		}
		encoded, err := json.Marshal(event)
		if err != nil || !json.Valid(encoded) || bytes.ContainsRune(encoded, '\n') {
			t.Fatalf("%q becomes %q: %v", line, encoded, err)
		}
	})
}
