package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/store"
)

// testStandings has streams that are held, have run, have failed and were damaged.
func testStandings(t *testing.T, b Backend) {
	s := b.Open()
	all, first, err := s.Standings(t.Context())
	if err != nil || len(all) != 0 || first.IsZero() {
		t.Errorf("without a document: %v at %v, %v, want a clock", all, first, err)
	}
	const child = "telephony@api-0a1b2c3d.duosecurity.com"
	pause := epoch.Add(time.Hour)
	cursor := store.Cursor{Watermark: epoch, NotBefore: pause, Seen: store.Seen{}.With([]store.ID{{1}}, 1, 1)}
	acquired := map[string]time.Time{}
	take := func(stream string) *store.Lease {
		c := claim("run of " + stream)
		c.Next = func(context.Context, store.State) (store.Cursor, error) { return cursor, nil }
		lease, _, err := s.Acquire(t.Context(), stream, c)
		mustDo(t, err)
		acquired[stream] = lease.AcquiredAt
		return lease
	}
	take("held")
	mustDo(t, s.Finish(t.Context(), take(child), cursor, run("one")))
	mustDo(t, s.Release(t.Context(), take("failed"), store.Run{ID: "two", Outcome: "failed", Act: true, StartedAt: epoch}))
	mustDo(t, s.Commit(t.Context(), take("failed"), cursor)) // the last one in the history still counts
	take("damaged")
	b.Edit("damaged", func(fields map[string]any) { fields["last"] = "edited" })
	of := func(stream string, last store.Outcome) store.Standing {
		return store.Standing{Stream: stream, AcquiredAt: acquired[stream], Watermark: epoch, NotBefore: pause, Last: last}
	}
	all, now, err := b.Open().Standings(t.Context())
	mustDo(t, err)
	slices.SortFunc(all, func(a, b store.Standing) int { return cmp.Compare(a.Stream, b.Stream) })
	want := []store.Standing{
		{Stream: "damaged"}, of("failed", store.Outcome{Outcome: "failed", Act: true}), of("held", store.Outcome{}),
		of(child, store.Outcome{Outcome: "complete"}),
	}
	if diff := gocmp.Diff(want, all); diff != "" {
		t.Errorf("standings (-want +got):\n%s", diff)
	}
	if now.Before(acquired["damaged"]) || now.Sub(first) > time.Minute {
		t.Errorf("the clock says %v, after %v", now, acquired["damaged"])
	}
}

// testSince: what another run has had since a time is not taken, whether it still
// has it or not.
func testSince(t *testing.T, b Backend) {
	s := b.Open()
	_, before, err := s.Standings(t.Context())
	mustDo(t, err)
	since := func(holder string, at time.Time) store.Claim {
		c := claim(holder)
		c.Since = at
		return c
	}
	lease, _ := acquire(t, s, since("first", before))
	wantRefused(t, "acquiring what is held", s, since("second", before), store.ErrHeld)
	mustDo(t, s.Finish(t.Context(), lease, pages(1), run("first")))
	same := unchanged(t, b)
	wantRefused(t, "acquiring what another run has had", s, since("second", before), store.ErrPassed)
	same("a stream that is passed by")
	_, now, err := s.Standings(t.Context())
	mustDo(t, err)
	lease, _ = acquire(t, s, since("third", now))
	mustDo(t, s.Release(t.Context(), lease, run("third")))
	forced := since("fourth", before)
	forced.Force = true
	acquire(t, s, forced)
}
