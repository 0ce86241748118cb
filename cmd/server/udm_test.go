package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/udm"
)

// Events hold phone numbers. So these tests call the command themselves and
// keep what it prints to themselves, instead of having captured look at it as
// at all that servers write.

// udmRecord and udmEvent are a record and its event.
const (
	udmRecord = `{"phone":"+12025550100","ts":"2026-01-26T20:54:12+00:00"}`
	udmEvent  = `{"metadata":{"event_timestamp":"2026-01-26T20:54:12Z","event_type":"GENERIC_EVENT","vendor_name":"Duo","product_name":"Telephony"},` +
		`"principal":{"user":{"userid":"+12025550100","phone_numbers":["+12025550100"]}},` +
		`"security_result":[{"action":["ALLOW"],"severity":"INFORMATIONAL","summary":"Duo Telephony"}],` +
		`"extensions":{"auth":{"mechanism":["MECHANISM_UNSPECIFIED"]}}}` + "\n"
)

func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUDM(t *testing.T) {
	t.Chdir(t.TempDir())
	packed := zipped(t, udmRecord+"\n"+udmRecord+"\n")
	long := func(n int) string { return `{"x":"` + strings.Repeat("a", n-len(`{"x":""}`)) + `"}` }
	for name, content := range map[string]string{
		"one.ndjson": udmRecord + "\n", "two.ndjson.gz": packed, "cut.gz": packed[:len(packed)-9], "empty": "",
		"bad": "\n" + udmRecord + "\nno record, +12025550199\n[]\r\n" + udmRecord, "no.gz": "\x1f\x8bno", "no-newline": udmRecord,
		"crlf": udmRecord + "\r\n\r\n" + udmRecord + "\r\n", "two members": packed + zipped(t, udmRecord+"\n"),
		"long": udmRecord + "\n" + long(maxLine) + "\n" + long(maxLine+1) + "\n" + udmRecord + "\n", "long end": long(3 * maxLine),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		args   []string
		in     string
		events int
		faults string
	}{
		{"standard input", nil, udmRecord + "\n" + udmRecord + "\n", 2, ""},
		{"gzip on standard input", nil, packed, 2, ""},
		{"nothing", nil, "", 0, ""},
		{"a file", []string{"one.ndjson"}, "no", 1, ""},
		{"files", []string{"one.ndjson", "two.ndjson.gz", "empty", "no-newline"}, "", 4, ""},
		{"gzip in members", []string{"two members"}, "", 3, ""},
		{"CRLF and empty lines", []string{"crlf"}, "", 2, ""},
		{"lines that are no records", []string{"bad", "one.ndjson"}, "", 3, "bad:3: is no JSON object\nbad:4: is no JSON object\n"},
		{"no record on standard input", nil, "1\n" + udmRecord, 1, "standard input:1: is no JSON object\n"},
		{"no such file", []string{"none", "one.ndjson"}, "", 1, "open none: no such file or directory\n"},
		{"a directory", []string{"."}, "", 0, ".:1: read .: is a directory\n"},
		{"truncated gzip", []string{"cut.gz", "one.ndjson"}, "", 3, "cut.gz:3: unexpected EOF\n"},
		{"no gzip", []string{"no.gz"}, "", 0, "no.gz: unpacking: unexpected EOF\n"},
		{"a line that is too long", []string{"long"}, "", 3, "long:3: is longer than the 4 MiB that a SecOps feed takes in a line\n"},
		{"the last line is too long", []string{"long end"}, "", 0, "long end:1: is longer than the 4 MiB that a SecOps feed takes in a line\n"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"udm"}, test.args...), console{in: strings.NewReader(test.in), out: &out, err: &errs})
		if n := strings.Count(out.String(), "\n"); n != test.events || errs.String() != test.faults || (code == exitOK) != (test.faults == "") {
			t.Errorf("%s: exit code %d, %d events, want %d; faults\n%swant\n%s", test.name, code, n, test.events, &errs, test.faults)
		}
		if test.name == "files" && out.String() != strings.Repeat(udmEvent, 4) {
			t.Error("the events are others") // and hold phone numbers
		}
	}
}

// TestUDMLog gives the same record as each log's: -log says which, or else the
// file's name.
func TestUDMLog(t *testing.T) {
	t.Chdir(t.TempDir())
	const (
		live     = "_20260126T000000.000Z_20260127T000000.000Z_0001.ndjson"
		folder   = "bucket/duo-activity/2026/01/26/"
		noParser = ": the log trust-monitor has no parser in Google SecOps, so there are no events of it\n"
	)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"telephony" + live, "telephony-backfill" + live, "authentication" + live, "authentication-backfill" + live,
		folder + "activity" + live, folder + "activity-backfill" + live, "trust-monitor" + live, "trust-monitor-backfill" + live,
		"authentication", "authentications" + live, "records_authentication.ndjson",
	} {
		if err := os.WriteFile(name, []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("authentication"+live+".gz", []byte(zipped(t, "{}\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	const telephony, authentication, activity = "Telephony", "MULTI-FACTOR_AUTHENTICATION", "" // their products
	for _, test := range []struct {
		name     string
		args     []string
		products []string
		faults   string
	}{
		{"standard input", nil, []string{telephony}, ""},
		{"standard input, telephony", []string{"-log", "telephony"}, []string{telephony}, ""},
		{"standard input, authentication", []string{"-log", "authentication"}, []string{authentication}, ""},
		{"standard input, activity", []string{"-log=activity"}, []string{activity}, ""},
		{"objects", []string{"telephony" + live, "authentication" + live, folder + "activity" + live}, []string{telephony, authentication, activity}, ""},
		{"objects of backfills", []string{"telephony-backfill" + live, "authentication-backfill" + live, folder + "activity-backfill" + live}, []string{telephony, authentication, activity}, ""},
		{"gzip", []string{"authentication" + live + ".gz"}, []string{authentication}, ""},
		{"-log before the name", []string{"-log", "authentication", "telephony" + live, "records_authentication.ndjson"}, []string{authentication, authentication}, ""},
		{"other names", []string{"authentication", "authentications" + live, "records_authentication.ndjson"}, []string{telephony, telephony, telephony}, ""},
		{"trust monitor", []string{"trust-monitor" + live, "trust-monitor-backfill" + live, "telephony" + live}, []string{telephony}, "trust-monitor" + live + noParser + "trust-monitor-backfill" + live + noParser},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"udm"}, test.args...), console{in: strings.NewReader("{}"), out: &out, err: &errs})
		var products []string
		for line := range strings.Lines(out.String()) {
			var event struct {
				Metadata struct {
					ProductName string `json:"product_name"`
				} `json:"metadata"`
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatal(err)
			}
			products = append(products, event.Metadata.ProductName)
		}
		if !slices.Equal(products, test.products) || errs.String() != test.faults || (code == exitOK) != (test.faults == "") {
			t.Errorf("%s: exit code %d, events of %q, want %q; faults\n%swant\n%s", test.name, code, products, test.products, &errs, test.faults)
		}
	}
}

// A mapping under another name than a log's would never be found.
func TestUDMMappings(t *testing.T) {
	for name := range udm.Mappings {
		if _, ok := duo.LogNamed(name); !ok {
			t.Errorf("there is no log %s", name)
		}
		if !strings.Contains(udmUsage, name) {
			t.Errorf("the usage does not name %s", name)
		}
	}
}

// Each event is there before the next record is, so memory does not grow with
// the input.
func TestUDMStreams(t *testing.T) {
	in, records := io.Pipe()
	events, out := io.Pipe()
	ended := make(chan int)
	go func() { ended <- run(t.Context(), []string{"udm"}, console{in: in, out: out, err: io.Discard}) }()
	read := bufio.NewReader(events)
	for range 3 {
		go io.WriteString(records, udmRecord+"\n")
		if event, err := read.ReadString('\n'); err != nil || event != udmEvent {
			t.Fatalf("another event, of %d bytes, %v", len(event), err)
		}
	}
	records.Close()
	if code := receive(t, ended, "the command ends"); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// Ctrl-C ends it where it waits for input.
func TestUDMInterrupted(t *testing.T) {
	in, records := io.Pipe()
	defer records.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"udm"}, console{in: in, out: io.Discard, err: io.Discard}) }()
	interrupt()
	if code := receive(t, ended, "the command ends"); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestUDMCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(file, []byte(strings.Repeat(udmRecord+"\n", 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		out  io.Writer
		code int
		errs string
	}{
		{"help", []string{"udm", "-h"}, io.Discard, exitOK, udmUsage},
		{"no such flag", []string{"udm", "-x"}, io.Discard, exitConfig, "flag provided but not defined: -x\n" + udmUsage},
		{"no such log", []string{"udm", "-log", "admin", file}, io.Discard, exitConfig, "invalid value \"admin\" for flag -log: it must be one of activity, authentication, telephony\n" + udmUsage},
		{"a log without a parser", []string{"udm", "-log", "trust-monitor", file}, io.Discard, exitConfig, "invalid value \"trust-monitor\" for flag -log: the log trust-monitor has no parser in Google SecOps, so there are no events of it\n" + udmUsage},
		{"full disk", []string{"udm", file, "none"}, fullDisk{}, exitFailed, "writing events: no space left\n"},
	} {
		var errs bytes.Buffer
		code := run(t.Context(), test.args, console{in: strings.NewReader(""), out: test.out, err: &errs})
		if code != test.code || errs.String() != test.errs {
			t.Errorf("%s: exit code %d, want %d, and\n%s", test.name, code, test.code, &errs)
		}
	}
}
