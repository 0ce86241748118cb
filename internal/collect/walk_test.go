package collect_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// watched returns a collector that calls put before it writes a page, with a
// channel of the numbers of the requests that Duo receives.
func (w *world) watched(put func(ctx context.Context, page int, requests <-chan int)) *collect.Collector {
	requests, n := make(chan int, 100), 0
	var count duosim.Fault = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		n++
		requests <- n
		next.ServeHTTP(rw, r)
	}
	w.sim.Script(slices.Repeat([]duosim.Fault{count}, 100)...)
	c := w.collector()
	c.Bucket = putHook{w.bucket, func(ctx context.Context, page int) { put(ctx, page, requests) }}
	return c
}

// putHook calls before before each object is put.
type putHook struct {
	collect.Bucket
	before func(ctx context.Context, page int)
}

func (b putHook) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	b.before(ctx, o.Name.Page)
	return b.Bucket.Put(ctx, o)
}

// awaitRequest returns when request n has been received; false if it is not
// within a time that is long for a request that is to come, and short for
// one that is not.
func awaitRequest(requests <-chan int, n int, within time.Duration) bool {
	timeout := time.After(within)
	for {
		select {
		case got := <-requests:
			if got == n {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

// TestOneAhead has the next page asked for while one is written, and never one
// that lies further ahead.
func TestOneAhead(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(4500, w.start.Add(-2*time.Hour), time.Second)...)
	c := w.watched(func(_ context.Context, page int, requests <-chan int) {
		if page < 5 && !awaitRequest(requests, page+1, 20*time.Second) {
			t.Errorf("page %d is not asked for before page %d is written", page+1, page)
		}
		if awaitRequest(requests, page+2, 100*time.Millisecond) {
			t.Errorf("page %d is asked for while page %d is written", page+2, page)
		}
	})
	if r := c.Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Requests != 5 {
		t.Errorf("%s after %d requests: %s", r.Outcome, r.Requests, r.Reason)
	}
	w.check()
}

// TestNoneInVain counts requests where MAX_ITERATIONS ends a run: each is for a
// page that is delivered.
func TestNoneInVain(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(4500, w.start.Add(-2*time.Hour), time.Second)...)
	w.config.MaxPages = 2
	c := w.watched(func(_ context.Context, page int, requests <-chan int) {
		if page%2 == 0 && awaitRequest(requests, page+1, 100*time.Millisecond) {
			t.Errorf("page %d is asked for, which the run does not deliver", page+1)
		}
	})
	for range 2 {
		if r := c.Run(t.Context(), collect.Job{}); r.Outcome != collect.Partial || r.Pages != 2 || r.Requests != 2 {
			t.Errorf("%s with %d pages and %d requests: %s", r.Outcome, r.Pages, r.Requests, r.Reason)
		}
	}
	// It has not counted what was shown before: only an empty page tells the end.
	if r := w.complete(); r.Requests != 2 {
		t.Errorf("%d requests for the last page", r.Requests)
	}
}

// TestPanicWhileReading is a fault of ours on the walk's goroutine: it ends the
// run, which gives its lease back, and not the process.
func TestPanicWhileReading(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.duo = duo.New(duo.Config{Secret: func() (string, error) { panic("a fault of ours") }})
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, "a fault of ours") || !strings.Contains(p, "walk_test.go") {
				t.Errorf("the run ends with %q, want the panic and its stack", p)
			}
		}()
		w.collector().Run(t.Context(), collect.Job{})
	}()
	if s := w.state(); s.Lease.Holder != "" || s.Lease.Token != 1 {
		t.Errorf("the lease is %+v", s.Lease)
	}
}

// TestTwins has Duo list every record twice, and begin a page with the last record
// of the one before, and its twin. The twin counts once, or the walk would seem
// to have shown the total before its end.
func TestTwins(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.account.Behave(duosim.Manners{PageSize: 4, InclusiveCursor: true})
	records := w.spread(41, w.start.Add(-time.Hour), time.Second)
	w.sim.Add(records...)
	w.sim.Add(records...)
	w.complete()
	if n := len(w.lines()); n != 41 {
		t.Errorf("%d records are there, want 41", n)
	}
}

// TestRepeatedOnPage has every page list a record twice that Duo counts once. With
// the repetitions as many would be shown as Duo counts before all are.
func TestRepeatedOnPage(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Behave(duosim.Manners{PageSize: 3})
	w.sim.Add(w.spread(8, w.start.Add(-time.Hour), time.Second)...)
	w.sim.Always(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		first := rec.Body.Bytes()
		if i := bytes.IndexByte(first, '['); i >= 0 && first[i+1] == '{' {
			end := i + bytes.IndexByte(first[i:], '}') + 1
			first = slices.Concat(first[:end], []byte(","), first[i+1:end], first[end:])
		}
		rw.Write(first)
	})
	w.complete()
	if n := len(w.lines()); n != 8 {
		t.Errorf("%d records are there, want 8", n)
	}
}

// TestPaceKept learns Duo's limit in one run. The next one keeps to it from its
// first request on, and a day later it is forgotten.
func TestPaceKept(t *testing.T) {
	t.Parallel()
	const pace = 30300 * time.Millisecond // two requests a minute and 1 %
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(2500, w.start.Add(-2*time.Hour), time.Second)...)
		w.config.MaxPages = 1
		w.sim.Script(duosim.RateLimited(time.Second))
		run := func() time.Duration {
			start := time.Now()
			if r := w.run(collect.Job{}); r.Outcome == collect.Failed {
				w.t.Fatal(r.Reason)
			}
			w.pass(time.Since(start))
			return time.Since(start).Round(10 * time.Millisecond)
		}
		took := []time.Duration{run(), run()}
		if took[0] != pace || took[1] != pace {
			w.t.Errorf("the runs took %s, want %s each: after the refusal, and for the pace", took, pace)
		}
		status, err := w.collector().Status(w.t.Context())
		if err != nil || status.Cursor.Pace != pace.Seconds() || status.Cursor.NotBefore == nil {
			w.t.Errorf("the status tells the pace %v, not before %v, %v", status.Cursor.Pace, status.Cursor.NotBefore, err)
		}
		w.pass(24 * time.Hour)
		if d := run(); d != 0 || w.state().Cursor.Pace.IntervalMS != 0 {
			w.t.Errorf("a day later a run takes %s, with the pace %+v", d, w.state().Cursor.Pace)
		}
	})
}

// TestPaceBeyondRetryAfter has Duo refuse a request for a shorter time than the pace
// that this teaches, and the budget end before: the next run keeps to the pace.
func TestPaceBeyondRetryAfter(t *testing.T) {
	t.Parallel()
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
		w.config.Budget = 20 * time.Second
		w.sim.Script(duosim.Pass, duosim.RateLimited(5*time.Second))
		r := w.run(collect.Job{})
		if wait := w.state().Cursor.NotBefore.Sub(w.clock()); r.Outcome != collect.Partial || wait < 20*time.Second {
			w.t.Errorf("%s, the next run waits for %s: %s", r.Outcome, wait, r.Reason)
		}
	})
}

// TestEnded has Duo say that there is no such log: one run a day fails. The
// others ask, too, and once Duo shows the log again all of it is collected.
func TestEnded(t *testing.T) {
	t.Parallel()
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
		ended := duosim.Refuse(40401, "Resource not found")
		w.sim.Always(ended)
		for _, step := range []struct {
			pass    time.Duration
			outcome string
		}{
			{0, collect.Failed},
			{time.Minute, collect.Partial},
			{23 * time.Hour, collect.Partial},
			{2 * time.Hour, collect.Failed},
			{time.Minute, collect.Partial},
			{time.Minute, collect.Complete},
			{time.Minute, collect.Complete},
		} {
			w.pass(step.pass)
			if step.outcome == collect.Complete {
				w.sim.Always(duosim.Pass)
			}
			r := w.run(collect.Job{})
			if r.Outcome != step.outcome || r.Requests == 0 || r.Act != (step.outcome == collect.Failed) {
				w.t.Errorf("after %s: %s, act %v, %d requests: %s", step.pass, r.Outcome, r.Act, r.Requests, r.Reason)
			}
			if s := w.state().Cursor; s.Ended.IsZero() != (step.outcome == collect.Complete) {
				w.t.Errorf("after %s, ended is %v", step.pass, s.Ended)
			}
			if step.outcome == collect.Partial && !strings.Contains(r.Reason, "DUO_LOGS") {
				w.t.Errorf("the reason %q does not say what to do", r.Reason)
			}
		}
	})
}

// TestProgress is told of every page but the last, which ends the run.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	from := w.start.Add(-2 * time.Hour)
	w.sim.Add(w.spread(2500, from, time.Second)...)
	w.complete()
	w.pass(time.Hour)
	var got []collect.Progress
	c := w.collector()
	c.Progress = func(p collect.Progress) { got = append(got, p) }
	to := from.Add(40 * time.Minute)
	c.Run(t.Context(), collect.Job{Backfill: &store.Backfill{From: from, To: to, Redeliver: true}})
	want := []collect.Progress{
		{Stream: w.backfills, Records: 1000, From: from, To: to, At: from.Add(899 * time.Second)},
		{Stream: w.backfills, Records: 2000, From: from, To: to, At: from.Add(1899 * time.Second)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}
