package collect

import (
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
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
	marks  []store.ID // by what the line of each is recognised
	latest int64      // of the record times in the window, 0 if there are none
	anchor int64      // from when on the walk could go on without an offset, 0 if that is not later
	shown  int        // records that no earlier page of this walk has shown
	twice  int        // of these, listed on this page before
	found  int        // of these, that no earlier walk of this round has shown

	window  store.Window // after the page, closed after the last one
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

// in reports whether a record time lies in the window. A record without a readable
// time, or with one that lies elsewhere, is delivered too, and stays in Seen as if
// it were of the window's end: Duo showed it for this window, and may index it
// under another time than it tells.
func in(w store.Window, at int64) bool {
	return at != 0 && w.From.UnixMilli() <= at && at < w.To.UnixMilli()
}

// isNeighbour reports whether a record belongs to a neighbouring window: a query asks
// for a millisecond more than the window at either end.
func isNeighbour(w store.Window, at int64) bool {
	return at != 0 && (at == w.From.UnixMilli()-1 || at == w.To.UnixMilli())
}
