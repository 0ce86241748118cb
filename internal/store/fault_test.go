package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"duo-telephony-collector/internal/store"
)

// eachOperation runs a test for every operation, as far as its lease.
func eachOperation(t *testing.T, test func(t *testing.T, w *wired, op operation, l *store.Lease)) {
	t.Parallel()
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			test(t, w, op, op.before(t, w))
		})
	}
}

// expectDone checks that the operation happened exactly once, and that the
// lease is good for what comes next.
func (op operation) expectDone(t *testing.T, w *wired, l *store.Lease) {
	t.Helper()
	fields, _ := w.get(stream)
	state, err := w.sound.Load(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if fields["seq"] != op.seq || (state.Lease.Holder == "mine") != op.held {
		t.Errorf("document %v, want seq %d, held %t", fields, op.seq, op.held)
	}
	expectCursor(t, w, op.pages)
	if runs, err := w.sound.Runs(t.Context(), stream, 10); err != nil || len(runs) != op.runs {
		t.Errorf("history %+v and error %v, want %d runs", runs, err, op.runs)
	}
	w.wire.breakWith(nil)
	if op.held {
		if err := w.broken.Finish(t.Context(), l, cursor(0), run("mine")); err != nil { // with no part of what was stored
			t.Errorf("finishing under the lease: %v", err)
		}
		expectCursor(t, w, 0)
	}
	next, _, err := w.sound.Acquire(t.Context(), stream, claim("next", 0))
	if err != nil || next.Token != state.Lease.Token+1 {
		t.Errorf("the next run has lease %+v and error %v, want token %d", next, err, state.Lease.Token+1)
	}
}

func expectCursor(t *testing.T, w *wired, pages int64) {
	t.Helper()
	state, err := w.sound.Load(t.Context(), stream)
	if diff := cmp.Diff(cursor(pages), state.Cursor); diff != "" || err != nil {
		t.Errorf("error %v, and the cursor (-want +got):\n%s", err, diff)
	}
}

func TestRequests(t *testing.T) {
	eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
		w.wire.breakWith(nil)
		l, err := op.do(t.Context(), w.broken, l)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(op.calls, w.wire.seen()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		op.expectDone(t, w, l)
	})
}

func TestRequestsWhenBusy(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	ownLease(t, w)
	w.wire.breakWith(nil)
	if _, _, err := w.broken.Acquire(t.Context(), stream, claim("other", 0)); !errors.Is(err, store.ErrHeld) {
		t.Errorf("got error %v, want ErrHeld", err)
	}
	if diff := cmp.Diff([]string{"Get"}, w.wire.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

var ambiguous = []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Aborted, codes.Unknown}

func TestRequestLost(t *testing.T) {
	for _, code := range ambiguous {
		t.Run(code.String(), func(t *testing.T) {
			eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
				w.wire.breakWith(requestLost(code, nothing))
				l, err := op.do(t.Context(), w.broken, l)
				if err != nil {
					t.Fatal(err)
				}
				op.expectDone(t, w, l)
			})
		})
	}
}

func TestAnswerLost(t *testing.T) {
	for _, code := range ambiguous {
		t.Run(code.String(), func(t *testing.T) {
			eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
				w.wire.breakWith(answerLost(code, nothing, pass))
				l, err := op.do(t.Context(), w.broken, l)
				if err != nil {
					t.Fatal(err)
				}
				calls := w.wire.seen()
				if got := len(slices.DeleteFunc(calls, func(call string) bool { return !isCommit(call) })); got != 1 {
					t.Errorf("%d commits, want 1: what happened is not done again", got)
				}
				op.expectDone(t, w, l)
			})
		})
	}
}

// TestAnswerAndReadBackLost: nobody knows what happened, and so says the error.
// Whoever asks later finds the change.
func TestAnswerAndReadBackLost(t *testing.T) {
	eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
		w.wire.breakWith(answerLost(codes.Internal, nothing, refuse(notRepeated)))
		after, err := op.do(t.Context(), w.broken, l)
		expectUnsettled(t, err)
		w.wire.breakWith(nil)
		if l == nil { // the same claim again finds what it got
			if after, err = op.do(t.Context(), w.broken, nil); err != nil {
				t.Fatal(err)
			}
		}
		op.expectDone(t, w, after)
	})
}

func expectUnsettled(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, store.ErrHeld) || errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrSetup) {
		t.Errorf("got error %v, want one that leaves it open", err)
	}
}

// TestUnavailable: the client repeats its requests for as long as the context
// allows, and not longer.
func TestUnavailable(t *testing.T) {
	eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
		before := w.raw(stream)
		w.wire.breakWith(refuse(codes.Unavailable))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := op.do(ctx, w.broken, l)
		expectUnsettled(t, err)
		expectAtOnce(t, start)
		if now := w.raw(stream); now != before {
			t.Errorf("the document is %s, want %s", now, before)
		}
	})
}

// expectAtOnce leaves a busy machine time, and a retry, a lock or a roll-back
// none.
func expectAtOnce(t *testing.T, start time.Time) {
	t.Helper()
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %v, want hardly any time", took)
	}
}
