package collect_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const days = 24 * time.Hour

// TestGap stops collecting for longer than Duo keeps records, between windows
// and in the middle of one. What is lost is said everywhere, until a later
// complete run has it in its record.
func TestGap(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*world) time.Time{
		"between windows": func(w *world) time.Time { return *w.complete().Watermark },
		"in a window": func(w *world) time.Time {
			w.config.MaxPages = 1
			w.run(collect.Job{})
			return w.state().Cursor.Window.Last
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{})
			w.config.MaxWindow = 200 * days
			w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
			from := before(w)
			w.config.MaxPages = 0
			w.pass(200 * days)
			w.sim.Add(w.spread(5, w.clock().Add(-time.Hour), time.Second)...)
			r := w.collector().Run(t.Context(), collect.Job{}) // unchecked: Duo has forgotten what was delivered
			want := store.Gap{From: from, To: w.clock().Add(-179 * days), RunID: r.ID}
			if r.Gap == nil || !r.Gap.From.Equal(want.From) || !r.Gap.To.Equal(want.To) || r.Gap.RunID != want.RunID {
				t.Fatalf("the report's gap is %+v, want %+v", r.Gap, want)
			}
			if r.Records != 5 {
				t.Errorf("%d records, want the 5 new ones", r.Records)
			}
			if !strings.Contains(w.log.String(), `level=ERROR msg="records lost`) {
				t.Error("the log does not say so")
			}
			s, err := w.collector().Status(t.Context())
			if err != nil || s.Cursor.Gap == nil {
				t.Errorf("the status shows no gap: %v", err)
			}
			w.pass(time.Minute)
			if next := w.collector().Run(t.Context(), collect.Job{}); next.Gap == nil || next.Gap.RunID != r.ID {
				t.Errorf("the next run's record has the gap %+v", next.Gap)
			}
			if g := w.state().Cursor.Gap; g != nil {
				t.Errorf("after that the cursor still has the gap %+v", g)
			}
		})
	}
}

// TestGapCountedOnce stops in the middle of a window until Duo no longer shows a part
// of it: what it counted there is in the gap, and makes no second walk.
func TestGapCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{PageSize: 100}})
	w.config.Lookback, w.config.MaxWindow, w.config.MaxPages = 179*days, 200*days, 1
	w.sim.Add(w.spread(1500, w.start.Add(-178*days), 170*time.Minute)...)
	w.run(collect.Job{})
	w.config.MaxPages = 0
	w.pass(15 * days)
	r := w.collector().Run(t.Context(), collect.Job{}) // unchecked: Duo has forgotten what was delivered
	if r.Outcome != collect.Complete || r.Records < 1300 || r.Gap == nil || r.Gap.Missing != 0 {
		t.Errorf("%s with %d records, the gap is %+v: %s", r.Outcome, r.Records, r.Gap, r.Reason)
	}
	if strings.Contains(w.log.String(), "once more") {
		t.Error("the window is walked once more")
	}
}

// TestGapThenMissing does so where Duo counts more than it shows of the rest: the second
// walk does not ask for what it no longer shows.
func TestGapThenMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{PageSize: 100, Total: duosim.TooMany, Cursor: duosim.AbsentAtEnd}})
	w.config.Lookback, w.config.MaxWindow, w.config.MaxPages = 179*days, 200*days, 1
	w.sim.Add(w.spread(1500, w.start.Add(-178*days), 170*time.Minute)...)
	w.run(collect.Job{})
	w.config.MaxPages = 0
	w.pass(15 * days)
	r := w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Complete || r.Records < 1300 || r.Gap == nil || r.Gap.Missing != 0 || !strings.Contains(w.log.String(), "once more") {
		t.Errorf("%s with %d records, the gap is %+v: %s", r.Outcome, r.Records, r.Gap, r.Reason)
	}
}

func TestWatermarkInTheFuture(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.complete()
	w.edit(func(c *store.Cursor) { c.Watermark = c.Watermark.Add(time.Hour) })
	before := w.state().Cursor
	r := w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Failed || !r.Act || !strings.Contains(r.Reason, "future") {
		t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
	}
	if after := w.state(); !after.Cursor.Watermark.Equal(before.Watermark) || after.Lease.Holder != "" {
		t.Errorf("the state is %+v", after)
	}
}

// TestDelayRaised leaves nothing to ask for until the longer delay has passed.
func TestDelayRaised(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.complete()
	w.config.Delay = 10 * time.Minute
	w.pass(time.Minute)
	if r := w.complete(); r.Requests != 0 || r.Window != nil {
		t.Errorf("%d requests for %v", r.Requests, r.Window)
	}
	w.pass(10 * time.Minute)
	w.sim.Add(w.spread(10, w.clock().Add(-11*time.Minute), time.Second)...)
	if r := w.complete(); r.Records != 10 {
		t.Errorf("%d records, want 10", r.Records)
	}
}

// TestNarrowestWindows cuts a backlog into windows of a millisecond.
func TestNarrowestWindows(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.MaxWindow, w.config.Lookback = time.Millisecond, w.config.Delay+20*time.Millisecond
	w.sim.Add(w.spread(60, w.start.Add(-w.config.Lookback), 333*time.Microsecond)...)
	if r := w.complete(); r.Records != 60 || r.Pages != 20 {
		t.Errorf("%d records in %d pages", r.Records, r.Pages)
	}
}

// TestBudget ends while Duo hangs: on the first page nothing was gained, which
// is a failure; later the cursor has moved, which is none.
func TestBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	t.Parallel()
	for name, test := range map[string]struct {
		script  []duosim.Fault
		outcome string
		records int
	}{
		"on the first page":  {[]duosim.Fault{duosim.Hang}, collect.Failed, 0},
		"on the second page": {[]duosim.Fault{duosim.Pass, duosim.Hang}, collect.Partial, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
			w.sim.Script(test.script...)
			w.config.Budget = 8 * time.Second
			r := w.run(collect.Job{})
			if r.Outcome != test.outcome || r.Records != test.records || !strings.Contains(r.Reason, "RUN_BUDGET") {
				t.Errorf("%s with %d records: %s", r.Outcome, r.Records, r.Reason)
			}
			if s := w.state(); s.Lease.Holder != "" {
				t.Error("the lease is not given back")
			}
			w.config.Budget = 9 * time.Minute
			if r := w.complete(); r.Records != 1500-test.records {
				t.Errorf("the next run delivers %d records", r.Records)
			}
		})
	}
}

// TestStopped is told to stop while Duo hangs.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.sim.Script(duosim.Pass, func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		cancel()
		duosim.Hang(rw, r, next)
	})
	w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
	r := w.collector().Run(ctx, collect.Job{})
	if r.Outcome != collect.Partial || r.Records != 1000 || !strings.Contains(r.Reason, "stop") {
		t.Errorf("%s with %d records: %s", r.Outcome, r.Records, r.Reason)
	}
	if s := w.state(); s.Lease.Holder != "" || s.Cursor.Window.Page != 1 {
		t.Errorf("the lease's holder is %q, the page %d", s.Lease.Holder, s.Cursor.Window.Page)
	}
	w.complete()
}

// TestLocalClock has a machine whose clock is hours off from everybody else's:
// one warning, and nothing else changes.
func TestLocalClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.pass(off)
			w.sim.Add(w.spread(30, w.clock().Add(-time.Hour), time.Second)...)
			r := w.complete()
			if want := w.clock().Add(-w.config.Delay); r.Records != 30 || !r.Watermark.Equal(want) || *r.LagSeconds != 150 {
				t.Errorf("%d records, watermark %s, lag %d", r.Records, r.Watermark, *r.LagSeconds)
			}
			if r.Retries != 1 || strings.Count(w.log.String(), "clock differs") != 1 {
				t.Errorf("%d retries, log:\n%s", r.Retries, w.log)
			}
		})
	}
}

// TestDeadlines holds every context that a run hands out against the lease.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
	watch := &deadlines{Store: w.store, inner: w.bucket, t: t, begun: time.Now()}
	c := w.collector()
	c.Store, c.Bucket = watch, watch.bucket()
	if r := c.Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete {
		t.Fatal(r.Reason)
	}
	if watch.ttl != w.config.Budget+30*time.Second || watch.seen != 4 {
		t.Errorf("ttl %s, %d contexts", watch.ttl, watch.seen)
	}
}

// deadlines checks that contexts end with the budget.
type deadlines struct {
	collect.Store
	inner collect.Bucket
	t     *testing.T
	begun time.Time
	ttl   time.Duration
	seen  int
}

func (d *deadlines) check(ctx context.Context) {
	d.seen++
	if end, ok := ctx.Deadline(); !ok || end.After(d.begun.Add(d.ttl-20*time.Second)) {
		d.t.Errorf("a context ends %s after the begin, the lease %s", end.Sub(d.begun), d.ttl)
	}
}

func (d *deadlines) Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error) {
	d.ttl = c.TTL
	return d.Store.Acquire(ctx, stream, c)
}

func (d *deadlines) Commit(ctx context.Context, l *store.Lease, c store.Cursor) error {
	d.check(ctx)
	return d.Store.Commit(ctx, l, c)
}

func (d *deadlines) Finish(ctx context.Context, l *store.Lease, c store.Cursor, r store.Run) error {
	d.check(ctx)
	return d.Store.Finish(ctx, l, c, r)
}

func (d *deadlines) bucket() collect.Bucket { return deadlineBucket{d.inner, d} }

type deadlineBucket struct {
	collect.Bucket
	d *deadlines
}

func (b deadlineBucket) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	b.d.check(ctx)
	return b.Bucket.Put(ctx, o)
}

// TestSlowUpload has an upload last longer than the budget, after the object
// was stored and before. The run fails, and the next one finds what is there.
func TestSlowUpload(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	t.Parallel()
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
			c := w.collector()
			c.Bucket, c.Budget = slowBucket{w.bucket, stored}, 5*time.Second
			r := c.Run(t.Context(), collect.Job{})
			if r.Outcome != collect.Failed || r.Act || r.Reason == "" {
				t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
			}
			if s := w.state(); s.Lease.Holder != "" || s.Cursor.Window.Page != 0 {
				t.Errorf("the lease's holder is %q, the page %d", s.Lease.Holder, s.Cursor.Window.Page)
			}
			if r := w.complete(); r.Records != 1500 {
				t.Errorf("the next run delivers %d records", r.Records)
			}
		})
	}
}

// slowBucket answers no upload in time.
type slowBucket struct {
	collect.Bucket
	stores bool
}

func (b slowBucket) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	if b.stores {
		if _, err := b.Bucket.Put(ctx, o); err != nil {
			return nil, err
		}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}
