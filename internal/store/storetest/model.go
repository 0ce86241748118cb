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

func (m *model) next(t *testing.T, random *rand.Rand) {
	t.Helper()
	events := []string{"force", "acquire", "expire", "commit", "finish", "release"}
	switch event := events[random.IntN(len(events))]; {
	case event == "force", event == "acquire", len(m.leases) == 0:
		m.acquire(t, event == "force")
	case event == "expire":
		if m.holder != nil {
			age(t, m.backend, ttl)
			m.expired = true
		}
	default:
		latest := m.leases[max(0, len(m.leases)-3):]
		m.write(t, event, latest[random.IntN(len(latest))])
	}
}

func (m *model) acquire(t *testing.T, forced bool) {
	t.Helper()
	c := claim(fmt.Sprint("run ", len(m.leases)+1))
	c.Force = forced
	if m.holder != nil && !m.expired && !forced {
		wantRefused(t, "acquiring what is held", m.store, c, store.ErrHeld)
		return
	}
	lease, cursor := acquire(t, m.store, c)
	m.leases = append(m.leases, lease)
	wantSame(t, "token", int64(len(m.leases)), lease.Token)
	wantSame(t, "pages", m.pages, cursor.Totals.Pages)
	m.holder, m.expired = lease, false
}

// write commits, finishes or releases, under the current or an earlier lease.
func (m *model) write(t *testing.T, op string, l *store.Lease) {
	t.Helper()
	m.writes++
	r, same := run(fmt.Sprint("write ", m.writes)), unchanged(t, m.backend)
	after := m.pages + 1
	var err error
	switch op {
	case "commit":
		err = m.store.Commit(t.Context(), l, pages(after))
	case "finish":
		err = m.store.Finish(t.Context(), l, pages(after), r)
	default:
		after, err = m.pages, m.store.Release(t.Context(), l, r)
	}
	if l != m.holder {
		wantError(t, "writing without the lease", err, store.ErrLost)
		same("writing without the lease")
		return
	}
	mustDo(t, err)
	m.pages, m.expired = after, false // the write undid age's edit
	if op != "commit" {
		m.holder = nil
	}
	state := load(t, m.store, stream)
	wantSame(t, "stored pages", m.pages, state.Cursor.Totals.Pages)
	wantSame(t, "stored as free", m.holder == nil, state.Lease.Holder == "")
	wantSame(t, "stored token", int64(len(m.leases)), state.Lease.Token)
}
