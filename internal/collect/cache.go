package collect

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// cache is what a run keeps in memory from page to page. None of it is stored:
// the next run makes it anew from the cursor, Duo and the bucket.
type cache struct {
	config        Config
	seen          map[store.ID]int // of the page and those it is compared with, which page showed each, see mark
	places        []place          // of those in Seen
	walk          walk
	index         *index // of what the bucket held when it was listed, nil where that is not asked for
	lines         []byte // of the batch
	redoPage      bool   // the page in hand is to be delivered again: a part of it was
	maybeLeftover bool   // another run may have begun the window in progress
}

// selectNew returns what is to be delivered of a page: the records that were not
// delivered before and that the bucket does not hold.
func (m *cache) selectNew(p page, c store.Cursor) batch {
	m.walk, m.redoPage = m.walk.at(c.Window), false
	if m.seen == nil {
		m.seen = map[store.ID]int{}
	}
	clear(m.seen)
	m.places = m.places[:0]
	m.lookUp(p.records, c.Seen)
	maps.DeleteFunc(m.walk.dropped, func(_ store.ID, page int) bool { return max(page, -page) < m.walk.page-1 })
	n := len(p.records)
	b := batch{lines: m.lines[:0], ids: make([]store.ID, 0, n), marks: make([]store.ID, 0, n)}
	times := make([]int64, 0, n)
	for _, r := range p.records {
		if isNeighbour(c.Window, r.At) {
			m.walk.mark(m.walk.neighbours, r.ID, r.At, false, &b)
			continue
		}
		if in(c.Window, r.At) {
			times = append(times, r.At)
		}
		id, known := m.find(r)
		if !known && dropped(c, r) && m.index.has(r.Written) {
			m.walk.mark(m.walk.dropped, id, r.At, false, &b)
			b.duplicates++
			continue
		}
		m.walk.mark(m.seen, id, r.At, !known, &b)
		if known {
			b.duplicates++
			continue
		}
		b.ids, b.marks = append(b.ids, id), append(b.marks, r.Written)
		if m.index.has(r.Written) {
			b.duplicates++
			continue
		}
		b.add(r, &c)
	}
	b.anchor = anchorAfter(times, c.Window.Anchor)
	if len(times) > 0 {
		b.latest = slices.Max(times)
	}
	m.lines = b.lines
	return b
}

// find returns under which identity a record is in Seen, or is to be, and reports
// whether it is there. One that was adopted before Duo showed it is there as it is
// written.
func (m *cache) find(r record.Record) (id store.ID, known bool) {
	if _, known = m.seen[r.ID]; known || r.Written == r.ID {
		return r.ID, known
	}
	if _, known = m.seen[r.Written]; known {
		return r.Written, true
	}
	return r.ID, false
}

// adopt returns the batch that an object holds, in place of the one that was to be
// written under its name. Where it lacks records of that one, the walk stays, and the
// page is chosen from once more: they are the next object's, or the bucket holds them.
func (m *cache) adopt(o writer.Object, instead batch, c store.Cursor) batch {
	b := batch{duplicates: instead.duplicates, latest: instead.latest}
	lacks := map[store.ID][]store.ID{} // of the batch, by what their lines are recognised
	for i, mark := range instead.marks {
		lacks[mark] = append(lacks[mark], instead.ids[i])
	}
	var records []record.Record
	for line := range bytes.Lines(o.Data) {
		records = append(records, m.config.ReadLine(line))
	}
	m.lookUp(records, c.Seen)
	for _, r := range records {
		b.add(r, &c)
		if in(c.Window, r.At) {
			b.latest = max(b.latest, r.At)
		}
		id, known := m.find(r)
		if same := lacks[r.Written]; len(same) > 0 {
			id, known, lacks[r.Written] = same[0], false, same[1:]
			if len(same) == 1 {
				delete(lacks, r.Written)
			}
		} else if !known {
			id = r.Written // from another of Duo's pages, where its number need not be hidden
		}
		if !known {
			b.ids = append(b.ids, id)
			if _, shown := m.seen[id]; !shown { // by the page in hand
				m.seen[id] = 0
			}
		}
	}
	if m.redoPage = len(lacks) > 0; m.redoPage {
		b.window = c.Window
		b.window.Page++
		b.window.Fresh += b.records
		return b
	}
	b.anchor, b.shown, b.twice, b.found, b.window, b.gap, b.failure = instead.anchor, instead.shown, instead.twice, instead.found, instead.window, instead.gap, instead.failure
	return b
}

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
		m.walk.shown = make([]int32, n)
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
	m.seen[p.id] = int(m.walk.shown[p.at])
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
		m.walk.shown[p.at] = int32(m.seen[p.id])
	}
	for _, id := range b.ids {
		m.walk.shown = append(m.walk.shown, int32(m.seen[id]))
	}
	m.walk.shown = m.walk.shown[max(0, len(m.walk.shown)-next.Len()):]
	if b.window.Offset == "" { // the next walk also looks for what this one has written
		m.index = nil
	}
	m.maybeLeftover = m.maybeLeftover && b.window.Open()
}
