package store_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"duo-telephony-collector/internal/store"
)

// eachOperation runs a test of every operation, prepared up to its lease.
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

// expectDone checks that the operation happened exactly once, and that its lease
// still works.
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
		if err := w.broken.Finish(t.Context(), l, cursor(0), run("mine")); err != nil { // and drop all parts of Seen
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
					t.Errorf("%d commits, want 1: it must not repeat one that happened", got)
				}
				op.expectDone(t, w, l)
			})
		})
	}
}

// TestAnswerAndReadBackLost: the error says that the outcome is unknown, and a
// later read finds the change.
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
		t.Errorf("got error %v, want one that leaves the outcome open", err)
	}
}

// TestUnavailable: requests are retried until the context ends. After that only
// the document may be read, for a lease to give back.
func TestUnavailable(t *testing.T) {
	eachOperation(t, func(t *testing.T, w *wired, op operation, l *store.Lease) {
		before := w.raw(stream)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var sent, late atomic.Int32
		w.wire.breakWith(func(_ context.Context, call string, _ func() error) error {
			if ctx.Err() != nil && call != "Rollback" {
				late.Add(1)
			}
			if sent.Add(1) == 3 {
				cancel()
			}
			return refusal(codes.Unavailable)
		})
		_, err := op.do(ctx, w.broken, l)
		expectUnsettled(t, err)
		if sent.Load() < 3 || late.Load() > 1 {
			t.Errorf("%d requests, %d of them after the context ended, want 3 and at most 1 more", sent.Load(), late.Load())
		}
		if now := w.raw(stream); now != before {
			t.Errorf("the document is %s, want %s", now, before)
		}
	})
}
