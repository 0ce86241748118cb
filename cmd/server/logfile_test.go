package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// traceID is the trace of every request in these tests.
const traceID = "0af7651916cd43dd8448eb211c80319c"

// logged is a service in this process with a stopped clock, and its log.
type logged struct {
	*collect.Collector
	t     *testing.T
	now   time.Time
	dir   string
	sim   *duosim.Sim
	store *store.Store
	log   bytes.Buffer
}

// newLogged has 47 records, one every half hour of the last day, which are
// four windows.
func newLogged(t *testing.T) *logged {
	t.Helper()
	l := &logged{t: t, now: time.Now().UTC().Truncate(time.Second), dir: t.TempDir()}
	clock := func() time.Time { return l.now }
	l.sim = duosim.New(duosim.Config{IKey: "ikey", SKey: "skey", Host: "api-1.duosecurity.com", Now: clock})
	for i := range 47 {
		l.sim.Add(duosim.Record{TS: l.now.Add(time.Duration(i)*30*time.Minute - 1430*time.Minute), ID: fmt.Sprintf("220f89ff-bff8-4466-b6cb-b77879%06d", i)})
	}
	server := httptest.NewServer(l.sim)
	t.Cleanup(server.Close)
	log := newLog(&l.log, slog.LevelInfo)
	l.store = store.NewBolt(filepath.Join(l.dir, "state.db"), clock)
	l.Collector = &collect.Collector{
		Duo: duo.New(duo.Config{
			IKey: "ikey", Secret: func() (string, error) { return "skey", nil }, Host: "api-1.duosecurity.com", URL: server.URL, Log: log,
		}),
		Store: l.store, Bucket: writer.NewDir(l.dir, "duo"), Logger: log,
		Config: collect.Config{
			Log: &duo.Logs[0], Enrich: true, Budget: time.Minute, Lookback: 24 * time.Hour,
			Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 6 * time.Hour,
		},
	}
	return l
}

// send makes a request that is part of a trace.
func (l *logged) send(method, path, body string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
	handler.New(handler.Config{Streams: alone(l.Collector), Log: l.Logger, Version: version}).ServeHTTP(httptest.NewRecorder(), req)
}

// commit stores a cursor for the next run.
func (l *logged) commit(c store.Cursor, hold bool) {
	l.t.Helper()
	ctx := context.Background()
	lease, _, err := l.store.Acquire(ctx, stream, store.Claim{
		Holder: "another", TTL: time.Hour, Next: func(context.Context, store.State) (store.Cursor, error) { return c, nil },
	})
	if err == nil && !hold {
		err = l.store.Finish(ctx, lease, c, store.Run{})
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

type broken struct{ collect.Bucket }

func (broken) Put(context.Context, writer.Object) (*writer.Object, error) { panic("a bug") }

type away struct{ collect.Bucket }

func (away) Put(context.Context, writer.Object) (*writer.Object, error) {
	return nil, errors.New("no route to the bucket")
}

// occasions are all occasions on which a service logs something.
var occasions = []struct {
	name string
	do   func(l *logged)
}{
	{"complete", func(l *logged) { l.send(http.MethodPost, "/", tick) }},
	{"a repeated request to Duo", func(l *logged) {
		l.sim.Script(duosim.Refuse(40105, "Bad timestamp"))
		l.send(http.MethodPost, "/run", `{"dry_run":true}`)
	}},
	{"partial", func(l *logged) {
		l.MaxPages = 1
		l.send(http.MethodPost, "/", tick)
	}},
	{"busy", func(l *logged) {
		l.commit(store.Cursor{}, true)
		l.send(http.MethodPost, "/", tick)
	}},
	{"failed, worth a retry", func(l *logged) {
		l.Bucket = away{l.Bucket}
		l.send(http.MethodPost, "/", tick)
	}},
	{"failed, a person must act", func(l *logged) {
		l.sim.Script(duosim.Refuse(40301, "Access forbidden"))
		l.send(http.MethodPost, "/", tick)
	}},
	{"a gap", func(l *logged) {
		l.commit(store.Cursor{Watermark: l.now.Add(-200 * 24 * time.Hour)}, false)
		l.MaxPages = 1
		l.send(http.MethodPost, "/", tick)
	}},
	{"a panic", func(l *logged) {
		l.Bucket = broken{l.Bucket}
		l.send(http.MethodPost, "/", tick)
	}},
	{"refused", func(l *logged) {
		l.send(http.MethodPost, "/", `{}`)
		l.send(http.MethodGet, "/nowhere", "")
	}},
	{"a wrong configuration", func(l *logged) {
		reportFaults(l.t.Context(), &l.log, l.Logger, errors.Join(errors.New("DUO_SKEY: is required"), errors.New("OVERLAP: is no duration")))
	}},
}

// TestLogGolden compares everything that is logged with testdata, and checks each
// line. -update rewrites the file.
func TestLogGolden(t *testing.T) {
	var got strings.Builder
	for _, o := range occasions {
		l := newLogged(t)
		o.do(l)
		fmt.Fprintf(&got, "# %s\n", o.name)
		seen := map[string]bool{}
		for line := range strings.Lines(l.log.String()) {
			checkLine(t, line, o.name != "a wrong configuration")
			line = l.normalised(line)
			if seen[line] {
				t.Errorf("%s: a line is there twice: %s", o.name, line)
			}
			seen[line] = true
			got.WriteString(line)
		}
	}
	const golden = "testdata/log.ndjson"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("log (-want +got), -update writes it anew:\n%s", diff)
	}
}

// normalised replaces what differs between runs: times, ids and positions in the
// code.
func (l *logged) normalised(line string) string {
	for _, r := range []struct{ pattern, with string }{
		{`"time":"[^"]*"`, `"time":"TIME"`},
		{`"run_id":"[A-Z2-7]{26}"`, `"run_id":"ID"`},
		{`"started_at":"[^"]*"`, `"started_at":"TIME"`},
		{`"duration_ms":\d+`, `"duration_ms":0`},
		{`"skew_ms":-?\d+`, `"skew_ms":0`},
		{`"filePath":"[^"]*/`, `"filePath":".../`},
		{`"lineNumber":\d+`, `"lineNumber":0`},
		{`goroutine \d+ \[running\]:.*?"([,}])`, `goroutine N [running]:..."$1`},
		{regexp.QuoteMeta(l.dir), "DIR"},
		{`\d{4}/\d\d/\d\d/`, "DATE/"},
		{`\d{8}T\d{6}\.\d{3}Z`, "TIME"},
	} {
		line = regexp.MustCompile(r.pattern).ReplaceAllString(line, r.with)
	}
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllStringFunc(line, func(s string) string {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			l.t.Fatal(err)
		}
		return "NOW" + at.Sub(l.now).String()
	})
}

// checkLine checks that a line is one object without duplicate keys, with the fields
// of every line, and with those of Error Reporting if, and only if, it is an ERROR.
func checkLine(t *testing.T, line string, requested bool) {
	t.Helper()
	fields := topLevel(t, line)
	for _, key := range []string{"time", "severity", "message"} {
		if fields[key] == nil {
			t.Errorf("there is no %s: %s", key, line)
		}
	}
	if id := fields["logging.googleapis.com/trace"]; requested && id != traceID {
		t.Errorf("the trace is %v: %s", id, line)
	}
	_, placed := fields["context"]
	_, traced := fields["stack_trace"]
	_, kind := fields["@type"]
	_, service := fields["serviceContext"]
	act := fields["severity"] == "ERROR"
	if kind != act || service != act || (placed != traced) != act || placed && traced {
		t.Errorf("for Error Reporting this has the wrong fields: %s", line)
	}
}

// topLevel decodes an object and fails on a duplicate key.
func topLevel(t *testing.T, line string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(line))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(key)
		if _, twice := fields[name]; twice {
			t.Errorf("%s is there twice: %s", name, line)
		}
		fields[name] = value
	}
	return fields
}

// A panic's stack is logged as a panic prints it, which Error Reporting reads.
func TestLogStackTrace(t *testing.T) {
	l := newLogged(t)
	l.Bucket = broken{l.Bucket}
	l.send(http.MethodPost, "/", tick)
	stack := fmt.Sprint(topLevel(t, l.log.String())["stack_trace"])
	if !regexp.MustCompile(`^panic: a bug\n\ngoroutine \d+ \[running\]:\n[^\n]+\(.*\)\n\t/[^\n]+\.go:\d+`).MatchString(stack) || !strings.Contains(stack, "broken.Put") {
		t.Errorf("the stack is\n%s", stack)
	}
}
