package collect

import (
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

// place is where in Seen an identity is, in the order of all parts.
type place struct {
	id store.ID
	at int
}

// lookUp finds in seen, which is the cursor's, what identifies the records. It goes
// through all of seen for each page, half a millisecond for 40,000 identities: a map
// of them that is kept from page to page has 1.7 MB, or twice that.
func (m *cache) lookUp(records []record.Record, seen store.Seen) {
	if n := seen.Len(); len(m.walk.shown) != n { // the walk begins
		m.walk.shown = make([]bool, n)
	}
	wanted := make(map[store.ID]bool, 2*len(records))
	for _, r := range records {
		wanted[r.ID], wanted[r.Written] = true, true
	}
	at := 0
	for _, p := range seen {
		for i, id := range p.IDs {
			if wanted[id] {
				m.found(place{id, at + i})
			}
		}
		at += len(p.IDs)
	}
}

// found puts an identity of Seen among those that the page is compared with.
func (m *cache) found(p place) {
	if _, there := m.seen[p.id]; there { // looked up before
		return
	}
	m.seen[p.id] = 0
	if m.walk.shown[p.at] {
		m.seen[p.id] = m.walk.first
	}
	m.places = append(m.places, p)
}

// follow brings what the walk has shown to the next committed Seen. While a walk
// lasts, Seen gets what a batch has at its end and loses some at its beginning.
func (m *cache) follow(next store.Seen, b batch) {
	if m.redoPage { // what the object lacks was chosen in vain, and counted
		m.walk = walk{page: m.walk.page, to: m.walk.to, largest: m.walk.largest}
		return
	}
	for _, p := range m.places {
		m.walk.shown[p.at] = m.seen[p.id] > 0
	}
	for _, id := range b.ids {
		m.walk.shown = append(m.walk.shown, m.seen[id] > 0)
	}
	m.walk.shown = m.walk.shown[max(0, len(m.walk.shown)-next.Len()):]
	if !b.window.Open() {
		m.index, m.maybeLeftover = nil, false
	}
}
