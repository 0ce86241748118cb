package collect

import (
	"bytes"
	"iter"
	"time"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// batch is what is to be delivered of a page, and where the page leads.
type batch struct {
	lines       bytes.Buffer
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
	b.lines.Write(r.line)
	b.lines.WriteByte('\n')
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

// pick returns what is to be delivered of a page: the records within the
// window that were not delivered before and that the shelf does not hold.
func pick(p page, c store.Cursor, held *shelf) batch {
	b := batch{next: p.next, fetched: len(p.records), total: p.total}
	seen := make(map[store.ID]bool, len(c.Seen)+len(p.records))
	for _, e := range c.Seen {
		seen[e.ID] = true
	}
	for _, r := range p.records {
		if !r.ts.IsZero() {
			b.reached = r.ts
		}
		switch {
		case outside(r, c.Window):
		case seen[r.id] || held.has(r.id):
			b.duplicates++
		default:
			seen[r.id] = true
			b.add(r, c)
		}
	}
	return b
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
