package collect_test

import (
	"context"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// TestDocumentDeleted deletes the document between two runs, in the middle of a
// window. The history tells where to go on, and the bucket what is delivered.
func TestDocumentDeleted(t *testing.T) {
	t.Parallel()
	w := emulated(t)
	w.config.Overlap = 30 * time.Minute // the next window meets the records again
	w.sim.Add(w.spread(2800, w.start.Add(-50*time.Minute), time.Second)...)
	w.config.MaxPages = 1
	w.run(collect.Job{})
	w.pass(time.Second) // the history is in the order of the runs' starts
	before := w.run(collect.Job{})
	if before.Outcome != collect.Partial {
		t.Fatalf("the run before the deletion is %s: %s", before.Outcome, before.Reason)
	}
	w.forget(w.stream)
	w.config.MaxPages = 0
	r := w.complete()
	if r.Token <= before.Token {
		t.Errorf("token %d after %d: it started anew", r.Token, before.Token)
	}
	if r.Records != 800 || r.Duplicates != 2000 {
		t.Errorf("%d records and %d duplicates, want the last page and the two before", r.Records, r.Duplicates)
	}
	w.complete()
	w.checkReports()
}

// TestWatermarkMovedBack has an operator set the watermark back: what lies
// behind it and is in the bucket is not written again.
func TestWatermarkMovedBack(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(*world){
		"between windows": func(*world) {},
		"in a window": func(w *world) {
			w.pass(10 * time.Minute)
			w.sim.Add(w.spread(1100, w.start.Add(-time.Minute), 10*time.Millisecond)...)
			w.config.MaxPages = 1
			if r := w.run(collect.Job{}); r.Outcome != collect.Partial {
				t.Fatalf("the run is %s: %s", r.Outcome, r.Reason)
			}
			w.config.MaxPages = 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.sim.Add(w.spread(500, w.start.Add(-10*time.Hour), time.Minute)...)
			w.complete()
			meanwhile(w)
			missed := w.spread(3, w.start.Add(-5*time.Hour), time.Second)
			w.sim.Add(missed...)
			w.edit(func(c *store.Cursor) { c.Watermark = c.Watermark.Add(-6 * time.Hour) })
			if r := w.complete(); r.Records < len(missed) || r.Duplicates < 200 {
				t.Errorf("%d records and %d duplicates", r.Records, r.Duplicates)
			}
			for range 3 {
				w.pass(4 * time.Minute)
				w.complete()
			}
		})
	}
}

// edit changes the cursor as a person would, while nobody holds the lease.
func (w *world) edit(change func(*store.Cursor)) {
	w.t.Helper()
	ctx := context.Background()
	next := func(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil }
	l, c, err := w.store.Acquire(ctx, w.stream, store.Claim{Holder: "a person", TTL: time.Minute, Next: next})
	if err != nil {
		w.t.Fatal(err)
	}
	change(&c)
	if err := w.store.Finish(ctx, l, c, store.Run{ID: "edit", StartedAt: w.clock().Add(-24 * time.Hour)}); err != nil {
		w.t.Fatal(err)
	}
}

// TestWatermarkPastWindow has an operator move the watermark past a window that
// does not get on: it is given up, and the stream goes on behind it.
func TestWatermarkPastWindow(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.MaxWindow = time.Hour
	w.sim.Add(w.spread(1500, w.start.Add(-24*time.Hour), time.Second)...)
	w.config.MaxPages = 1
	w.run(collect.Job{})
	past := w.state().Cursor.Window.To.Add(time.Minute)
	w.edit(func(c *store.Cursor) { c.Watermark = past })
	w.config.MaxPages = 0
	w.pass(time.Minute)
	r := w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Complete || r.Window == nil || !r.Window.From.Equal(past) {
		t.Errorf("%s, window %v, want it to begin at %s: %s", r.Outcome, r.Window, past, r.Reason)
	}
}

// TestDeletedThenFailed has the first run after a deletion fail: the next one
// still goes on from the history's last run, and not from the stream's start.
func TestDeletedThenFailed(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.complete()
	mark := w.state().Cursor.Watermark
	w.pass(60 * time.Hour)
	w.sim.Add(w.spread(40, w.start, time.Hour)...)
	w.forget(w.stream)
	w.sim.Script(duosim.Refuse(40301, "Access forbidden"))
	if r := w.run(collect.Job{}); r.Outcome != collect.Failed {
		t.Fatalf("%s: %s", r.Outcome, r.Reason)
	}
	if r := w.complete(); r.Records != 40 || !r.Window.From.Before(mark) {
		t.Errorf("%d of 40 records, from %s on; the watermark was %s", r.Records, r.Window.From, mark)
	}
}
