package main

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
)

// While one run is in progress, every other one, in any process, is busy.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1300, time.Hour)
	processes := []*process{w.start(nil), w.start(nil)}
	held := newGate()
	w.sim.Script(held.before)
	answers := make(chan answer, 20)
	for i := range cap(answers) {
		go func() { answers <- processes[i%2].push() }()
	}
	receive(t, held.reached, "a run asks Duo")
	for range cap(answers) - 1 {
		wantRun(t, receive(t, answers, "the other runs end"), http.StatusOK, collect.Busy)
	}
	for _, p := range processes {
		wantRun(t, p.manual(""), http.StatusConflict, collect.Busy)
		if s := p.status(); s.Lease == nil || s.Lease.Expired || s.Lease.Token != 1 {
			t.Errorf("the lease is %+v", s.Lease)
		}
	}
	held.open()
	only := receive(t, answers, "the run ends")
	wantRun(t, only, http.StatusOK, collect.Complete)
	if n := len(w.sim.Requests()); n != only.Requests || only.Token != 1 {
		t.Errorf("the run with token %d made %d requests of %d", only.Token, only.Requests, n)
	}
	w.wantLedger(only.sent, only.Watermark)
}

// fromEnv is a number that a long test run may raise.
func fromEnv(t *testing.T, name string, usual int) int {
	t.Helper()
	text := cmp.Or(os.Getenv(name), strconv.Itoa(usual))
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is no number", name, text)
	}
	return n
}

// inFlight counts concurrent requests to Duo. A run sends at most one at a time.
type inFlight struct{ now, most atomic.Int32 }

func (f *inFlight) count(w http.ResponseWriter, r *http.Request, next http.Handler) {
	n := f.now.Add(1)
	for most := f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
	}
	next.ServeHTTP(w, r)
	f.now.Add(-1)
}

// Crowds of triggers at three processes, while records keep arriving: no two runs
// of a stream ever overlap.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t, 3600, 6*time.Minute)
	requests := make([]inFlight, len(w.logs))
	for i, log := range w.logs {
		w.sim.Log(log).Always(requests[i].count)
	}
	env := map[string]string{"MAX_WINDOW": "1m", "INGEST_DELAY": "120s", "OVERLAP": "5s", "INITIAL_LOOKBACK": "7m"}
	processes := []*process{w.start(env), w.start(env), w.start(env)}
	var pushes []answer
	for _, p := range processes {
		pushes = append(pushes, p.push())
		wantRun(t, pushes[len(pushes)-1], http.StatusOK, collect.Complete)
	}
	deadline := time.Now().Add(time.Duration(fromEnv(t, "CROWD_SECONDS", 5)) * time.Second)
	for time.Now().Before(deadline) {
		answers := make(chan answer, 50)
		for i := range cap(answers) {
			go func() { answers <- processes[i%3].push() }()
		}
		for range cap(answers) {
			pushes = append(pushes, receive(t, answers, "a push is answered"))
		}
	}
	last := processes[0].push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	for i, log := range w.logs {
		runs := runsOf(t, append(pushes, last), i)
		wantApart(t, runs)
		if n := requests[i].most.Load(); n != 1 {
			t.Errorf("Duo had %d requests for %s at once", n, log)
		}
		t.Logf("%d runs of %s", len(runs), log)
	}
	w.wantLedgers(w.objects(), last.sent, last.Runs)
}

// runsOf are the runs of one stream among those of pushes, without the busy ones.
func runsOf(t *testing.T, pushes []answer, stream int) (runs []answer) {
	t.Helper()
	for _, a := range pushes {
		if a.err != nil || a.status != http.StatusOK {
			t.Fatalf("a push is answered with %d, %v", a.status, a.err)
		}
		if r := a.Runs[stream]; r.Outcome == collect.Complete {
			runs = append(runs, answer{Summary: r, sent: a.sent})
		} else if r.Outcome != collect.Busy {
			t.Errorf("the run of %s is %q (%s)", r.Stream, r.Outcome, r.Reason)
		}
	}
	return runs
}

// wantApart checks that every run began after the previous one had ended. Both times
// are a little early: a run's duration counts from shortly after its request was
// sent until just before it releases the lease.
func wantApart(t *testing.T, runs []answer) {
	t.Helper()
	slices.SortFunc(runs, func(a, b answer) int { return cmp.Compare(a.Token, b.Token) })
	for i, run := range runs[1:] {
		before := runs[i]
		end := before.sent.Add(time.Duration(before.DurationMS) * time.Millisecond)
		if run.Token == before.Token || run.StartedAt.Before(end) {
			t.Errorf("run %d began at %s, run %d ended at %s or later", run.Token, clock(run.StartedAt), before.Token, clock(end))
		}
		if run.Watermark.Before(*before.Watermark) {
			t.Errorf("the watermark went back from %s to %s", before.Watermark, run.Watermark)
		}
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000000") }
