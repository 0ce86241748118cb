package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
)

const (
	day = 24 * time.Hour
	// overlap is how much of its neighbours a day is read with.
	overlap = 5 * time.Minute
	// maxStale is how many pages in a row may bring nothing new. A day begins
	// with what its neighbour showed, and Duo may give empty pages in between.
	maxStale = 20
)

// span is a range of times in milliseconds, both included, that Duo is asked
// for. Duo takes no span of one millisecond.
type span struct {
	min, max int64
	inside   bool // the range that is compared
}

func (s span) String() string {
	return time.UnixMilli(s.min).UTC().Format(time.RFC3339Nano) + " to " + time.UnixMilli(s.max).UTC().Format(time.RFC3339Nano)
}

// spans returns what Duo is asked for: the UTC days of the range, the newest
// first, each with some of its neighbours. The borders of the range come once
// more, from a millisecond outside, as a run may have got a record from there
// whose own time says nothing.
func (a *auditor) spans() []span {
	const day, overlap = int64(day / time.Millisecond), int64(overlap / time.Millisecond)
	last := max(a.to-1, a.from+1)
	var all []span
	for begin := last - last%day; begin+day > a.from; begin -= day {
		all = append(all, span{max(begin-overlap, a.from), min(begin+day+overlap, last), true})
	}
	return append(all, span{last, last + 1, false}, span{a.from - 1, a.from, false})
}

// read reads Duo's side.
func (a *auditor) read(ctx context.Context) error {
	for _, s := range a.spans() {
		if err := a.settle(ctx, s); err != nil {
			return err
		}
		a.reach(s.min)
	}
	return nil
}

// reach notes that the walk has come back to a time.
func (a *auditor) reach(at int64) { a.reached = max(a.from, min(a.reached, at)) }

// settle reads a span, and its halves again as long as there is a doubt whether
// Duo has shown all. Halves need neither offsets nor the records' own times, so
// they help whatever is wrong with those.
func (a *auditor) settle(ctx context.Context, s span) error {
	doubt, err := a.walk(ctx, s)
	if err != nil || doubt == "" {
		return err
	}
	if s.max-s.min == 1 {
		return fmt.Errorf("whether Duo has shown all records from %v is not known: %s; try again later, and if it stays ask Duo Support about paging of the log", s, doubt)
	}
	middle := s.min + (s.max-s.min)/2
	if err := a.settle(ctx, span{middle, s.max, s.inside}); err != nil {
		return err
	}
	return a.settle(ctx, span{s.min, middle, s.inside})
}

// walk reads a span's pages up to the last one, the newest first. It returns
// what leaves a doubt whether there are more records, "" if nothing does.
func (a *auditor) walk(ctx context.Context, s span) (doubt string, err error) {
	w := walk{total: -1}
	for {
		page, err := a.session.Page(ctx, duo.Query{Min: time.UnixMilli(s.min), Max: time.UnixMilli(s.max), Offset: w.offset, Newest: true})
		var refused *duo.Error
		if errors.As(err, &refused) && refused.OffsetRefused() {
			return "it refuses the offset that it gave", nil
		}
		if err != nil {
			return "", fmt.Errorf("reading Duo's log: %w", err)
		}
		a.largest = max(a.largest, len(page.Records))
		w.count(page, a.take(page, s))
		a.progress(collect.Progress{
			Stream: a.Live().String(), Records: a.report.Duo, From: a.report.To, To: a.report.From, At: time.UnixMilli(a.reached).UTC(),
		})
		if more, doubt := w.goOn(page, a.Log.Few, a.largest); !more {
			return doubt, nil
		}
	}
}

// take notes what Duo shows in a page. It returns how many records are new.
func (a *auditor) take(page duo.Page, s span) (fresh int) {
	for _, shown := range page.Records {
		r := record.Read(shown, a.Log, "")
		odd := r.At == 0 || r.At < s.min || r.At > s.max
		t, known := a.trails[r.ID]
		if !known {
			fresh++
			t.name = record.Name(r.Line, a.Log)
		}
		here := beside
		if odd && s.inside || !odd && a.from <= r.At && r.At < a.to {
			here = within
		}
		if here == within && t.duo != within {
			a.report.Duo++
		}
		a.trails[r.ID] = trail{at: r.At, name: t.name, sent: a.sum(r.Line), duo: max(t.duo, here), odd: odd || t.odd}
		if !odd {
			a.reach(r.At)
		}
	}
	return fresh
}

// walk is one through the pages of a span.
type walk struct {
	offset string // of the next page
	shown  int    // records so far
	total  int    // most that Duo counted, -1 if it did not
	stale  int    // pages in a row that brought nothing new
	again  bool   // an empty page was asked for twice
	last   string // the last record of the last page
}

// count notes a page. Some Duos begin a page with the last record of the one
// before: that is no more than one record.
func (w *walk) count(page duo.Page, fresh int) {
	w.total = max(w.total, page.Total)
	w.shown += len(page.Records)
	w.stale++
	if fresh > 0 {
		w.stale = 0
	}
	if len(page.Records) == 0 {
		return
	}
	if string(page.Records[0]) == w.last {
		w.shown--
	}
	w.last = string(page.Records[len(page.Records)-1])
}

// goOn reports whether another page is to be asked for, and if not, what leaves
// a doubt whether this was the last one. An offset is always followed. That a
// page has none says that it is the last one, unless a limit on its size, which is
// no less than few, may have cut it off, or Duo has counted more. What Duo counts can tell that there is
// more, never that there is not.
func (w *walk) goOn(page duo.Page, few, largest int) (more bool, doubt string) {
	next := page.Next
	switch {
	case next != "" && next == w.offset && len(page.Records) == 0 && !w.again:
		w.again = true // it says nothing: ask once more
		return true, ""
	case next != "" && next == w.offset && len(page.Records) == 0:
		next = "" // twice nothing, and nowhere to go
	case next != "" && next == w.offset:
		return false, "its offset leads nowhere"
	case next != "" && w.stale > maxStale:
		return false, "its offsets lead on and on, to nothing new"
	}
	if next != "" {
		w.offset, w.again = next, false
		return true, ""
	}
	if n := len(page.Records); n >= few && n >= largest {
		return false, fmt.Sprintf("a page of %d records is as long as any, and no offset follows it", n)
	}
	if w.total > w.shown {
		return false, fmt.Sprintf("it counts %d records and shows %d", w.total, w.shown)
	}
	return false, ""
}
