package collect

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// maxIdle is how many pages in a row may show nothing new. Duo may look for
// records in parts of its index that have none.
const maxIdle = 64

var (
	errStuck    = errors.New("paging is stuck: for a second time Duo's answers lead no further than this place; the next run tries again; if it stays, ask Duo Support about next_offset")
	errUnproven = errors.New("paging can't go on: Duo no longer shows records that it showed before, so others could be passed by; the next run tries again; if it stays, ask Duo Support about next_offset")
)

// walk is one pass through the pages of a window, from its start, from an anchor where
// an offset led nowhere, or again where Duo counted more records than it showed. The
// walks from the window's start to its end are a round.
type walk struct {
	page       int // number of the latest page, in the run; 0 is none
	first      int // that of the walk's first one
	round      int // that of the round's
	anchor     time.Time
	to         time.Time
	again      bool
	whole, all bool             // this run has seen all of the walk so far, and of the round
	reached    int64            // record time up to which other runs may have shown some of it
	largest    int              // most records in a page before the latest one
	neighbours map[store.ID]int // records of the neighbouring windows, and the page that showed each
	dropped    map[store.ID]int // of this page and the one before, those that the bucket has and Seen no longer
	last       store.ID         // last record of the page before the latest one
	shown      []int32          // of each identity in Seen, in its order, which page of the round has shown it
}

// at returns the walk that the window is in, before its next page.
func (k walk) at(w store.Window) walk {
	if k.first > 0 && w.Offset != "" && k.anchor.Equal(w.Anchor) && k.to.Equal(w.To) && k.again == w.Again {
		k.page++
		return k
	}
	next := walk{
		page: k.page + 1, first: k.page + 1, round: k.page + 1, anchor: w.Anchor, to: w.To, again: w.Again,
		whole: w.Offset == "", all: beginsRound(w), reached: resumedAt(w), neighbours: map[store.ID]int{}, dropped: map[store.ID]int{},
	}
	if k.to.Equal(w.To) {
		next.largest = k.largest
		if k.first > 0 && !beginsRound(w) {
			next.round, next.all, next.reached, next.shown, next.neighbours = k.round, k.all, k.reached, k.shown, k.neighbours
		}
	}
	return next
}

// resumedAt returns up to which record time a walk that goes on in another run may have
// shown records: that of its offset, if it tells one. A known record from before may
// have been counted. It is not counted again: too few make the window be walked once
// more, too many would hide a record that Duo has yet to show. In that second walk it
// is: too few would be a gap that is none.
func resumedAt(w store.Window) int64 {
	if w.Again {
		return math.MinInt64
	}
	if at, known := offsetTime(w.Offset); known {
		return at.UnixMilli()
	}
	return math.MaxInt64
}

// beginsRound reports whether no page of a round has been counted.
func beginsRound(w store.Window) bool { return w.Offset == "" && w.Counted == 0 && w.Found == 0 }

// mark counts a record that the latest page shows, unless an earlier page of the
// walk has: pages may overlap. Whether Duo counts one that a page lists twice
// once or twice is not known, so that is counted by itself. In pages a page's number
// is negative where the round had shown the record before: it counts for the walk alone.
func (k walk) mark(pages map[store.ID]int, id store.ID, at int64, isNew bool, b *batch) {
	last := max(pages[id], -pages[id])
	first := isNew || at > k.reached
	if k.first <= last && last < k.page || !k.whole && !first && last != k.page {
		return
	}
	b.shown++
	switch {
	case last == k.page:
		b.twice++
	case last >= k.round || !k.all && !first:
		pages[id] = -k.page
	default:
		pages[id] = k.page
	}
	if pages[id] > 0 {
		b.found++
	}
}

// note keeps what the next page is compared with.
func (k *walk) note(p page) {
	k.largest = max(k.largest, len(p.records))
	if n := len(p.records); n > 0 {
		k.last = p.records[n-1].ID
	}
}

// step returns the window after a page, closed if that page was the last one. No
// other code concludes from an answer that there is no more; docs/design.md has
// the reasons as a table. The window given has the page counted already.
func step(log duo.Log, w store.Window, k walk, p page) (store.Window, error) {
	var (
		n       = len(p.records)
		most    = limit(log, w)
		full    = n >= most || n >= log.Few && n >= k.largest
		counted = k.whole && (n > 0 || !w.Prove) && p.total == w.Shown-w.Twice && p.total >= n
		more    = k.whole && p.total > w.Shown
		// Without an order no later part of the window can be asked for by itself:
		// the same again is all that a second look at a page can show.
		nothing = !w.Anchor.IsZero() && w.Fresh == 0 && (!full || !log.Ordered && n < most)
		same    = p.next != "" && p.next == w.Offset
		repeats = n == 1 && p.records[0].ID == k.last                         // where an offset leads to its own record
		reached = w.Idle > 0 && k.whole && p.total == w.Shown && p.total >= n // and this page shows nothing new
	)
	switch {
	case p.next == "" && (counted || !full && !more):
		return store.Window{}, nil
	case p.next != "" && counted && n < most:
		return store.Window{}, nil
	case same && (n == 0 || repeats || reached):
		return store.Window{}, nil
	case p.next != "" && w.Idle < maxIdle && leads(w, p.next):
		w.Offset, w.Prove = p.next, w.Prove && n == 0
		return w, nil
	case nothing && p.next == "": // asked once more, Duo shows nothing new
		return store.Window{}, nil
	}
	return reanchor(log, w, p.next, n >= most)
}

// limit is the most records that a page of the window is asked for.
func limit(log duo.Log, w store.Window) int {
	if w.Less {
		return log.Limit - 1
	}
	return log.Limit
}

// leads reports whether an offset leads further than the one before. Duo's are
// "milliseconds,id" of a record. In another form only a repetition is recognized.
func leads(w store.Window, next string) bool {
	if next == w.Offset || next == w.Refused {
		return false
	}
	from, known := offsetTime(w.Offset)
	to, ok := offsetTime(next)
	return !known || !ok || !to.Before(from)
}

func offsetTime(offset string) (time.Time, bool) {
	ms, _, ok := strings.Cut(offset, ",")
	n, err := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n).UTC(), ok && err == nil
}

// reanchor continues the walk without an offset: there was none, or refused is one
// that leads nowhere. The walk continues from a time that it has reached; records
// that this shows again are in Seen.
//
// In a log without an order that time is the start. Such a walk advances as long
// as it shows something new. If its last page was full, the window is walked with
// one record less a page: a page that was full by chance is not full then.
func reanchor(log duo.Log, w store.Window, refused string, full bool) (store.Window, error) {
	at := latest(lower(w), w.Last)
	less := !log.Ordered && full && !w.Less
	on := at.After(w.Anchor) || less || !log.Ordered && w.Fresh > 0
	if !w.Anchor.IsZero() && !on {
		return w, errStuck
	}
	w.Less = w.Less || less
	w.Anchor, w.Refused, w.Offset = at, refused, ""
	w.Prove, w.Fresh, w.Idle = !w.Last.IsZero(), 0, 0
	return w, nil
}

// resume returns a window as a run takes it up. What led nowhere before may lead
// on now: where the walk has not got past its anchor, it begins there again. In a
// log without an order it begins again anyway: its offset may be a position, from
// which records that came in since have moved on.
func resume(log duo.Log, w store.Window) store.Window {
	w.Refused = ""
	switch {
	case !log.Ordered:
		w.Offset, w.Less, w.Counted, w.Found = "", false, 0, 0
	case !w.Anchor.IsZero() && !w.Last.After(w.Anchor):
		w.Offset, w.Prove, w.Fresh, w.Idle = "", w.Last.Equal(w.Anchor), 0, 0
	}
	return w
}

// anchorAfter returns how far a page with these times, in its order, has brought the
// walk, to go on from there without an offset, and sorts the times. It keeps away from
// the page's latest records, in case Duo has some of them earlier in its order than
// their time says. Where that would be no progress, the next time is taken. 0 is none,
// or that Duo's order is not the one that was asked for.
func anchorAfter(times []int64, anchor time.Time) int64 {
	if len(times) == 0 || times[0] > times[len(times)-1] {
		return 0
	}
	slices.Sort(times)
	beyond, _ := slices.BinarySearch(times, anchor.UnixMilli()+1)
	if anchor.IsZero() {
		beyond = 0
	}
	if beyond == len(times) {
		return 0
	}
	return times[max(beyond, len(times)-1-len(times)/10)]
}

// walked is how far the walk has come.
func walked(w store.Window) time.Time { return latest(lower(w), w.Last) }

// lower is the earliest record time that the walk asks for.
func lower(w store.Window) time.Time { return latest(w.From, w.Anchor) }
