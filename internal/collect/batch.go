package collect

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// batch is what is to be delivered of a page, and where the page leads.
type batch struct {
	lines       []byte // a newline after each
	records     int    // in lines
	first, last int64  // of the readable record times in lines, 0 if there are none
	untimed     int    // records in lines without a readable time
	duplicates  int
	late        int

	ids    []store.ID // that are in the bucket once the batch is written
	latest int64      // of the record times in the window, 0 if there are none
	passed int64      // how far the page brings the walk
	shown  int        // records that no earlier page of this walk has shown
	known  int        // records that were delivered before

	window  store.Window // after the page, closed after the last one
	rest    bool         // a part of the page is still to be delivered
	gap     *store.Gap   // what Duo counted and did not show
	failure error        // in place of a window: there is no way on
}

// add takes a record into the batch.
func (b *batch) add(r record.Record, c *store.Cursor) {
	switch {
	case r.At == 0:
		b.untimed++
	case b.first == 0:
		b.first, b.last = r.At, r.At
	default:
		b.first, b.last = min(b.first, r.At), max(b.last, r.At)
	}
	if in(c.Window, r.At) && r.At < c.Watermark.UnixMilli() {
		b.late++
	}
	b.lines = append(append(b.lines, r.Line...), '\n')
	b.records++
}

// in reports whether a record time lies in the window. One that is unreadable or
// lies elsewhere counts at the window's end: Duo showed the record for it, and
// may know another time of it than it tells.
func in(w store.Window, at int64) bool {
	return at != 0 && w.From.UnixMilli() <= at && at < w.To.UnixMilli()
}

// borders reports whether a record belongs to another window: what is asked for
// is wider than the window by the milliseconds at its borders.
func borders(w store.Window, at int64) bool {
	return at != 0 && (at == w.From.UnixMilli()-1 || at == w.To.UnixMilli())
}

// memory is the identities of the cursor's Seen, each with the number of the
// page that last showed it. It is kept from page to page: made anew for each,
// every page would pay for the whole overlap.
type memory map[store.ID]int

// remember returns the memory of seen, with room for a page.
func remember(seen store.Seen, page int) memory {
	m := make(memory, seen.Len()+page)
	for _, p := range seen {
		for _, id := range p.IDs {
			m[id] = 0
		}
	}
	return m
}

// follow takes out what the next Seen has no more of the last one. What it has
// more was taken in when it was picked or adopted.
func (m memory) follow(last, next store.Seen) {
	gone := last.Without(next)
	if len(gone) == 0 {
		return
	}
	stay := map[store.ID]bool{}
	if end := len(last) - 1; gone[len(gone)-1].Number == last[end].Number { // it may go on in a new part
		for _, p := range next.Without(last) {
			for _, id := range p.IDs {
				stay[id] = true
			}
		}
	}
	for _, p := range gone {
		for _, id := range p.IDs {
			if !stay[id] {
				delete(m, id)
			}
		}
	}
}

// pick returns what is to be delivered of a page: all records that were not
// delivered before and that the shelf does not hold. It adds them to seen, and
// its lines to the buffer.
func pick(p page, c store.Cursor, k walk, seen memory, held *shelf, buffer []byte) batch {
	all := p.records
	b := batch{lines: buffer[:0], ids: make([]store.ID, 0, len(all))}
	times := make([]int64, 0, len(all))
	for _, r := range all {
		if borders(c.Window, r.At) {
			if !k.earlier(k.borders[r.ID]) {
				b.shown++
			}
			k.borders[r.ID] = k.page
			continue
		}
		if in(c.Window, r.At) {
			times = append(times, r.At)
		}
		page, known := seen[r.ID]
		seen[r.ID] = k.page
		if !k.earlier(page) {
			b.shown++
		}
		switch {
		case known:
			b.known++
			b.duplicates++
		case held.has(r.ID):
			b.known++
			b.duplicates++
			b.ids = append(b.ids, r.ID)
		default:
			b.add(r, &c)
			b.ids = append(b.ids, r.ID)
		}
	}
	b.passed = passed(times, c.Window.Anchor)
	if len(times) > 0 {
		b.latest = slices.Max(times)
	}
	return b
}

// adopt returns the batch that an object holds, in place of the one that was to
// be written under its name. Where the object lacks records of that one, the
// walk stays where it is: they are the next object's.
func adopt(log duo.Log, o writer.Object, instead batch, c store.Cursor, seen memory) batch {
	b := batch{duplicates: instead.duplicates, latest: instead.latest}
	lacks := map[store.ID]bool{}
	for _, id := range instead.ids {
		lacks[id] = true
	}
	for line := range lines(o.Data) {
		r := record.Read(line, log, "")
		b.add(r, &c)
		if in(c.Window, r.At) {
			b.latest = max(b.latest, r.At)
		}
		if _, known := seen[r.ID]; !known || lacks[r.ID] {
			b.ids = append(b.ids, r.ID)
			seen[r.ID], lacks[r.ID] = 0, false
		}
	}
	for _, id := range instead.ids {
		if lacks[id] {
			b.window = c.Window
			b.window.Page++
			b.window.Fresh += b.records
			b.rest = true
			return b
		}
	}
	b.passed, b.shown, b.window, b.gap, b.failure = instead.passed, instead.shown, instead.window, instead.gap, instead.failure
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

// advance returns the cursor after a batch: what was seen, where the walk goes
// on and, after the last page, the new watermark.
func advance(c store.Cursor, b batch, overlap time.Duration) store.Cursor {
	to := c.Window.To
	c.NotBefore = time.Time{} // Duo has answered
	c.Totals.Pages++
	c.Totals.Records += int64(b.records)
	if b.records > 0 {
		c.Totals.Objects++
	}
	c.Seen = c.Seen.With(b.ids, to.UnixMilli(), b.latest)
	c.Window = b.window
	if b.gap != nil {
		c.Gap = b.gap
	}
	if !c.Window.Open() {
		c.Watermark, c.Reach = to, latest(c.Reach, to.Add(-overlap))
		c.Seen = c.Seen.Since(c.Reach.Add(-slack).UnixMilli())
		if !c.Recheck.After(to) {
			c.Recheck = time.Time{} // Seen has what the bucket was asked for
		}
	}
	var since int64
	var dropped bool
	if c.Seen, since, dropped = c.Seen.Bounded(maxSeen); dropped {
		c.Reach = latest(c.Reach, time.UnixMilli(since).UTC())
	}
	return c
}
