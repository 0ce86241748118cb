package store_test

import (
	"context"
	"testing"
	"time"

	"duo-telephony-collector/internal/store"
)

const stream = "telephony"

func claim(holder string, pages int64) store.Claim {
	return store.Claim{
		Holder: holder, TTL: time.Minute,
		Next: func(context.Context, store.State) (store.Cursor, error) { return cursor(pages), nil },
	}
}

// cursor has that many pages and parts of Seen. Cursors share the numbers of
// their parts, not the content.
func cursor(pages int64) store.Cursor {
	c := store.Cursor{Totals: store.Totals{Pages: pages}}
	for n := range pages {
		c.Seen = append(c.Seen, store.Part{Number: n, Until: n, IDs: []store.ID{{byte(pages)}}})
	}
	return c
}

func run(id string) store.Run { return store.Run{ID: id, StartedAt: time.UnixMilli(1).UTC()} }

// operation is a write: what comes before it, what it does, and the requests it
// needs if nothing fails.
type operation struct {
	before func(t *testing.T, w *wired) *store.Lease
	do     func(ctx context.Context, s *store.Store, l *store.Lease) (*store.Lease, error)
	calls  []string
	// Afterwards: the document's seq, its cursor's pages, the runs in the
	// history, and whether the lease is held.
	seq   int64
	pages int64
	runs  int
	held  bool
}

func acquireNew(ctx context.Context, s *store.Store, _ *store.Lease) (*store.Lease, error) {
	l, _, err := s.Acquire(ctx, stream, claim("mine", 1))
	return l, err
}

func mustAcquire(t *testing.T, s *store.Store, c store.Claim) *store.Lease {
	t.Helper()
	l, _, err := s.Acquire(t.Context(), stream, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func noLease(*testing.T, *wired) *store.Lease { return nil }

func ownLease(t *testing.T, w *wired) *store.Lease {
	t.Helper()
	l, err := acquireNew(t.Context(), w.broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func releasedLease(t *testing.T, w *wired) *store.Lease {
	t.Helper()
	l, _, err := w.sound.Acquire(t.Context(), stream, claim("another", 0))
	if err == nil {
		err = w.sound.Release(t.Context(), l, run("another"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return nil
}

var operations = map[string]operation{
	"Acquire, create": {noLease, acquireNew, []string{"Get", "Query", "Begin", "Get", "Commit 1"}, 1, 1, 0, true},
	"Acquire, update": {releasedLease, acquireNew, []string{"Get", "Begin", "Get", "Commit 1"}, 3, 1, 1, true},
	"Commit": {ownLease, func(ctx context.Context, s *store.Store, l *store.Lease) (*store.Lease, error) {
		return l, s.Commit(ctx, l, cursor(2))
	}, []string{"Commit 1"}, 2, 2, 0, true},
	"Finish": {ownLease, func(ctx context.Context, s *store.Store, l *store.Lease) (*store.Lease, error) {
		return l, s.Finish(ctx, l, cursor(3), run("mine"))
	}, []string{"Begin", "Commit 2"}, 2, 3, 1, false},
	"Release": {ownLease, func(ctx context.Context, s *store.Store, l *store.Lease) (*store.Lease, error) {
		return l, s.Release(ctx, l, run("mine"))
	}, []string{"Begin", "Commit 2"}, 2, 1, 1, false},
}
