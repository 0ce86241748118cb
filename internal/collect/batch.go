package collect

import (
	"bytes"
	"iter"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// batch is what is to be delivered of a page, and where the page leads.
type batch struct {
	lines       []byte        // a newline after each; empty in one that was adopted
	entries     []store.Entry // one for each line
	first, last int64         // of the readable record times in lines, 0 if there are none
	reached     int64         // time of the page's last record, in Duo's order; likewise
	next        string        // offset of the next page, "" after the last
	fetched     int           // records in the page
	total       int           // total_objects, -1 if unknown
	duplicates  int
	late        int
	adopted     bool // an earlier attempt's object took its place
}

// add takes a record into the batch. A record without a readable time counts
// at the window's end.
func (b *batch) add(r record, c *store.Cursor) {
	at := r.at
	if at == 0 {
		at = c.Window.To.UnixMilli()
	} else {
		b.span(at)
	}
	if at < c.Watermark.UnixMilli() {
		b.late++
	}
	b.entries = append(b.entries, store.Entry{At: at, ID: r.id})
}

func (b *batch) span(at int64) {
	if b.first == 0 {
		b.first, b.last = at, at
	}
	b.first, b.last = min(b.first, at), max(b.last, at)
}

// memory is the identities of the cursor's Seen, to look up. It is kept from
// page to page: made anew for each, every page would pay for the whole overlap.
type memory map[store.ID]struct{}

func remember(seen store.Seen) memory {
	m := make(memory, seen.Len()+duo.PageSize)
	for _, p := range seen {
		for _, e := range p.Entries {
			m[e.ID] = struct{}{}
		}
	}
	return m
}

// add reports whether the identity is new.
func (m memory) add(id store.ID) bool {
	n := len(m)
	m[id] = struct{}{} // and not looked up before: that would cost as much again
	return len(m) > n
}

// forget takes out what the next cursor remembers no longer of the last one's
// and of the batch: all from before its reach, but for what is in parts that
// stay.
func (m memory) forget(last store.Seen, b batch, next store.Cursor) {
	reach := next.Reach.UnixMilli()
	forget := func(entries []store.Entry) {
		for _, e := range entries {
			if e.At < reach {
				delete(m, e.ID)
			}
		}
	}
	for _, p := range last {
		if !next.Seen.Has(p) {
			forget(p.Entries)
		}
	}
	forget(b.entries)
}

// pick returns what is to be delivered of a page: the records within the
// window that were not delivered before and that the shelf does not hold. It
// adds them to seen. The page's lines are used up: those that stay close up.
func pick(p page, c store.Cursor, seen memory, held *shelf) batch {
	all, lines := p.records.all, p.records.lines
	b := batch{next: p.next, fetched: len(all), total: p.total, entries: make([]store.Entry, 0, len(all))}
	window := boundsOf(c.Window)
	from, to := 0, 0 // of the record's line
	for _, r := range all {
		from, to = to, to+len(r.line)+1
		if r.at != 0 {
			b.reached = r.at
		}
		switch {
		case window.exclude(r):
		case held.has(r.id) || !seen.add(r.id):
			b.duplicates++
		default:
			b.add(r, &c)
			b.lines = keep(lines, len(b.lines), lines[from:to])
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

// bounds is a window's, in milliseconds: from ≤ record time < to.
type bounds struct{ from, to int64 }

func boundsOf(w store.Window) bounds { return bounds{lower(w).UnixMilli(), w.To.UnixMilli()} }

// exclude reports whether a record belongs to another window: the bounds asked
// for are a millisecond wider than the window.
func (w bounds) exclude(r record) bool { return r.at != 0 && (r.at < w.from || r.at >= w.to) }

// adopt returns the batch that an object holds, in place of the one that was to
// be written under its name.
func adopt(o writer.Object, instead batch, c store.Cursor) batch {
	b := batch{next: o.Meta.Next, fetched: instead.fetched, total: -1, duplicates: instead.duplicates, adopted: true}
	for line := range lines(o.Data) {
		r := parseRecord(line)
		if r.at != 0 {
			b.reached = r.at
		}
		b.add(r, &c)
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
