package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"duo-telephony-collector/internal/store"
)

// overtake acquires as another run.
func overtake(t *testing.T, w *wired, forced bool) {
	t.Helper()
	c := claim("other", 50)
	c.Force = forced
	if _, _, err := w.sound.Acquire(t.Context(), stream, c); err != nil {
		t.Errorf("the other run acquires: %v", err)
	}
}

// TestFinishedAndOvertaken: the answer is lost and the next run has acquired
// before this one can read back. The run record proves that it happened.
func TestFinishedAndOvertaken(t *testing.T) {
	for _, code := range ambiguous {
		for _, name := range []string{"Finish", "Release"} {
			t.Run(name+" "+code.String(), func(t *testing.T) {
				t.Parallel()
				w := newWired(t)
				l := ownLease(t, w)
				w.wire.breakWith(answerLost(code, func() { overtake(t, w, false) }, pass))
				if _, err := operations[name].do(t.Context(), w.broken, l); err != nil {
					t.Errorf("it happened, and the error is %v", err)
				}
				expectOther(t, w, 1)
			})
		}
	}
}

// TestOvertaken: nothing was written, and another run has the lease.
func TestOvertaken(t *testing.T) {
	for _, code := range ambiguous {
		for _, name := range []string{"Commit", "Finish", "Release"} {
			t.Run(name+" "+code.String(), func(t *testing.T) {
				t.Parallel()
				w := newWired(t)
				l := ownLease(t, w)
				w.wire.breakWith(requestLost(code, func() { overtake(t, w, true) }))
				if _, err := operations[name].do(t.Context(), w.broken, l); !errors.Is(err, store.ErrLost) {
					t.Errorf("got error %v, want ErrLost", err)
				}
				expectOther(t, w, 0)
			})
		}
	}
}

func expectOther(t *testing.T, w *wired, runs int) {
	t.Helper()
	state, err := w.sound.Load(t.Context(), stream)
	if err != nil || state.Lease.Holder != "other" || state.Lease.Token != 2 || state.Cursor.Totals.Pages != 50 {
		t.Errorf("state %+v and error %v, want the other run's", state, err)
	}
	if got, err := w.sound.Runs(t.Context(), stream, 10); err != nil || len(got) != runs {
		t.Errorf("history %+v and error %v, want %d runs", got, err, runs)
	}
}

// TestHistoryUnreadable: without the run's record nobody knows whether the
// lease was given back or lost.
func TestHistoryUnreadable(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	l := ownLease(t, w)
	gets := 0
	w.wire.breakWith(answerLost(codes.Internal, func() { overtake(t, w, false) },
		func(_ context.Context, call string, send func() error) error {
			if call == "Get" {
				gets++
			}
			if gets > 1 {
				return refusal(notRepeated)
			}
			return send()
		}))
	expectUnsettled(t, w.broken.Finish(t.Context(), l, cursor(3), run("mine")))
	if gets < 2 {
		t.Errorf("%d reads, want the document and the run", gets)
	}
}

// TestReleaseAfterUnsettledCommit: a run gives up after a commit of which it
// does not know whether it happened. Its release is a write of its own, which
// must not take the commit's trace for its own.
func TestReleaseAfterUnsettledCommit(t *testing.T) {
	for name, test := range map[string]struct {
		fault fault
		pages int64
	}{
		"happened": {answerLost(codes.Internal, nothing, refuse(notRepeated)), 2},
		"did not": {func(_ context.Context, call string, _ func() error) error {
			if isCommit(call) {
				return refusal(codes.Internal)
			}
			return refusal(notRepeated)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			l := ownLease(t, w)
			w.wire.breakWith(test.fault)
			expectUnsettled(t, w.broken.Commit(t.Context(), l, cursor(2)))
			w.wire.breakWith(nil)
			if err := w.broken.Release(t.Context(), l, run("mine")); err != nil {
				t.Fatal(err)
			}
			state, err := w.sound.Load(t.Context(), stream)
			if err != nil || state.Lease.Holder != "" || state.Cursor.Totals.Pages != test.pages {
				t.Errorf("state %+v and error %v, want a free lease and %d pages", state, err, test.pages)
			}
			if runs, err := w.sound.Runs(t.Context(), stream, 10); err != nil || len(runs) != 1 {
				t.Errorf("history %+v and error %v, want the run", runs, err)
			}
		})
	}
}

// TestFrozenBeforeItsWrite: whoever stops between read and write is in
// nobody's way, and comes too late.
func TestFrozenBeforeItsWrite(t *testing.T) {
	for name, want := range map[string]error{
		"Acquire, create": store.ErrHeld, "Acquire, update": store.ErrHeld,
		"Commit": store.ErrLost, "Finish": store.ErrLost, "Release": store.ErrLost,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			l := operations[name].before(t, w)
			frozen, thaw := make(chan struct{}), make(chan struct{})
			var once sync.Once
			w.wire.breakWith(func(_ context.Context, call string, send func() error) error {
				if isCommit(call) {
					once.Do(func() {
						close(frozen)
						<-thaw
					})
				}
				return send()
			})
			done := make(chan error)
			go func() {
				_, err := operations[name].do(context.WithoutCancel(t.Context()), w.broken, l)
				done <- err
			}()
			<-frozen
			w.soundWire.breakWith(nil)
			overtake(t, w, true)
			if calls := w.soundWire.seen(); slices.ContainsFunc(calls[:len(calls)-1], isCommit) {
				t.Errorf("the other run's requests are %q, want no repeated commit", calls)
			}
			before := w.raw(stream)
			close(thaw)
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("got error %v, want %v", err, want)
			}
			if now := w.raw(stream); now != before {
				t.Errorf("the document is %s, want %s", now, before)
			}
		})
	}
}
