package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

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
	told := store.Cursor{
		Watermark: epoch, NotBefore: epoch.Add(time.Hour), Ended: epoch.Add(time.Minute), Pace: store.Pace{IntervalMS: 7, LearnedAt: epoch},
		Gap: &store.Gap{From: epoch, To: epoch.Add(time.Hour), RunID: "gap"},
	}
	cursor := told
	cursor.Seen, cursor.Places = store.Seen{}.With([]store.ID{{1}}, 1, 1), []store.Place{{Bucket: "b"}}
	leases := map[string]store.Lease{}
	take := func(stream string) *store.Lease {
		c := claim("run of " + stream)
		c.Next = func(context.Context, store.State) (store.Cursor, error) { return cursor, nil }
		lease, _, err := s.Acquire(t.Context(), stream, c)
		mustDo(t, err)
		leases[stream] = *lease
		return lease
	}
	take("held")
	mustDo(t, s.Finish(t.Context(), take(child), cursor, run("one")))
	mustDo(t, s.Release(t.Context(), take("failed"), store.Run{ID: "two", Outcome: "failed", Act: true, StartedAt: epoch}))
	mustDo(t, s.Commit(t.Context(), take("failed"), cursor)) // the last one in the history still counts
	take("damaged")
	b.Edit("damaged", func(fields map[string]any) { fields["last"] = "edited" })
	all, now, err := b.Open().Standings(t.Context())
	mustDo(t, err)
	of := func(stream string, held bool, last store.Last) store.Standing {
		lease := leases[stream]
		if !held {
			lease.Holder, lease.TTL = "", 0
		}
		return store.Standing{State: store.State{Stream: stream, Lease: lease, Cursor: told, Now: now}, Last: last}
	}
	want := []store.Standing{
		{State: store.State{Stream: "damaged", Now: now}, Err: store.ErrSetup},
		of("failed", true, store.Last{Outcome: "failed", ID: "two", Act: true, StartedAt: epoch, Failing: epoch}), of("held", true, store.Last{}),
		of(child, false, store.Last{Outcome: "complete", ID: "one", StartedAt: epoch, Started: []time.Time{epoch}}),
	}
	wantSame(t, "standings", want, all, cmpopts.IgnoreUnexported(store.Lease{}), cmpopts.EquateErrors(),
		cmpopts.SortSlices(func(a, b store.Standing) bool { return a.Stream < b.Stream }))
	if now.Before(leases["damaged"].AcquiredAt) || now.Sub(first) > time.Minute {
		t.Errorf("the clock says %v, after %v", now, leases["damaged"].AcquiredAt)
	}
}

// testAcquired: a stream was last touched when its lease was acquired, whether it was
// given back or not.
func testAcquired(t *testing.T, b Backend) {
	s := b.Open()
	want := map[string]time.Time{}
	for _, stream := range []string{"held", "telephony@api-0a1b2c3d.duosecurity.com"} {
		lease, _, err := s.Acquire(t.Context(), stream, claim("run of "+stream))
		mustDo(t, err)
		want[stream] = lease.AcquiredAt
		if stream != "held" {
			mustDo(t, s.Release(t.Context(), lease, run("one")))
		}
	}
	at, now, err := s.Acquired(t.Context())
	mustDo(t, err)
	wantSame(t, "times of acquisition", want, at)
	if now.Before(want["held"]) {
		t.Errorf("the clock says %v, after %v", now, want["held"])
	}
}

// testLast: the document tells since when runs have failed, and when the last ones
// began that did not.
func testLast(t *testing.T, b Backend) {
	s := b.Open()
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	for minute, outcome := range []string{"complete", "partial", "complete", "failed", "complete", "complete", "complete", "failed", "failed"} {
		lease, cursor := acquire(t, s, claim(outcome))
		r := store.Run{ID: fmt.Sprint(minute), Token: lease.Token, Outcome: outcome, Reason: "of " + outcome, StartedAt: at(minute)}
		if outcome == "failed" {
			r.Gap = &store.Gap{From: epoch, To: at(1), RunID: r.ID}
			mustDo(t, s.Release(t.Context(), lease, r))
		} else {
			mustDo(t, s.Finish(t.Context(), lease, cursor, r))
		}
	}
	all, _, err := s.Standings(t.Context())
	mustDo(t, err)
	if len(all) != 1 {
		t.Fatalf("%d streams, want 1", len(all))
	}
	wantSame(t, "the last runs", store.Last{
		Outcome: "failed", ID: "8", Reason: "of failed", Gap: &store.Gap{From: epoch, To: at(1), RunID: "8"}, Token: 9, StartedAt: at(8),
		Failing: at(7), Started: []time.Time{at(6), at(5), at(4), at(2), at(1)},
	}, all[0].Last)
}

// testSince: what another run has had since a time is not taken, whether it still
// has it or not.
func testSince(t *testing.T, b Backend) {
	s := b.Open()
	_, before, err := s.Acquired(t.Context())
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
	_, now, err := s.Acquired(t.Context())
	mustDo(t, err)
	lease, _ = acquire(t, s, since("third", now))
	mustDo(t, s.Release(t.Context(), lease, run("third")))
	forced := since("fourth", before)
	forced.Force = true
	acquire(t, s, forced)
}
