package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/store"
)

func testFirstAcquire(t *testing.T, b Backend) {
	s := b.Open()
	if state := load(t, s, stream); state.Lease.Holder != "" || state.Now.IsZero() {
		t.Errorf("before the first run the state is %+v, want it free and with a clock", state)
	}
	want := filled[store.Cursor](t, 0)
	c := claim("first")
	c.Next = func(_ context.Context, state store.State) (store.Cursor, error) {
		if state.Stream != stream || state.Lease.Holder != "" || state.Lease.Token != 0 || state.Now.IsZero() {
			t.Errorf("Next got %+v, want a free lease and a clock", state)
		}
		wantSame(t, "Next's cursor", store.Cursor{}, state.Cursor)
		return want, nil
	}
	lease, cursor := acquire(t, s, c)
	if lease.Stream != stream || lease.Token != 1 || lease.Holder != "first" || lease.TTL != ttl {
		t.Errorf("the lease is %+v, want token 1 and what was claimed", lease)
	}
	wantSame(t, "Acquire's cursor", want, cursor)
	state := load(t, b.Open(), stream)
	wantSame(t, "stored cursor", want, state.Cursor)
	if got := state.Lease; got.Token != 1 || got.Holder != "first" || got.TTL != ttl || !got.ExpiresAt().Equal(got.AcquiredAt.Add(ttl)) {
		t.Errorf("stored lease %+v, want token 1 and what was claimed", got)
	}
	if waited := state.Now.Sub(state.Lease.AcquiredAt); waited < 0 || waited > time.Minute {
		t.Errorf("acquired %v ago by the server's clock, want just now", waited)
	}
}

func testHeld(t *testing.T, b Backend) {
	s := b.Open()
	acquire(t, s, claim("first"))
	same := unchanged(t, b)
	for range 3 {
		c := claim("second")
		c.Next = func(context.Context, store.State) (store.Cursor, error) {
			t.Error("a cursor was planned without the lease")
			return store.Cursor{}, nil
		}
		wantRefused(t, "acquiring a held lease", b.Open(), c, store.ErrHeld)
		same("a busy Acquire")
	}
}

// testAcquireTwice is a run that asks again because the first answer was lost.
func testAcquireTwice(t *testing.T, b Backend) {
	s := b.Open()
	c := claim("first")
	c.Next = func(context.Context, store.State) (store.Cursor, error) { return pages(7), nil }
	acquire(t, s, c)
	same := unchanged(t, b)
	lease, cursor := acquire(t, s, claim("first"))
	same("acquiring one's own lease")
	if lease.Token != 1 || cursor.Totals.Pages != 7 {
		t.Errorf("the second answer has token %d and %d pages, want the first's 1 and 7", lease.Token, cursor.Totals.Pages)
	}
	mustDo(t, s.Commit(t.Context(), lease, pages(8)))
}

func testNextFails(t *testing.T, b Backend) {
	s := b.Open()
	c, sad := claim("first"), errors.New("no plan")
	c.Next = func(context.Context, store.State) (store.Cursor, error) { return pages(1), sad }
	same := unchanged(t, b)
	wantRefused(t, "acquiring without a plan", s, c, sad)
	same("a failed Next on nothing")

	lease, _ := acquire(t, s, claim("second"))
	mustDo(t, s.Finish(t.Context(), lease, pages(2), run("second")))
	same = unchanged(t, b)
	wantRefused(t, "acquiring without a plan", s, c, sad)
	same("a failed Next")
}

// testTakenMeanwhile forces the lease while another run is about to take it.
// Either may come first; in the end the forced one holds it.
func testTakenMeanwhile(t *testing.T, b Backend) {
	s, other := b.Open(), b.Open()
	var second *store.Lease
	done := make(chan error, 1)
	var once sync.Once
	c := claim("first")
	c.Next = func(ctx context.Context, state store.State) (store.Cursor, error) {
		once.Do(func() {
			go func() {
				var err error
				second, _, err = other.Acquire(t.Context(), stream, force("second"))
				done <- err
			}()
		})
		return keep(ctx, state)
	}
	first, _, err := s.Acquire(t.Context(), stream, c)
	mustDo(t, <-done)
	if err == nil {
		if first.Token == second.Token {
			t.Errorf("both have token %d", first.Token)
		}
		wantError(t, "committing under the lease that was forced", s.Commit(t.Context(), first, pages(1)), store.ErrLost)
	} else {
		wantError(t, "acquiring what was forced meanwhile", err, store.ErrHeld)
	}
	mustDo(t, other.Commit(t.Context(), second, pages(2)))
}

func testGoroutines(t *testing.T, b Backend) {
	const contenders, handles, rounds = 20, 4, 4
	var stores []*store.Store
	for range handles {
		stores = append(stores, b.Open())
	}
	for round := range rounds {
		winners := make(chan *store.Lease, contenders)
		var wg sync.WaitGroup
		for i := range contenders {
			wg.Go(func() {
				c := claim(fmt.Sprintf("%d of round %d", i, round))
				lease, _, err := stores[i%handles].Acquire(t.Context(), stream, c)
				if err == nil {
					winners <- lease
					return
				}
				wantError(t, c.Holder, err, store.ErrHeld)
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d of %d contenders have the lease, want one", len(winners), contenders)
		}
		winner := <-winners
		wantSame(t, "the winner's token", int64(round+1), winner.Token)
		mustDo(t, stores[0].Finish(t.Context(), winner, pages(1), run(winner.Holder)))
	}
}

func testCancelled(t *testing.T, b Backend) {
	s := b.Open()
	lease, _ := acquire(t, s, claim("first"))
	same := unchanged(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := everything(ctx, s, lease)
	_, all["Runs"] = s.Runs(ctx, stream, 1)
	for op, err := range all {
		wantError(t, op+" with a cancelled context", err, context.Canceled)
		for _, other := range []error{store.ErrHeld, store.ErrLost, store.ErrSetup} {
			if errors.Is(err, other) {
				t.Errorf("%s with a cancelled context says %v", op, err)
			}
		}
	}
	same("a cancelled context")
	mustDo(t, s.Commit(t.Context(), lease, pages(1)))
}
