package collect

import (
	"slices"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// cache is what a run keeps in memory from page to page. None of it is stored:
// the next run makes it anew from the cursor, Duo and the bucket.
type cache struct {
	config        Config
	seen          map[store.ID]int // of the page and those it is compared with, which page of the walk was the first to show each
	places        []place          // of those in Seen
	walk          walk
	index         *index // of what the bucket holds, nil where that is not asked for
	lines         []byte // of the batch
	redoPage      bool   // the page in hand is to be delivered again: a part of it was
	maybeLeftover bool   // another run may have begun the window in progress
}

// selectNew returns what is to be delivered of a page: all records that were not
// delivered before and that the bucket does not hold. The cursor's window is
// where the walk is.
func (m *cache) selectNew(p page, c store.Cursor) batch {
	m.walk, m.redoPage = m.walk.at(c.Window), false
	if m.seen == nil {
		m.seen = map[store.ID]int{}
	}
	clear(m.seen)
	m.places = m.places[:0]
	m.lookUp(p.records, c.Seen)
	b := batch{lines: m.lines[:0], ids: make([]store.ID, 0, len(p.records))}
	times := make([]int64, 0, len(p.records))
	for _, r := range p.records {
		if isNeighbour(c.Window, r.At) {
			m.walk.mark(m.walk.neighbours, r.ID, false, &b)
			continue
		}
		if in(c.Window, r.At) {
			times = append(times, r.At)
		}
		id, known := m.find(r)
		m.walk.mark(m.seen, id, !known, &b)
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

// adopt returns the batch that an object holds, in place of the one that was to
// be written under its name. Where the object lacks records of that one, the
// walk stays where it is, and the page is chosen from once more: they are the next
// object's, or go into Seen because the bucket holds them elsewhere.
func (m *cache) adopt(o writer.Object, instead batch, c store.Cursor) batch {
	b := batch{duplicates: instead.duplicates, latest: instead.latest}
	lacks := map[store.ID][]store.ID{} // of the batch, by what their lines are recognised
	for i, mark := range instead.marks {
		lacks[mark] = append(lacks[mark], instead.ids[i])
	}
	var records []record.Record
	for line := range lines(o.Data) {
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
			id = r.Written // of another page of Duo's, where its number need not be hidden
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
	b.anchor, b.shown, b.twice, b.window, b.gap, b.failure = instead.anchor, instead.shown, instead.twice, instead.window, instead.gap, instead.failure
	return b
}
