package handler_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// newWorldOfAll has every log, and a record in each for every hour of the last
// day.
func newWorldOfAll(t *testing.T) *world {
	t.Helper()
	w := newWorldOf(t, nil, duo.Logs)
	for n, l := range duo.Logs {
		for i := range 23 {
			w.sim.Log(l.Name).Add(duosim.Record{TS: w.now.Add(time.Duration(-i)*time.Hour - 10*time.Minute), ID: fmt.Sprintf("SE%018d", 1+100*n+i)})
		}
	}
	return w
}

// pushWith is a push whose message has this attribute.
func pushWith(name, value string) string {
	return fmt.Sprintf(`{"message":{"data":"dGljaw==","messageId":"42","attributes":{%q:%q}},"subscription":"s"}`, name, value)
}

// runs posts and expects these outcomes by stream, in this order, and the status.
func (w *world) runs(path, body string, status int, want ...string) []collect.Report {
	w.t.Helper()
	a := w.send(http.MethodPost, path, body, nil)
	var all struct {
		Outcome string
		Runs    []collect.Report
	}
	if err := json.Unmarshal([]byte(a.body), &all); err != nil || a.StatusCode != status {
		w.t.Fatalf("answer = %d %s, want %d and reports", a.StatusCode, a.body, status)
	}
	got := []string{all.Outcome}
	for _, r := range all.Runs {
		got = append(got, r.Stream+" "+r.Outcome)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	return all.Runs
}

var allComplete = []string{"complete", "telephony complete", "authentication complete", "activity complete", "trust-monitor complete"}

// but is allComplete with one stream's outcome changed, and that of all.
func but(worst, stream string) []string {
	want := slices.Clone(allComplete)
	want[0] = worst
	want[slices.Index(want, stream+" complete")] = stream + " " + worst
	return want
}

// inBucket counts the records of each log that are in the bucket.
func (w *world) inBucket() map[string]int {
	n := map[string]int{}
	for _, l := range duo.Logs {
		for name, data := range w.files("bucket") {
			if strings.Contains(name, "/"+l.Name+"_") || strings.Contains(name, "/"+l.Name+"-backfill_") {
				n[l.Name] += strings.Count(data, "\n")
			}
		}
	}
	return n
}

var everyRecord = map[string]int{"telephony": 23, "authentication": 23, "activity": 23, "trust-monitor": 23}

// TestStreams has a push run every log, each with a report and a line of its own,
// and a second one find nothing.
func TestStreams(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	reports := w.runs("/", push, http.StatusOK, allComplete...)
	lines := w.log.lines(t, "run complete")
	for _, r := range reports {
		i := slices.IndexFunc(lines, func(line map[string]any) bool { return line["run_id"] == r.ID })
		if r.Records != 23 || i < 0 || lines[i]["stream"] != r.Stream || lines[i]["message_id"] != "42" || lines[i]["trigger"] != "push" {
			t.Errorf("%d records of %s, and these lines: %v", r.Records, r.Stream, lines)
		}
	}
	if len(lines) != len(reports) {
		t.Errorf("%d lines for %d runs", len(lines), len(reports))
	}
	w.runs("/run", "", http.StatusOK, allComplete...)
	if diff := cmp.Diff(everyRecord, w.inBucket()); diff != "" {
		t.Errorf("records in the bucket (-want +got):\n%s", diff)
	}
}

// TestStreamsFail has one stream fail in every way: the others complete, and the
// answer's status is that stream's.
func TestStreamsFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		of      string
		prepare func(w *world)
		outcome string
		push    int
		manual  int
		reason  string
	}{
		"permission": {"trust-monitor", func(w *world) { w.sim.Log("trust-monitor").Always(duosim.Refuse(40301, "Access forbidden")) }, "failed", 500, 500, "Duo Advantage"},
		"Duo away": {"activity", func(w *world) {
			w.streams.Collectors[2].Budget = time.Second // less than the first wait
			w.sim.Log("activity").Always(duosim.HTML(http.StatusBadGateway))
		}, "failed", 503, 503, "502"},
		"rate limit": {"authentication", func(w *world) { w.sim.Log("authentication").Always(duosim.RateLimited(time.Hour)) }, "partial", 200, 200, "rate limited"},
		"busy":       {"telephony", func(w *world) { w.hold() }, "busy", 200, 409, "another run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfAll(t)
			tt.prepare(w)
			for path, status := range map[string]int{"/": tt.push, "/run": tt.manual} {
				reports := w.runs(path, map[string]string{"/": push}[path], status, but(tt.outcome, tt.of)...)
				if r := reports[slices.IndexFunc(reports, func(r collect.Report) bool { return r.Stream == tt.of })]; !strings.Contains(r.Reason, tt.reason) {
					t.Errorf("reason = %s, want %q", r.Reason, tt.reason)
				}
			}
			want := maps.Clone(everyRecord)
			delete(want, tt.of)
			if diff := cmp.Diff(want, w.inBucket()); diff != "" {
				t.Errorf("records in the bucket (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStreamsWorst has two streams end badly: the answer is the worse one's.
func TestStreamsWorst(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	w.hold()
	w.sim.Log("activity").Always(duosim.Refuse(40301, "Access forbidden"))
	w.runs("/run", "", http.StatusInternalServerError, "failed", "telephony busy", "authentication complete", "activity failed", "trust-monitor complete")
}

// TestStreamsPanic expects the others to end, an answer, and a line with where
// the panic was.
func TestStreamsPanic(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	w.Bucket = hook{w.Bucket, func() error { panic("a bug") }}
	a := w.send(http.MethodPost, "/", push, nil)
	if a.StatusCode != http.StatusInternalServerError {
		t.Errorf("answer = %d, want 500", a.StatusCode)
	}
	checkError(t, a, "Internal Server Error")
	stack := regexp.MustCompile(`^panic: a bug\n\ngoroutine \d+ \[running\]:\n(?s:.*)hook\.Put`)
	if lines := w.log.lines(t, "panic"); len(lines) != 1 || lines[0]["level"] != "ERROR" || !stack.MatchString(fmt.Sprint(lines[0]["stack_trace"])) {
		t.Errorf("logged %v, want one ERROR with the stack", lines)
	}
	if n := len(w.log.lines(t, "run complete")); n != 3 {
		t.Errorf("%d runs complete, want the three others", n)
	}
	if diff := cmp.Diff(map[string]int{"authentication": 23, "activity": 23, "trust-monitor": 23}, w.inBucket()); diff != "" {
		t.Errorf("records in the bucket (-want +got):\n%s", diff)
	}
}

// TestStreamsNarrowed has a push and a person name one log: that one is answered
// with its report, and no other is touched.
func TestStreamsNarrowed(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	if r := w.run("/", pushWith("log", "activity"), http.StatusOK); r.Stream != "activity" || r.Records != 23 {
		t.Errorf("report = %+v", r.Summary)
	}
	if r := w.run("/run", `{"log":"trust-monitor","force":true}`, http.StatusOK); r.Stream != "trust-monitor" || r.Records != 23 {
		t.Errorf("report = %+v", r.Summary)
	}
	if diff := cmp.Diff(map[string]int{"activity": 23, "trust-monitor": 23}, w.inBucket()); diff != "" {
		t.Errorf("records in the bucket (-want +got):\n%s", diff)
	}
	const has = "DUO_LOGS has telephony, authentication, activity, trust-monitor"
	for _, log := range []string{"administrator", "", "Telephony", "all", "telephony,activity", "telephony-backfill"} {
		for path, body := range map[string]string{"/": pushWith("log", log), "/run": fmt.Sprintf(`{"log":%q}`, log)} {
			a := w.send(http.MethodPost, path, body, nil)
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with log %q = %d, want 400", path, log, a.StatusCode)
			}
			checkError(t, a, has)
		}
	}
	w.runs("/", pushWith("account", host), http.StatusOK, allComplete...)
	w.runs("/run", fmt.Sprintf(`{"account":%q}`, host), http.StatusOK, allComplete...)
	if r := w.run("/run", fmt.Sprintf(`{"account":%q,"log":"activity"}`, host), http.StatusOK); r.Stream != "activity" {
		t.Errorf("report = %+v", r.Summary)
	}
	for _, account := range []string{"x", ""} {
		for path, body := range map[string]string{"/": pushWith("account", account), "/run": fmt.Sprintf(`{"account":%q}`, account)} {
			a := w.send(http.MethodPost, path, body, nil)
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with account %q = %d, want 400", path, account, a.StatusCode)
			}
			checkError(t, a, "no account that is collected has that API hostname, id or name")
		}
	}
}

// TestOneStreamNamed has a service of one log take its name, and refuse others.
func TestOneStreamNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	if r := w.run("/", pushWith("log", "telephony"), http.StatusOK); r.Records != 47 {
		t.Errorf("%d records", r.Records)
	}
	a := w.send(http.MethodPost, "/run", `{"log":"activity"}`, nil)
	if a.StatusCode != http.StatusBadRequest {
		t.Errorf("another log = %d, want 400", a.StatusCode)
	}
	checkError(t, a, `log is "activity", and DUO_LOGS has telephony`)
}

// TestStreamsWishes has what several logs can be asked for at once, and a range,
// which must be one log's.
func TestStreamsWishes(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	for i, r := range w.runs("/run", `{"dry_run":true}`, http.StatusOK, allComplete...) {
		if r.Records != 23 || len(r.Objects) != 0 {
			t.Errorf("dry run %d: %d records, objects %v", i, r.Records, r.Objects)
		}
	}
	if files := w.files(""); len(files) > 1 { // the store's
		t.Errorf("a dry run wrote %d files", len(files))
	}
	w.hold()
	w.runs("/run", `{"force":true}`, http.StatusOK, allComplete...)
	from, to := w.now.Add(-12*time.Hour), w.now.Add(-6*time.Hour)
	a := w.send(http.MethodPost, "/run", span(from, to, ""), nil)
	if a.StatusCode != http.StatusBadRequest {
		t.Errorf("a range of all logs = %d, want 400", a.StatusCode)
	}
	checkError(t, a, "a backfill is of one log: add log, one of telephony, authentication, activity, trust-monitor")
	r := w.run("/run", span(from, to, `,"redeliver":true,"log":"authentication"`), http.StatusOK)
	if r.Stream != "authentication-backfill" || r.Records != 6 {
		t.Errorf("the backfill of one: %+v", r.Summary)
	}
	a = w.send(http.MethodPost, "/run", span(w.now.Add(-time.Minute), w.now, `,"log":"activity"`), nil)
	if a.StatusCode != http.StatusBadRequest {
		t.Errorf("an unsettled range = %d, want 400", a.StatusCode)
	}
	checkError(t, a, "ask for it from ")
}

// TestStreamsAtOnce has three messages share the work.
func TestStreamsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			resp, err := http.Post(w.url+"/", "application/json", strings.NewReader(push))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a push of three = %d", resp.StatusCode)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(everyRecord, w.inBucket()); diff != "" {
		t.Errorf("records in the bucket (-want +got):\n%s", diff)
	}
}

// statuses is GET /status of several logs.
type statuses struct {
	Version    string
	Total      int            `json:"streams_total"`
	ByOutcome  map[string]int `json:"by_outcome"`
	Vanished   []string
	Streams    []collect.LogStatus
	Unrecorded []collect.Summary
}

func (w *world) statuses() (s statuses, streams []string) {
	w.t.Helper()
	a := w.send(http.MethodGet, "/status", "", nil)
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || a.StatusCode != http.StatusOK || s.Unrecorded == nil {
		w.t.Fatalf("status = %d %s, %v", a.StatusCode, a.body, err)
	}
	for _, one := range s.Streams {
		streams = append(streams, one.Stream)
	}
	return s, streams
}

// TestStreamsStatus has the worst stream first, and each with its backfills.
func TestStreamsStatus(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	w.sim.Log("activity").Script(duosim.Refuse(40301, "Access forbidden"))
	w.runs("/", push, http.StatusInternalServerError, but("failed", "activity")...)
	w.run("/run", span(w.now.Add(-12*time.Hour), w.now.Add(-6*time.Hour), `,"redeliver":true,"log":"trust-monitor"`), http.StatusOK)
	s, streams := w.statuses()
	if want := []string{"activity", "authentication", "telephony", "trust-monitor"}; !slices.Equal(streams, want) || s.Version != "v1.2.3" || len(s.Unrecorded) != 0 {
		t.Errorf("streams %v, version %s, unrecorded %v", streams, s.Version, s.Unrecorded)
	}
	for _, one := range s.Streams {
		backfills := map[bool]int{true: 1}[one.Stream == "trust-monitor"]
		if len(one.Runs) != 1 || one.Backfill.Stream != one.Stream+"-backfill" || len(one.Backfill.Runs) != backfills {
			t.Errorf("%s: %d runs, %d of %s", one.Stream, len(one.Runs), len(one.Backfill.Runs), one.Backfill.Stream)
		}
	}
	body := w.page(http.StatusOK, nil)
	for _, stream := range streams {
		if !strings.Contains(body, stream) {
			t.Errorf("the page does not tell of %s:\n%s", stream, seen(body))
		}
	}
}

// TestStreamsUnrecorded has two logs fail before their leases while the store
// can't take it: both failures are remembered, each until its own log has run.
func TestStreamsUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	for _, i := range []int{1, 3} {
		c := w.streams.Collectors[i]
		c.Store = &away{c.Store, 1}
	}
	w.runs("/", push, http.StatusServiceUnavailable, "failed", "telephony complete", "authentication failed", "activity complete", "trust-monitor failed")
	var left []string
	s, streams := w.statuses()
	for _, u := range s.Unrecorded {
		left = append(left, u.Stream)
	}
	if want := []string{"authentication", "trust-monitor"}; !slices.Equal(left, want) || !slices.Equal(streams[:2], want) {
		t.Errorf("unrecorded %v, the first streams %v", left, streams[:2])
	}
	w.run("/", pushWith("log", "authentication"), http.StatusOK)
	if s, _ := w.statuses(); len(s.Unrecorded) != 1 || s.Unrecorded[0].Stream != "trust-monitor" {
		t.Errorf("unrecorded %+v, want trust-monitor's", s.Unrecorded)
	}
}

// TestStreamsUnreadable has the store away: one error, and what is unrecorded.
func TestStreamsUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t)
	w.spoil()
	a := w.send(http.MethodGet, "/status", "", nil)
	if a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", a.StatusCode)
	}
	checkError(t, a, "state.db")
	w.send(http.MethodPost, "/", push, nil)
	var s struct{ Unrecorded []collect.Summary }
	a = w.send(http.MethodGet, "/status", "", nil)
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || len(s.Unrecorded) != 4 || a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d %s, want four failures", a.StatusCode, a.body)
	}
	w.page(http.StatusServiceUnavailable, nil)
}
