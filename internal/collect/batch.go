package collect

import (
	"bytes"
	"iter"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// batch is what is to be delivered of a page, and where the page leads.
type batch struct {
	lines       []byte        // a newline after each; empty in one that was adopted
	entries     []store.Entry // one for each line
	first, last time.Time     // of the readable record times in lines
	reached     time.Time     // time of the page's last record, in Duo's order
	next        string        // offset of the next page, "" after the last
	fetched     int           // records in the page
	total       int           // total_objects, -1 if unknown
	duplicates  int
	late        int
	adopted     bool // an earlier attempt's object took its place
}

// add takes a record into the batch. A record without a readable time counts
// at the window's end.
func (b *batch) add(r record, c store.Cursor) {
	at := c.Window.To
	if !r.ts.IsZero() {
		at = r.at()
		b.span(r.ts)
	}
	if at.Before(c.Watermark) {
		b.late++
	}
	b.entries = append(b.entries, store.Entry{At: at, ID: r.id})
}

func (b *batch) span(ts time.Time) {
	if b.first.IsZero() {
		b.first = ts
	}
	b.first, b.last = earliest(b.first, ts), latest(b.last, ts)
}

// memory is the identities of the cursor's Seen, to look up. It is kept from
// page to page: made anew for each, every page would pay for the whole overlap.
type memory map[store.ID]struct{}

func remember(seen store.Seen) memory {
	m := make(memory, len(seen)+duo.PageSize)
	for _, e := range seen {
		m[e.ID] = struct{}{}
	}
	return m
}

// forget takes out what the next cursor's Seen has no longer of the last one's
// and of the batch.
func (m memory) forget(last store.Seen, b batch, next store.Seen) {
	gone := func(e store.Entry) bool { return len(next) == 0 || e.At.Before(next[0].At) }
	for _, e := range last {
		if !gone(e) {
			break
		}
		delete(m, e.ID)
	}
	for _, e := range b.entries {
		if gone(e) {
			delete(m, e.ID)
		}
	}
}

// pick returns what is to be delivered of a page: the records within the
// window that were not delivered before and that the shelf does not hold. It
// adds them to seen. The page's lines are used up: those that stay close up.
func pick(p page, c store.Cursor, seen memory, held *shelf) batch {
	b := batch{next: p.next, fetched: len(p.records), total: p.total, entries: make([]store.Entry, 0, len(p.records))}
	from, to := 0, 0 // of the record's line
	for _, r := range p.records {
		from, to = to, to+len(r.line)+1
		if !r.ts.IsZero() {
			b.reached = r.ts
		}
		_, known := seen[r.id]
		switch {
		case outside(r, c.Window):
		case known || held.has(r.id):
			b.duplicates++
		default:
			seen[r.id] = struct{}{}
			b.add(r, c)
			b.lines = keep(p.lines, len(b.lines), p.lines[from:to])
		}
	}
	return b
}

// keep returns the first n of all bytes and some of those that follow, which
// move to there.
func keep(all []byte, n int, some []byte) []byte {
	if len(some) > 0 && &all[n] != &some[0] {
		copy(all[n:], some)
	}
	return all[:n+len(some)]
}

// outside reports whether a record belongs to another window: the bounds asked
// for are a millisecond wider than the window.
func outside(r record, w store.Window) bool {
	return !r.ts.IsZero() && (r.ts.Before(lower(w)) || !r.ts.Before(w.To))
}

// adopt returns the batch that an object holds, in place of the one that was to
// be written under its name.
func adopt(o writer.Object, instead batch, c store.Cursor) batch {
	b := batch{next: o.Meta.Next, fetched: instead.fetched, total: -1, duplicates: instead.duplicates, adopted: true}
	for line := range lines(o.Data) {
		r := parseRecord(line)
		if !r.ts.IsZero() {
			b.reached = r.ts
		}
		b.add(r, c)
	}
	return b
}

// lines returns the lines of an object, without their newlines.
func lines(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(data) {
			if !yield(bytes.TrimSuffix(line, []byte("\n"))) {
				return
			}
		}
	}
}
