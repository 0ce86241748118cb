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
	// overlap is how much of its neighbours is read with each day.
	overlap = 5 * time.Minute
	// maxStale is how many pages in a row may show nothing new. A day begins with
	// records of its neighbour, and Duo may send empty pages in between.
	maxStale = 20
)

// span is a range of milliseconds, both ends included. Duo refuses one of a single one.
type span struct {
	min, max int64
	inside   bool // the range being compared
}

func (s span) String() string {
	return time.UnixMilli(s.min).UTC().Format(time.RFC3339Nano) + " to " + time.UnixMilli(s.max).UTC().Format(time.RFC3339Nano)
}

// spans returns what to ask Duo for: the UTC days of the range, newest first, each with
// some of its neighbours, and the borders of the range with a millisecond outside: a run
// may have got a record without a readable time from there.
func (a *auditor) spans() []span {
	const day, overlap = int64(day / time.Millisecond), int64(overlap / time.Millisecond)
	last := max(a.to-1, a.from+1)
	var all []span
	for begin := last - last%day; begin+day > a.from; begin -= day {
		all = append(all, span{max(begin-overlap, a.from), min(begin+day+overlap, last), true})
	}
	return append(all, span{last, last + 1, false}, span{a.from - 1, a.from, false})
}

// read reads Duo.
func (a *auditor) read(ctx context.Context) error {
	for _, s := range a.spans() {
		if err := a.settle(ctx, s); err != nil {
			return err
		}
		a.passed(s.min)
	}
	return nil
}

// passed notes how far back the walk has come.
func (a *auditor) passed(at int64) { a.reached = max(a.from, min(a.reached, at)) }

// settle reads a span. While it is in doubt whether Duo has shown everything, it reads
// the halves: that helps whatever is wrong with offsets or with the records' own times.
func (a *auditor) settle(ctx context.Context, s span) error {
	doubt, err := a.walk(ctx, s)
	if err != nil || doubt == "" {
		return err
	}
	if s.max-s.min == 1 {
		return fmt.Errorf("it is unknown whether Duo has shown all records from %v: %s; try again later, and if this lasts ask Duo Support about paging of the log", s, doubt)
	}
	middle := s.min + (s.max-s.min)/2
	if err := a.settle(ctx, span{middle, s.max, s.inside}); err != nil {
		return err
	}
	return a.settle(ctx, span{s.min, middle, s.inside})
}

// walk reads a span, newest first. It returns why there may be more, "" if there is not.
func (a *auditor) walk(ctx context.Context, s span) (doubt string, err error) {
	w := walk{total: -1}
	for {
		page, err := a.session.Page(ctx, duo.Query{Min: time.UnixMilli(s.min), Max: time.UnixMilli(s.max), Offset: w.offset, Newest: true})
		if refused, ok := errors.AsType[*duo.Error](err); ok && refused.OffsetRefused() {
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

// take notes the records of a page, and returns how many are new.
func (a *auditor) take(page duo.Page, s span) (fresh int) {
	for _, shown := range page.Records {
		r := a.ReadLine(shown)
		r.ID = record.Read(shown, *a.Log, "").ID // also where a number in the line is hidden
		odd := r.At == 0 || r.At < s.min || r.At > s.max
		t, known := a.trails[r.Written]
		alike := known && t.id != r.ID && !a.alike[r.ID]
		switch {
		case !known:
			fresh++
			t.id, t.name = r.ID, record.Name(r.Line, *a.Log)
		case alike:
			fresh++
			a.alike[r.ID] = true
			t.others++
		}
		here := beside
		if odd && s.inside || !odd && a.from <= r.At && r.At < a.to {
			here = within
		}
		if here == within && (alike || t.shown != within) {
			a.report.Duo++
		}
		a.trails[r.Written] = trail{id: t.id, others: t.others, at: r.At, name: t.name, sent: a.sum(r.Line), shown: max(t.shown, here), odd: odd || t.odd}
		if !odd {
			a.passed(r.At)
		}
	}
	return fresh
}

// walk is a walk through the pages of a span.
type walk struct {
	offset string // of the next page
	shown  int    // records so far
	total  int    // the most that Duo counted, -1 if it did not
	stale  int    // pages in a row with nothing new
	again  bool   // an empty page was asked for twice
	last   string // the last record of the last page that had any
}

// count counts a page's records, except the last one of the page before at its start.
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

// goOn reports whether to ask for another page, and if not, why this may not have
// been the last one. An offset is always followed. A page without one is the last,
// unless a limit on its size, which is at least few, may have cut it off or Duo has
// counted more. Duo's count can prove that there is more, never that there is not.
func (w *walk) goOn(page duo.Page, few, largest int) (more bool, doubt string) {
	switch same := page.Next == w.offset; {
	case page.Next == "":
	case same && len(page.Records) > 0:
		return false, "its offset leads nowhere"
	case same && !w.again:
		w.again = true // an empty page proves nothing: ask once more
		return true, ""
	case same: // empty twice: this is the end
	case w.stale > maxStale:
		return false, "its offsets go on without showing anything new"
	default:
		w.offset, w.again = page.Next, false
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
