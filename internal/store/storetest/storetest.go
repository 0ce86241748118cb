// Package storetest has the tests that every store must pass.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/store"
)

const (
	stream = "telephony"
	ttl    = 10 * time.Minute
)

// Backend is a fresh place to keep state, with access behind the store's back.
type Backend struct {
	// Open returns another handle on the same data.
	Open func() *store.Store
	// Raw returns the stream's document and version as text, "" if there is none.
	Raw func(stream string) string
	// Edit changes the document's fields by hand.
	Edit func(stream string, change func(fields map[string]any))
	// Delete removes the document by hand; the history stays.
	Delete func(stream string)
	// Env makes the test binary call Work with a store on the same data.
	Env []string
	// Lock bounds how long a process that was killed in a transaction blocks others.
	Lock time.Duration
}

// Test runs the suite. Each call of open returns a fresh Backend.
func Test(t *testing.T, open func(t *testing.T) Backend) {
	for name, test := range map[string]func(*testing.T, Backend){
		"FirstAcquire":      testFirstAcquire,
		"Held":              testHeld,
		"AcquireTwice":      testAcquireTwice,
		"NextFails":         testNextFails,
		"TakenMeanwhile":    testTakenMeanwhile,
		"RoundTrip":         testRoundTrip,
		"Seen":              testSeen,
		"LateCommit":        testLateCommit,
		"TakenOver":         testTakenOver,
		"GivenBack":         testGivenBack,
		"Cancelled":         testCancelled,
		"Streams":           testStreams,
		"Standings":         testStandings,
		"Acquired":          testAcquired,
		"Last":              testLast,
		"Since":             testSince,
		"History":           testHistory,
		"Probe":             testProbe,
		"Unreadable":        testUnreadable,
		"Schema2":           testSchema2,
		"Deleted":           testDeleted,
		"DeletedLater":      testDeletedLater,
		"DeletedAndAnew":    testDeletedAndAnew,
		"RandomHistory":     testRandomHistory,
		"Goroutines":        testGoroutines,
		"Processes":         testProcesses,
		"KilledHolder":      testKilledHolder,
		"StoppedHolder":     testStoppedHolder,
		"KilledAtAnyMoment": testKilledAtAnyMoment,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// claim asks for the lease without changing the cursor.
func claim(holder string) store.Claim {
	return store.Claim{Holder: holder, TTL: ttl, Next: keep}
}

func force(holder string) store.Claim {
	c := claim(holder)
	c.Force = true
	return c
}

func keep(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil }

func acquire(t *testing.T, s *store.Store, c store.Claim) (*store.Lease, store.Cursor) {
	t.Helper()
	lease, cursor, err := s.Acquire(t.Context(), stream, c)
	if err != nil {
		t.Fatalf("%s acquires: %v", c.Holder, err)
	}
	return lease, cursor
}

// wantRefused claims what must not be granted.
func wantRefused(t *testing.T, what string, s *store.Store, c store.Claim, want error) {
	t.Helper()
	_, _, err := s.Acquire(t.Context(), stream, c)
	wantError(t, what, err, want)
}

// write does nothing, or commits, finishes or releases.
func write(t *testing.T, s *store.Store, l *store.Lease, op string) {
	t.Helper()
	switch op {
	case "nothing":
	case "commit":
		mustDo(t, s.Commit(t.Context(), l, pages(l.Token)))
	case "finish":
		mustDo(t, s.Finish(t.Context(), l, pages(l.Token), run(l.Holder)))
	case "release":
		mustDo(t, s.Release(t.Context(), l, run(l.Holder)))
	default:
		t.Fatalf("there is no operation %q", op)
	}
}

func load(t *testing.T, s *store.Store, stream string) store.State {
	t.Helper()
	state, err := s.Load(t.Context(), stream)
	mustDo(t, err)
	return state
}

func history(t *testing.T, s *store.Store, stream string, limit int) []store.Run {
	t.Helper()
	runs, err := s.Runs(t.Context(), stream, limit)
	mustDo(t, err)
	return runs
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func wantSame[T any](t *testing.T, what string, want, got T, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// unchanged returns a function that checks that nothing was written since.
func unchanged(t *testing.T, b Backend) func(after string) {
	t.Helper()
	before := b.Raw(stream)
	return func(after string) {
		t.Helper()
		if now := b.Raw(stream); now != before {
			t.Errorf("%s changed the document\nfrom %s\nto   %s", after, before, now)
		}
	}
}

// age sets the lease's acquired_at to d before the server's clock.
func age(t *testing.T, b Backend, d time.Duration) {
	t.Helper()
	now := load(t, b.Open(), stream).Now
	b.Edit(stream, func(fields map[string]any) {
		fields["lease"].(map[string]any)["acquired_at"] = now.Add(-d)
	})
}

// pages is a cursor with that many pages.
func pages(n int64) store.Cursor { return store.Cursor{Totals: store.Totals{Pages: n}} }

func run(id string) store.Run {
	return store.Run{ID: id, Outcome: "complete", StartedAt: epoch}
}
