package collect_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// TestDryRun counts what a run would deliver, whoever holds the lease, and
// changes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
	w.config.MaxPages = 1
	w.run(collect.Job{})
	w.config.MaxPages = 0
	next := func(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil }
	if _, _, err := w.store.Acquire(t.Context(), w.stream, store.Claim{Holder: "another", TTL: time.Hour, Next: next}); err != nil {
		t.Fatal(err)
	}
	state, objects := w.state(), w.objects()
	r := w.collector().Run(t.Context(), collect.Job{DryRun: true})
	if r.Outcome != collect.Complete || r.Records != 500 || r.Pages != 2 || len(r.Objects) != 0 {
		t.Errorf("the dry run is %s with %d records in %d pages and %d objects", r.Outcome, r.Records, r.Pages, len(r.Objects))
	}
	r = w.collector().Run(t.Context(), collect.Job{DryRun: true, Backfill: &store.Backfill{From: w.start.Add(-30 * time.Hour), To: w.start}})
	if r.Outcome != collect.Complete || r.Records != 0 || r.Stream != w.backfills {
		t.Errorf("the dry backfill is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Now" }, cmp.Ignore())
	if diff := cmp.Diff(state, w.state(), ignore, cmp.AllowUnexported(store.Lease{})); diff != "" {
		t.Errorf("the state changed (-was +is):\n%s", diff)
	}
	if diff := cmp.Diff(objects, w.objects()); diff != "" {
		t.Errorf("the bucket changed (-was +is):\n%s", diff)
	}
	runs, err := w.store.Runs(t.Context(), w.stream, 10)
	if err != nil || len(runs) != 1 {
		t.Errorf("%d runs in the history, %v", len(runs), err)
	}
}
