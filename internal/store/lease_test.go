package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/store"
)

// TestNow: a lease's clock is the server's at its last answer, advanced by this
// machine's.
func TestNow(t *testing.T) {
	path := newBoltFile(t).path
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Hour
		s := store.NewBolt(path, func() time.Time { return time.Now().Add(ahead) })
		l := mustAcquire(t, s, claim("mine", 1))
		expect := func(when string, want time.Duration) {
			t.Helper()
			if got := time.Until(l.Now()); got != want {
				t.Errorf("%s the lease's clock is %v ahead of this machine's, want %v", when, got, want)
			}
		}
		expect("after Acquire", time.Hour)
		time.Sleep(90 * time.Second)
		expect("a while later", time.Hour)
		ahead = 2 * time.Hour
		expect("before another answer", time.Hour)
		if err := s.Commit(t.Context(), l, cursor(2)); err != nil {
			t.Fatal(err)
		}
		expect("after Commit", 2*time.Hour)
		again := mustAcquire(t, s, claim("mine", 1))
		if got := time.Until(again.Now()); got != 2*time.Hour {
			t.Errorf("after a second Acquire the clock is %v ahead, want 2h", got)
		}

		state, err := s.Load(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		l = state.Unheld()
		time.Sleep(time.Second)
		expect("without a lease", 2*time.Hour)
		if l.Holder != "" || l.Token != 0 || l.Stream != stream || !l.AcquiredAt.Equal(state.Now) {
			t.Errorf("the lease of a dry run is %+v, want the stream, the time and nothing else", l)
		}
	})
}

// TestHangs: operations end although the server never answers and the caller sets
// no deadline.
func TestHangs(t *testing.T) {
	ctx := context.Background()
	s := store.NewHanging()
	lease := func() *store.Lease { return &store.Lease{Stream: stream, Holder: "mine", Token: 1} }
	for name, do := range map[string]func() error{
		"Load":    func() error { _, err := s.Load(ctx, stream); return err },
		"Runs":    func() error { _, err := s.Runs(ctx, stream, 1); return err },
		"Acquire": func() error { _, _, err := s.Acquire(ctx, stream, claim("mine", 1)); return err },
		"Acquire, readable": func() error {
			_, _, err := s.Acquire(ctx, "readable", claim("mine", 1))
			return err
		},
		"Commit":  func() error { return s.Commit(ctx, lease(), cursor(1)) },
		"Finish":  func() error { return s.Finish(ctx, lease(), cursor(1), run("mine")) },
		"Release": func() error { return s.Release(ctx, lease(), run("mine")) },
		"Release, readable": func() error {
			l := lease()
			l.Stream = "readable"
			return s.Release(ctx, l, run("mine"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := do()
				if err == nil || errors.Is(err, store.ErrHeld) || errors.Is(err, store.ErrLost) {
					t.Errorf("got error %v, want one that leaves the outcome open", err)
				}
				if took := time.Since(start); took > store.OpTimeout {
					t.Errorf("it took %v, want %v at most", took, store.OpTimeout)
				}
			})
		})
	}
}

// TestQueue: one claim of a process is in a transaction at a time. Another one waits
// for it as long as its own context lasts.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewHanging()
		var first sync.WaitGroup
		first.Go(func() {
			if _, _, err := s.Acquire(t.Context(), "readable", claim("first", 1)); err == nil {
				t.Error("the lease was acquired without an answer")
			}
		})
		queued := func(holder string) bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := s.Acquire(ctx, "readable", claim(holder, 1))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want that time is up", err)
			}
			return err != nil && strings.Contains(err.Error(), "others were before us")
		}
		synctest.Wait()
		if !queued("second") {
			t.Error("the second claim did not wait for the first")
		}
		first.Wait()
		if queued("third") {
			t.Error("the third claim still waited")
		}
	})
}

// TestQueuesAreDropped has claims of several streams at once: nothing of their queues
// is left.
func TestQueuesAreDropped(t *testing.T) {
	t.Parallel()
	s := store.NewBolt(newBoltFile(t).path, nil)
	var taken atomic.Int32
	var claims sync.WaitGroup
	for n := range 12 {
		claims.Go(func() {
			if _, _, err := s.Acquire(t.Context(), fmt.Sprint("stream-", n%3), claim(fmt.Sprint("run-", n), 1)); err == nil {
				taken.Add(1)
			} else if !errors.Is(err, store.ErrHeld) {
				t.Error(err)
			}
		})
	}
	claims.Wait()
	if taken.Load() != 3 || s.Queues() != 0 {
		t.Errorf("%d leases of 3 streams, and %d queues are left", taken.Load(), s.Queues())
	}
}
