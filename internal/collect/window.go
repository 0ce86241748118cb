package collect

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
)

const (
	// maxAge is the oldest watermark that is gone on from, a day younger than
	// the 180 days that Duo answers for: using them up fails by rounding.
	maxAge = 179 * 24 * time.Hour
	// oldest is what a window in progress or a backfill may still ask for.
	oldest = 180*24*time.Hour - time.Hour
	// maxSeen entries keep the document below Firestore's 1 MiB.
	maxSeen = 40_000
)

var (
	errFuture = errors.New("the watermark lies in the future: was the cursor edited by hand? Set cursor.watermark to a time before now")
	errStuck  = errors.New("paging does not get past this point a second time: the next run tries again; if it stays, ask Duo Support about next_offset")
)

// planner decides what a stream asks for. Both methods return the cursor with
// a window frozen in it, or with none if there is nothing to ask for, and leave
// a window in progress as it is.
type planner interface {
	// start plans what a run begins with.
	start(c store.Cursor, now time.Time) (store.Cursor, error)
	// next plans what follows a finished window.
	next(c store.Cursor, now time.Time) (store.Cursor, error)
}

// live plans the windows that follow the clock.
type live struct {
	Config
	runID string
	first time.Time // where a stream without a cursor starts; zero: Lookback
}

func (p live) start(c store.Cursor, now time.Time) (store.Cursor, error) {
	if c.Watermark.IsZero() {
		c.Watermark = floor(now.Add(-p.Lookback))
		if !p.first.IsZero() {
			c.Watermark = floor(p.first)
		}
		c.Reach = c.Watermark // the overlap never reaches before it
	}
	if c.Watermark.After(now) {
		return c, errFuture
	}
	return p.next(p.giveUp(p.distrust(c, now), now), now)
}

// distrust has the windows up to now held against the bucket where Seen does
// not belong to the watermark: the document was deleted, or somebody moved the
// watermark back. A window in progress is given up, its objects count too.
func (p live) distrust(c store.Cursor, now time.Time) store.Cursor {
	covered := c.Reach // in a window Seen moves on with the walk
	if c.Window.Open() {
		covered = c.Window.From
	}
	if !covered.IsZero() && !covered.After(c.Watermark) {
		return c
	}
	c.Watermark = floor(c.Watermark)
	c.Reach, c.Recheck, c.Window = c.Watermark.Add(-p.Overlap), now, store.Window{}
	return c
}

func (p live) next(c store.Cursor, now time.Time) (store.Cursor, error) {
	to := earliest(floor(now.Add(-p.Delay)), c.Watermark.Add(p.MaxWindow))
	if !c.Window.Open() && to.After(c.Watermark) {
		from := latest(latest(c.Watermark.Add(-p.Overlap), c.Reach), floor(now.Add(-oldest)))
		c.Window = store.Window{From: from, To: to, Gzip: p.Gzip}
	}
	return c, nil
}

// giveUp moves on from what Duo no longer answers for, and records the gap.
func (p live) giveUp(c store.Cursor, now time.Time) store.Cursor {
	from, to := c.Watermark, floor(now.Add(-maxAge))
	if c.Window.Open() {
		from, to = walked(c.Window), floor(now.Add(-oldest))
		c.Window = ageWindow(c.Window, to)
	}
	if !from.Before(to) {
		return c
	}
	c.Gap = &store.Gap{From: from, To: to, RunID: p.runID}
	if c.Window.Open() && c.Window.To.After(to) {
		return c
	}
	c.Gap.To = floor(now.Add(-maxAge))
	c.Watermark, c.Reach, c.Window = c.Gap.To, c.Gap.To, store.Window{}
	return c
}

// walked is how far a window in progress has come.
func walked(w store.Window) time.Time { return latest(lower(w), w.Last) }

// lower is the earliest record time that the window still takes.
func lower(w store.Window) time.Time { return latest(w.From, w.Anchor) }

// ageWindow has the walk go on no earlier than from limit, which is as far back
// as Duo answers.
func ageWindow(w store.Window, limit time.Time) store.Window {
	if lower(w).Before(limit) {
		w.Anchor, w.Offset, w.Fetched = latest(walked(w), limit), "", -1
	}
	return w
}

// backfill plans the windows of a range that somebody asked for. Another range
// that was left unfinished is given up, but not its window in progress: what is
// frozen is always finished, so that no paused twin's object goes unseen.
type backfill struct {
	Config
	want store.Backfill
}

func (p backfill) start(c store.Cursor, now time.Time) (store.Cursor, error) {
	if limit := floor(now.Add(-oldest)); c.Window.To.After(limit) {
		c.Window = ageWindow(c.Window, limit)
		return c, nil
	}
	c.Window = store.Window{} // if one is in progress, Duo no longer answers for it
	if c.Backfill != nil && !c.Watermark.Before(c.Backfill.To) {
		c.Backfill = nil // it is complete, and may be asked for once more
	}
	return p.next(c, now)
}

func (p backfill) next(c store.Cursor, now time.Time) (store.Cursor, error) {
	if c.Window.Open() {
		return c, nil
	}
	if !p.continues(c.Backfill) {
		// What an earlier range delivered may have been lost since, or is
		// wanted again: only the bucket tells.
		c.Watermark, c.Reach, c.Seen = p.want.From, time.Time{}, nil
	}
	c.Backfill, c.Watermark = &p.want, latest(c.Watermark, floor(now.Add(-oldest)))
	to := earliest(c.Watermark.Add(p.MaxWindow), p.want.To)
	if to.After(c.Watermark) {
		// Page numbers go on from the last backfill's, so that no two windows
		// of one range ever share a name.
		c.Window = store.Window{From: c.Watermark, To: to, Gzip: p.Gzip, Page: int(c.Totals.Pages)}
	}
	return c, nil
}

// continues reports whether the range is the unfinished one. Its end may have
// moved on: it is cut to a limit that does.
func (p backfill) continues(b *store.Backfill) bool {
	return b != nil && b.From.Equal(p.want.From) && b.Redeliver == p.want.Redeliver && !p.want.To.Before(b.To)
}

// advance returns the cursor after a page: what was seen, where the walk goes
// on and, after the last page, the new watermark.
func advance(c store.Cursor, b batch, overlap time.Duration) (store.Cursor, error) {
	w := c.Window
	c.NotBefore = time.Time{} // Duo has answered
	w.Page++
	w.Last = earliest(latest(w.Last, timeOf(b.reached)), w.To)
	if w.Fetched >= 0 {
		w.Fetched += b.fetched
	}
	if b.adopted {
		w.Fetched = -1
	}
	c.Totals.Pages++
	c.Totals.Records += int64(len(b.entries))
	if len(b.entries) > 0 {
		c.Totals.Objects++
	}
	reached := walked(w)
	if b.next == "" {
		reached = w.To
	}
	c.Reach = latest(c.Reach, reached.Add(-overlap))
	c.Seen, c.Reach = bounded(c.Seen.With(b.entries, c.Reach.UnixMilli()), c.Reach)
	if b.next == "" {
		c.Watermark, c.Window = w.To, store.Window{}
		return c, nil
	}
	if leads(w, b.next) {
		w.Offset = b.next
		c.Window = w
		return c, nil
	}
	var err error
	c.Window, err = reanchor(w, b.next)
	return c, err
}

// bounded drops the oldest entries beyond maxSeen, and returns from where on the
// rest is complete.
func bounded(s store.Seen, reach time.Time) (store.Seen, time.Time) {
	s, since, dropped := s.Bounded(maxSeen)
	if dropped {
		reach = latest(reach, time.UnixMilli(since).UTC())
	}
	return s, reach
}

// leads reports whether the offset leads further than the last record. Duo's
// offsets are "milliseconds,id" of it; of one in another form only a repetition
// can be told.
func leads(w store.Window, next string) bool {
	if next == w.Offset || next == w.Refused {
		return false
	}
	to, ok := offsetTime(next)
	return !ok || !to.Before(w.Last)
}

func offsetTime(offset string) (time.Time, bool) {
	ms, _, ok := strings.Cut(offset, ",")
	n, err := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n).UTC(), ok && err == nil
}

// reanchor has the walk go on without the offset that Duo refuses, from the
// millisecond of the last record; that millisecond's identities are in Seen.
func reanchor(w store.Window, refused string) (store.Window, error) {
	at := walked(w)
	if w.Refused != "" && w.Anchor.Equal(at) {
		return w, errStuck
	}
	w.Anchor, w.Refused, w.Offset, w.Fetched = at, refused, "", -1
	return w, nil
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
