package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// hook is a bucket with something before every write.
type hook struct {
	collect.Bucket
	before func() error
}

func (h hook) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	if err := h.before(); err != nil {
		return nil, err
	}
	return h.Bucket.Put(ctx, o)
}

// TestOutcomes has every way in which a run can end, and what Pub/Sub, a
// person and the log are told of it.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		prepare      func(w *world)
		outcome      string
		push, manual int
		level        string
		reason       string
	}{
		{"complete", func(*world) {}, "complete", 200, 200, "INFO", ""},
		{"page limit", func(w *world) { w.MaxPages = 1 }, "partial", 200, 200, "INFO", "MAX_ITERATIONS"},
		{"rate limit", func(w *world) { w.sim.Script(duosim.RateLimited(time.Hour)) }, "partial", 200, 200, "INFO", "rate limited"},
		{"busy", func(w *world) { w.hold() }, "busy", 200, 409, "INFO", "another run holds the lease"},
		{"Duo away", func(w *world) {
			w.Budget = time.Second // less than the first wait
			w.sim.Script(duosim.HTML(http.StatusBadGateway))
		}, "failed", 503, 503, "WARN", "HTTP 502"},
		{"bucket away", func(w *world) {
			w.Bucket = hook{w.Bucket, func() error { return errors.New("no route to the bucket") }}
		}, "failed", 503, 503, "WARN", "no route to the bucket"},
		{"lease lost", func(w *world) {
			w.Bucket = hook{w.Bucket, func() error { w.hold(); return nil }}
		}, "failed", 503, 503, "WARN", "lease lost"},
		{"permission", func(w *world) {
			w.sim.Script(duosim.Refuse(40301, "Access forbidden to +12015550123"))
		}, "failed", 500, 500, "ERROR", "Grant read log"},
		{"store unreadable", (*world).spoil, "failed", 500, 500, "ERROR", "choose another one with -dir"},
	}
	for _, tt := range tests {
		for path, status := range map[string]int{"/": tt.push, "/run": tt.manual} {
			t.Run(tt.name+path, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.fill()
				tt.prepare(w)
				body := map[string]string{"/": push, "/run": ""}[path]
				r := w.run(path, body, status)
				if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) || (r.Reason == "") != (tt.reason == "") {
					t.Errorf("%s: %s, want %s: %s", r.Outcome, r.Reason, tt.outcome, tt.reason)
				}
				lines := w.log.lines(t, "run ")
				if len(lines) != 1 || lines[0]["msg"] != "run "+tt.outcome || lines[0]["level"] != tt.level {
					t.Errorf("logged %v, want one line at %s", lines, tt.level)
				}
			})
		}
	}
}

// TestRunLine expects the whole report in the run's line, under the names of
// its JSON, and who and what made it run.
func TestRunLine(t *testing.T) {
	t.Parallel()
	issuer := handlertest.NewIssuer(t)
	w := newWorld(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	w.fill()
	old := store.Cursor{Watermark: w.now.Add(-200 * 24 * time.Hour)}
	if err := w.store.Finish(t.Context(), w.hold(), old, store.Run{}); err != nil { // too old: a gap
		t.Fatal(err)
	}
	w.MaxPages = 1
	header := bearer(issuer.Token(t, nil))
	for path, more := range map[string]map[string]any{
		"/":    {"trigger": "push", "message_id": "42", "delivery_attempt": 3.0, "dry_run": false},
		"/run": {"trigger": "manual", "dry_run": true},
	} {
		body := map[string]string{"/": push, "/run": `{"dry_run":true}`}[path]
		var want map[string]any
		if err := json.Unmarshal([]byte(w.send(http.MethodPost, path, body, header).body), &want); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"window", "gap"} {
			span, ok := want[key].(map[string]any)
			if !ok {
				t.Fatalf("%s: no %s in the report", path, key)
			}
			want[key+"_from"], want[key+"_to"] = span["from"], span["to"]
			if missing, ok := span["missing"]; ok {
				want[key+"_missing"] = missing
			}
			delete(want, key)
		}
		maps.Copy(want, more)
		want["caller"], want["level"], want["msg"], want["trace"] = handlertest.Email, "INFO", fmt.Sprint("run ", want["outcome"]), ""
		got := w.log.last(t)
		delete(got, "time")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: line (-report +line):\n%s", path, diff)
		}
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	const id, other = "4bf92f3577b34da6a3ce929d0e0e4736", "105445aa7843bc8bf206b12000100000"
	w := newWorld(t, nil)
	tests := []struct{ name, w3c, cloud, want string }{
		{"none", "", "", ""},
		{"W3C", "00-" + id + "-00f067aa0ba902b7-01", "", id},
		{"Cloud Trace", "", id + "/1;o=1", id},
		{"Cloud Trace alone", "", id, id},
		{"both", "00-" + id + "-00f067aa0ba902b7-01", other + "/1", id},
		{"W3C malformed", id, other + "/1", other},
		{"too short", "00-" + id[1:] + "-00f067aa0ba902b7-01", "", ""},
		{"no hex", "", strings.Repeat("x", 32) + "/1", ""},
		{"upper case", "00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01", "", ""},
		{"a line of its own", "", `{"severity":"EMERGENCY"}/1`, ""},
	}
	for _, tt := range tests {
		header := http.Header{"Traceparent": {tt.w3c}, "X-Cloud-Trace-Context": {tt.cloud}}
		w.send(http.MethodPost, "/", push, header)
		if got := w.log.last(t)["trace"]; got != tt.want {
			t.Errorf("%s: trace = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPanic expects an answer, a line for a person, and a next run.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	bucket := w.Bucket
	w.Bucket = hook{bucket, func() error { panic("a bug") }}
	a := w.send(http.MethodPost, "/", push, nil)
	if a.StatusCode != http.StatusInternalServerError {
		t.Errorf("answer = %d, want 500", a.StatusCode)
	}
	checkError(t, a, "Internal Server Error")
	lines := w.log.lines(t, "")
	stack := regexp.MustCompile(`^panic: a bug\n\ngoroutine \d+ \[running\]:\n(?s:.*)hook\.Put`)
	if len(lines) != 1 || lines[0]["level"] != "ERROR" || lines[0]["error"] != "a bug" ||
		!stack.MatchString(fmt.Sprint(lines[0]["stack_trace"])) {
		t.Errorf("logged %v, want one ERROR with the stack", lines)
	}
	if holder := w.state(stream).Lease.Holder; holder != "" {
		t.Errorf("the lease is left with %s", holder)
	}
	w.Bucket = bucket
	if r := w.complete(); r.Records != 47 {
		t.Errorf("the next run delivered %d records, want 47", r.Records)
	}
	w.checkOnce()
}

// TestClientGone has the client go away while Duo is asked for the second
// window.
func TestClientGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	ctx, leave := context.WithCancel(t.Context())
	w.sim.Script(duosim.Pass, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		leave()
		<-r.Context().Done()
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/", strings.NewReader(push))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Fatalf("answer = %v, %v, want none", resp, err)
	}
	line := w.log.await(t, "run ")
	if line["outcome"] != collect.Partial || line["pages"] != 1.0 || line["level"] != "INFO" {
		t.Errorf("logged %v, want a partial run of one page", line)
	}
	if s := w.state(stream); s.Lease.Holder != "" || !s.Cursor.Watermark.Equal(w.now.Add(-18*time.Hour)) {
		t.Errorf("the lease is left with %q, the watermark %s", s.Lease.Holder, s.Cursor.Watermark)
	}
	w.complete()
	w.checkOnce()
}
