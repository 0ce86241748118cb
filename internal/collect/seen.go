package collect

import (
	"encoding/binary"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

// sieve lets an identity pass if a wanted one begins with the same two bytes. They
// are hashes: where a page's are wanted, one in 65 of the others passes.
type sieve [1 << 16 / 64]uint64

func (s *sieve) add(id store.ID) {
	head := binary.LittleEndian.Uint16(id[:])
	s[head/64] |= 1 << (head % 64)
}

func (s *sieve) passes(id *store.ID) bool {
	head := binary.LittleEndian.Uint16(id[:])
	return s[head/64]&(1<<(head%64)) != 0
}

// place is where in Seen an identity is, in the order of all parts.
type place struct {
	id store.ID
	at int
}

// lookUp finds in seen, which is the cursor's, what identifies the records. It
// goes through all of seen for each page, a tenth of a millisecond for 40,000
// identities: a map of them that is kept from page to page takes more time to
// change, and 1.7 MB or twice that.
func (m *cache) lookUp(records []record.Record, seen store.Seen) {
	if n := seen.Len(); len(m.walk.shown) != n { // the walk begins
		m.walk.shown = make([]bool, n)
	}
	var wanted sieve
	for _, r := range records {
		wanted.add(r.ID)
		wanted.add(r.Written)
	}
	at := 0
	for _, p := range seen {
		for i := range p.IDs {
			if wanted.passes(&p.IDs[i]) {
				m.found(place{p.IDs[i], at + i})
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
