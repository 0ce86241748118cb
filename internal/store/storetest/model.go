package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"duo-telephony-collector/internal/store"
)

// testRandomHistory compares the store with a model, step by step.
func testRandomHistory(t *testing.T, b Backend) {
	const steps = 200
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := &model{backend: b, store: b.Open()}
	for n := range steps {
		m.next(t, random)
		if t.Failed() {
			t.Fatalf("in step %d", n)
		}
	}
}

// model is what the store should hold, and all leases it ever granted.
type model struct {
	backend Backend
	store   *store.Store
	leases  []*store.Lease // with the tokens 1, 2, 3, …
	holder  *store.Lease   // nil: free
	expired bool
	writes  int
	pages   int64
}

// step is a kind of event.
type step int

const (
	acquireForced step = iota
	acquireFree
	expire
	commit
	finish
	release
	kinds
)

func (m *model) next(t *testing.T, random *rand.Rand) {
	t.Helper()
	kind := step(random.IntN(int(kinds)))
	switch {
	case kind <= acquireFree || len(m.leases) == 0:
		m.acquire(t, kind == acquireForced)
	case kind == expire:
		if m.holder != nil {
			age(t, m.backend, ttl)
			m.expired = true
		}
	default:
		latest := m.leases[max(0, len(m.leases)-3):]
		m.write(t, kind, latest[random.IntN(len(latest))])
	}
}

func (m *model) acquire(t *testing.T, forced bool) {
	t.Helper()
	c := claim(fmt.Sprint("run ", len(m.leases)+1))
	c.Force = forced
	lease, cursor, err := m.store.Acquire(t.Context(), stream, c)
	if m.holder != nil && !m.expired && !forced {
		wantError(t, "acquiring what is held", err, store.ErrHeld)
		return
	}
	if err != nil {
		t.Fatalf("acquiring: %v", err)
	}
	m.leases = append(m.leases, lease)
	if want := int64(len(m.leases)); lease.Token != want || cursor.Totals.Pages != m.pages {
		t.Errorf("token %d and %d pages, want %d and %d", lease.Token, cursor.Totals.Pages, want, m.pages)
	}
	m.holder, m.expired = lease, false
}

// write commits, finishes or releases, under the current or an earlier lease.
func (m *model) write(t *testing.T, kind step, l *store.Lease) {
	t.Helper()
	m.writes++
	if l != m.holder {
		same := unchanged(t, m.backend)
		_, err := m.tryWrite(t, kind, l)
		wantError(t, "writing without the lease", err, store.ErrLost)
		same("writing without the lease")
		return
	}
	pagesAfter, err := m.tryWrite(t, kind, l)
	if err != nil {
		t.Fatalf("writing under token %d: %v", l.Token, err)
	}
	m.pages, m.expired = pagesAfter, false // the write undid age's edit
	if kind != commit {
		m.holder = nil
	}
	state := load(t, m.store, stream)
	if state.Cursor.Totals.Pages != m.pages || (state.Lease.Holder == "") != (m.holder == nil) || state.Lease.Token != int64(len(m.leases)) {
		t.Errorf("after %d writes the state is %+v, want %d pages and token %d", m.writes, state, m.pages, len(m.leases))
	}
}

// tryWrite returns how many pages there are if it succeeds.
func (m *model) tryWrite(t *testing.T, kind step, l *store.Lease) (int64, error) {
	r := run(fmt.Sprint("write ", m.writes))
	switch kind {
	case finish:
		return m.pages + 1, m.store.Finish(t.Context(), l, pages(m.pages+1), r)
	case release:
		return m.pages, m.store.Release(t.Context(), l, r)
	}
	return m.pages + 1, m.store.Commit(t.Context(), l, pages(m.pages+1))
}
