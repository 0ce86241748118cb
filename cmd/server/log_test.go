package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
)

func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands at midnight UTC, 2000-01-01
		var b bytes.Buffer
		log := newLog(&b, slog.LevelDebug).With("k", "v")
		log.Debug("d")
		log.Info("i", "objects", []string{"a"})
		log.Warn("w", slog.Group("g", "msg", 1))
		log.WithGroup("g").Warn("x", "level", 3)
		now := time.Now().Format(time.RFC3339Nano)
		want := strings.ReplaceAll(`{"time":"NOW","severity":"DEBUG","message":"d","k":"v"}
{"time":"NOW","severity":"INFO","message":"i","k":"v","objects":["a"]}
{"time":"NOW","severity":"WARNING","message":"w","k":"v","g":{"msg":1}}
{"time":"NOW","severity":"WARNING","message":"x","k":"v","g":{"level":3}}
`, "NOW", now)
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestConsoleLines(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newConsoleLog(&b, slog.LevelInfo, dull))
	log.Info("run complete", "run_id", "x", "pages", 3, "late", 0, "reason", "", "objects", []string{})
	log.Warn("w")
	want := regexp.MustCompile(`^time=\d\d:\d\d:\d\d msg="run complete" pages=3\ntime=\d\d:\d\d:\d\d level=WARN msg=w\n$`)
	if !want.MatchString(b.String()) {
		t.Errorf("lines\n%s, want %s", &b, want)
	}
}

// alone makes collectors all streams of a service.
func alone(c ...*collect.Collector) *collect.Streams {
	return &collect.Streams{Collectors: c, Concurrency: 8}
}

// A service without a store panics in every run.
func panicking(log *slog.Logger) http.Handler {
	return handler.New(handler.Config{Log: log, Streams: alone(&collect.Collector{
		Duo: duo.New(duo.Config{}), Logger: log, Config: collect.Config{Log: &duo.Logs[0], Budget: time.Minute},
	})})
}

func TestLogPanic(t *testing.T) {
	var b bytes.Buffer
	server := httptest.NewServer(panicking(newLog(&b, slog.LevelInfo)))
	defer server.Close()
	resp, err := http.Post(server.URL+"/", "application/json", strings.NewReader(tick))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("want one line of JSON, got %v:\n%s", err, &b)
	}
	if resp.StatusCode != http.StatusInternalServerError || line["severity"] != "ERROR" || line["message"] != "panic" ||
		!strings.Contains(fmt.Sprint(line["stack_trace"]), "collect.(*Collector).Run") {
		t.Errorf("status %d, line %v", resp.StatusCode, line)
	}
}

// What net/http says of itself is a line like every other.
func TestLogServer(t *testing.T) {
	t.Parallel()
	var lines buffer
	ctx, stop := context.WithCancel(t.Context())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			w.WriteHeader(http.StatusNoContent) // which net/http complains of
		}), newLog(&lines, slog.LevelInfo))
	}()
	resp, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop()
	if err := receive(t, ended, "the server ends"); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines.String()), &line); err != nil {
		t.Fatalf("want one line of JSON, got %v:\n%s", err, &lines)
	}
	if line["severity"] != "WARNING" || !strings.Contains(fmt.Sprint(line["message"]), "superfluous") || line["time"] == nil {
		t.Errorf("line %v", line)
	}
}

func TestLogTrace(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for name, test := range map[string]struct {
		headers [2]string // traceparent and X-Cloud-Trace-Context
		want    any
	}{
		"traceparent":                {[2]string{"00-" + id + "-b7ad6b7169203331-01", ""}, id},
		"cloud trace":                {[2]string{"", id + "/12345;o=1"}, id},
		"cloud trace alone":          {[2]string{"", id}, id},
		"both":                       {[2]string{"00-" + id + "-b7ad6b7169203331-01", strings.Repeat("1", 32) + "/1"}, id},
		"neither":                    {},
		"short":                      {[2]string{"00-abc-b7ad6b7169203331-01", "abc/1"}, nil},
		"upper case":                 {[2]string{"", strings.ToUpper(id) + "/1"}, nil},
		"an attempt to forge a line": {[2]string{"", `","severity":"ALERT","x":"12345678/1`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			req := httptest.NewRequest(http.MethodGet, "/nowhere", nil)
			for i, header := range []string{"traceparent", "X-Cloud-Trace-Context"} {
				if test.headers[i] != "" {
					req.Header.Set(header, test.headers[i])
				}
			}
			panicking(newLog(&b, slog.LevelInfo)).ServeHTTP(httptest.NewRecorder(), req)
			var line map[string]any
			if err := json.Unmarshal(b.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if got := line["logging.googleapis.com/trace"]; got != test.want || line["severity"] != "WARNING" {
				t.Errorf("trace %v, severity %v", got, line["severity"])
			}
		})
	}
}

// The run's one log line has the whole report, under the same names.
func TestLogRunLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 600, time.Hour)
	p := w.start(nil)
	a := p.push()
	wantRun(t, a, http.StatusOK, collect.Complete)
	var report map[string]any
	if err := json.Unmarshal(a.body, &report); err != nil {
		t.Fatal(err)
	}
	runs := p.runLines()
	if len(runs) != 1 {
		t.Fatalf("%d lines tell of the run", len(runs))
	}
	line := runs[0]
	for _, own := range []string{"time", "severity", "message", "caller", "dry_run", "trigger", "message_id", "delivery_attempt"} {
		if _, ok := line[own]; !ok {
			t.Errorf("the line has no %s", own)
		}
		delete(line, own)
	}
	if diff := cmp.Diff(flat(report), line); diff != "" {
		t.Errorf("the run's line (-report +line):\n%s", diff)
	}
}

// flat turns {"window":{"from":…}} into window_from, and leaves out nulls.
func flat(report map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range report {
		nested, ok := v.(map[string]any)
		for inner, v := range nested {
			out[k+"_"+inner] = v
		}
		if !ok {
			out[k] = v
		}
	}
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}
