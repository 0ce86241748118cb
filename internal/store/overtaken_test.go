package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

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

// TestFinishedAndOvertaken: the answer is lost, and the next run has the lease
// before this one reads the document back. The run's record proves that the
// write happened.
func TestFinishedAndOvertaken(t *testing.T) {
	for _, code := range ambiguous {
		for _, name := range []string{"Finish", "Release"} {
			t.Run(name+" "+code.String(), func(t *testing.T) {
				t.Parallel()
				w := newWired(t)
				l := ownLease(t, w)
				w.wire.breakWith(answerLost(code, func() { overtake(t, w, false) }, pass))
				if _, err := operations[name].do(t.Context(), w.broken, l); err != nil {
					t.Errorf("it happened, but the error is %v", err)
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

// TestHistoryUnreadable: if the run's record can't be read, it is unknown whether
// the lease was released or lost.
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

// TestReleaseAfterUnsettledCommit: a run ends after a commit whose outcome is
// unknown. Its release must not mistake the commit's seq for its own.
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

// TestFrozenBeforeItsWrite: a run frozen just before a write that reads nothing
// blocks no other run, and its write comes too late.
func TestFrozenBeforeItsWrite(t *testing.T) {
	for _, name := range []string{"Commit", "Finish", "Release"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			l := operations[name].before(t, w)
			thaw, done := freeze(t, w, name, l)
			w.soundWire.breakWith(nil)
			overtake(t, w, true)
			if calls := w.soundWire.seen(); slices.ContainsFunc(calls[:len(calls)-1], isCommit) {
				t.Errorf("the other run sent %q, want one commit at the end", calls)
			}
			before := w.raw(stream)
			thaw()
			if err := <-done; !errors.Is(err, store.ErrLost) {
				t.Errorf("got error %v, want ErrLost", err)
			}
			if now := w.raw(stream); now != before {
				t.Errorf("the document is %s, want %s", now, before)
			}
		})
	}
}

// TestFrozenInTransaction: a run frozen inside the transaction that takes the
// lease holds a lock until Firestore takes it away. Until then the outcome of
// other claims is open; in the end one run has the lease. Once it is held, a
// plain read turns others away.
func TestFrozenInTransaction(t *testing.T) {
	for _, name := range []string{"Acquire, create", "Acquire, update"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			operations[name].before(t, w)
			thaw, done := freeze(t, w, name, nil)
			before := w.raw(stream)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := w.sound.Acquire(ctx, stream, claim("other", 50))
			expectUnsettled(t, err)
			if now := w.raw(stream); now != before {
				t.Errorf("the document is %s, want %s", now, before)
			}
			thaw()
			won := <-done
			w.soundWire.breakWith(nil)
			_, _, err = w.sound.Acquire(t.Context(), stream, claim("other", 50))
			if (won == nil) == (err == nil) || won == nil && !errors.Is(err, store.ErrHeld) {
				t.Errorf("got errors %v and %v, want that one of them has the lease", won, err)
			}
			if calls := w.soundWire.seen(); won == nil && !slices.Equal(calls, []string{"Get"}) {
				t.Errorf("the other run sent %q, want a read", calls)
			}
		})
	}
}

// TestChangedBeforeTransaction: the transaction's read counts, not the plain read
// before it.
func TestChangedBeforeTransaction(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(t *testing.T, w *wired)
		want      error
		token     int64
	}{
		"taken":                {func(t *testing.T, w *wired) { overtake(t, w, false) }, store.ErrHeld, 0},
		"taken and given back": {func(t *testing.T, w *wired) { releasedLease(t, w) }, nil, 3},
		"deleted": {func(t *testing.T, w *wired) {
			l, err := acquireNew(t.Context(), w.sound, nil)
			if err == nil {
				err = w.sound.Release(t.Context(), l, store.Run{ID: "last", Token: 7, StartedAt: time.Now()})
			}
			if err != nil {
				t.Error(err)
			}
			w.delete(stream)
		}, nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			releasedLease(t, w)
			var once sync.Once
			w.wire.breakWith(func(_ context.Context, call string, send func() error) error {
				if call == "Begin" {
					once.Do(func() { test.meanwhile(t, w) })
				}
				return send()
			})
			l, err := acquireNew(t.Context(), w.broken, nil)
			if !errors.Is(err, test.want) || err == nil && l.Token != test.token {
				t.Errorf("got lease %+v and error %v, want token %d and %v", l, err, test.token, test.want)
			}
			if calls := w.wire.seen(); test.want != nil && calls[len(calls)-1] != "Rollback" {
				t.Errorf("requests %q, want a roll-back at the end, which releases the lock", calls)
			}
		})
	}
}

// TestAppliedLate: a write that seemed lost is applied after all, between the two
// reads of the next attempt. The run takes the lease as its own.
func TestAppliedLate(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	releasedLease(t, w)
	begins := 0
	lost := requestLost(codes.Unavailable, nothing)
	w.wire.breakWith(func(ctx context.Context, call string, send func() error) error {
		if call == "Begin" {
			if begins++; begins == 2 {
				if _, err := acquireNew(ctx, w.sound, nil); err != nil {
					t.Error(err)
				}
			}
		}
		return lost(ctx, call, send)
	})
	l, err := acquireNew(t.Context(), w.broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.broken.Commit(t.Context(), l, cursor(2)); err != nil || begins != 2 {
		t.Errorf("error %v after %d attempts, want a good lease after 2", err, begins)
	}
}

// freeze stops an operation before its first commit until thaw is called.
func freeze(t *testing.T, w *wired, name string, l *store.Lease) (thaw func(), done chan error) {
	frozen, thawed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.wire.breakWith(func(_ context.Context, call string, send func() error) error {
		if isCommit(call) {
			once.Do(func() {
				close(frozen)
				<-thawed
			})
		}
		return send()
	})
	done = make(chan error)
	go func() {
		_, err := operations[name].do(context.WithoutCancel(t.Context()), w.broken, l)
		done <- err
	}()
	<-frozen
	return func() { close(thawed) }, done
}
