package collect

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"duo-telephony-collector/internal/store"
)

const (
	// maxSeen identities keep the document below Firestore's 1 MiB.
	maxSeen = 40_000
	// slack is how much longer than the overlap a record stays in Seen: Duo may
	// round a range that was asked for in milliseconds to seconds or minutes.
	slack = time.Minute
	// stale is the lag beyond which the bucket is checked: the cursor may be
	// new, or an old one that was restored.
	stale = time.Hour
)

// ErrAccount means that a document belongs to another account or log.
var ErrAccount = errors.New("the document is another stream's")

var errFuture = errors.New("the watermark lies in the future: was the cursor edited by hand? Set cursor.watermark to a time before now")

// maxAge is the age of the oldest watermark that a run goes on from: a day less than
// Duo keeps the log for, because rounding breaks the last hours.
func (c Config) maxAge() time.Duration { return c.Log.Kept - 24*time.Hour }

// oldest is what a window in progress or a backfill may still ask for.
func (c Config) oldest() time.Duration { return c.Log.Kept - time.Hour }

// planner decides what a stream asks for, at a run's start and after a finished window.
// Both methods return the cursor with a window frozen in it, or with none if there is
// nothing to ask for, and leave a window in progress as it is, unless Duo no longer
// answers for a part of it.
type planner interface {
	start(s store.State) (store.Cursor, error)
	next(c store.Cursor, now time.Time) (store.Cursor, error)
}

// owner is whose the plans are, and where objects go now.
type owner struct {
	account store.Account
	log     string
	place   store.Place
}

// claim returns the cursor marked as the owner's, or an error if it is another
// one's. Documents of schema 2 had no owner.
func (o owner) claim(c store.Cursor) (store.Cursor, error) {
	if c.Account.Host != "" && c.Account != o.account || c.Log != "" && c.Log != o.log {
		return c, fmt.Errorf("%w: it has the %s log of %s, and this service is set to the %s log of %s: give each account a FIRESTORE_COLLECTION of its own; if the account was replaced for good, see \"another account\" in docs/operations.md; nothing was changed",
			ErrAccount, c.Log, c.Account, o.log, o.account)
	}
	c.Account, c.Log = o.account, o.log
	if c.Window.Open() && c.Window.Place == (store.Place{}) {
		return o.placed(c), nil
	}
	if len(c.Places) == 0 {
		c.Places = []store.Place{o.place}
	}
	return c, nil
}

// placed records where the window's objects go, and how wide it is.
func (o owner) placed(c store.Cursor) store.Cursor {
	w := &c.Window
	w.Place = o.place
	c.Places = append(slices.DeleteFunc(slices.Clone(c.Places), func(p store.Place) bool { return p == o.place }), o.place)
	c.WidestMS = max(c.WidestMS, w.To.Sub(w.From).Milliseconds())
	return c
}

// live plans the windows that follow the clock.
type live struct {
	Config
	owner
	runID string
	first time.Time // where a stream without a cursor starts; zero: Lookback
}

func (p live) start(s store.State) (store.Cursor, error) {
	c, now := s.Cursor, s.Now
	if s.StartOpen() && c.Account != p.account {
		c = store.Cursor{} // the host was mistyped: nothing of that account is committed
	}
	if c.Watermark.IsZero() || s.StartOpen() {
		if p.FirstMark != nil && p.first.IsZero() {
			return c, store.ErrHeld // by a run that has given the start back since it was looked for
		}
		c = p.open(c, now)
	}
	c, err := p.claim(c)
	if err != nil {
		return c, err
	}
	if c.Watermark.After(now) {
		return c, errFuture
	}
	if now.Sub(c.Watermark) > stale {
		c.Recheck = newestVisible(now)
	}
	return p.next(p.skipExpired(p.recheck(c, now), now), now)
}

// open starts a stream, from the first mark or Lookback before its first run. If
// it has started there already, the cursor stays as it is.
func (p live) open(c store.Cursor, now time.Time) store.Cursor {
	if c.Begun.IsZero() {
		c.Begun = now
	}
	at := floor(c.Begun.Add(-p.Lookback))
	if !p.first.IsZero() {
		at = floor(p.first)
	}
	if at.Equal(c.Watermark) {
		return c
	}
	// The overlap never reaches before the first mark, and the bucket may hold
	// more than this cursor, a new one, tells.
	return store.Cursor{Begun: c.Begun, Watermark: at, SeenFrom: at, Recheck: newestVisible(now), NotBefore: c.NotBefore, Ended: c.Ended, Pace: c.Pace}
}

// newestVisible is up to when Duo shows records: no window has ever ended later.
func newestVisible(now time.Time) time.Time { return floor(now.Add(-2 * time.Minute)) }

// recheck has the windows up to now checked against the bucket where Seen does not
// match the watermark: the document was deleted, or somebody moved the watermark back,
// or past the window in progress. That window is dropped, but its objects count.
func (p live) recheck(c store.Cursor, now time.Time) store.Cursor {
	if c.Window.Open() && c.Watermark.After(c.Window.To) {
		c.Watermark = floor(c.Watermark)
		c.SeenFrom, c.Recheck, c.Window = c.Watermark, newestVisible(now), store.Window{}
		return c
	}
	covered := c.SeenFrom // in a window it can move on with the walk
	if c.Window.Open() {
		covered = c.Window.From
	}
	if !covered.IsZero() && !covered.After(c.Watermark) {
		return c
	}
	c.Watermark = floor(c.Watermark)
	c.SeenFrom, c.Recheck, c.Window = c.Watermark.Add(-p.Overlap), newestVisible(now), store.Window{}
	return c
}

func (p live) next(c store.Cursor, now time.Time) (store.Cursor, error) {
	to := earliest(floor(now.Add(-p.Delay)), c.Watermark.Add(p.MaxWindow))
	if !c.Window.Open() && to.After(c.Watermark) {
		from := latest(latest(c.Watermark.Add(-p.Overlap), c.SeenFrom), floor(now.Add(-p.oldest())))
		c.Window = store.Window{From: from, To: to, Gzip: p.Gzip}
		c = p.placed(c)
	}
	return c, nil
}

// skipExpired moves past what Duo no longer answers for, and records the gap.
func (p live) skipExpired(c store.Cursor, now time.Time) store.Cursor {
	from, to := c.Watermark, floor(now.Add(-p.maxAge()))
	if c.Window.Open() {
		from, to = walked(c.Window), floor(now.Add(-p.oldest()))
		c.Window = ageWindow(c.Window, to)
	}
	if !from.Before(to) {
		return c
	}
	if !c.Window.Open() || !c.Window.To.After(to) {
		to = floor(now.Add(-p.maxAge()))
		c.Watermark, c.SeenFrom, c.Window = to, to, store.Window{}
	}
	c.Gap = merged(store.Gap{From: from, To: to, RunID: p.runID}, c.Gap)
	return c
}

// merged returns a gap that covers an earlier one of the same run, too, which has one
// report. If all of one range may be lost, the records are not counted.
func merged(g store.Gap, earlier *store.Gap) *store.Gap {
	if earlier == nil || earlier.RunID != g.RunID {
		return &g
	}
	g.From, g.To = earliest(g.From, earlier.From), latest(g.To, earlier.To)
	if g.Missing > 0 && earlier.Missing > 0 {
		g.Missing += earlier.Missing
	} else {
		g.Missing = 0
	}
	return &g
}

// ageWindow has the walk go on no earlier than from limit, which is as far back
// as Duo answers.
func ageWindow(w store.Window, limit time.Time) store.Window {
	if lower(w).Before(limit) {
		w.Anchor, w.Offset, w.Prove = latest(walked(w), limit), "", false
		w.Fresh, w.Idle = 0, 0
		w.Counted = -1 // with records that Duo no longer shows
	}
	return w
}

// backfill plans the windows of a range that somebody asked for. Another range
// that was left unfinished is dropped, but its window in progress is finished:
// otherwise a stalled run's object could go unseen.
type backfill struct {
	Config
	owner
	want store.Backfill
}

func (p backfill) start(s store.State) (store.Cursor, error) {
	now := s.Now
	c, err := p.claim(s.Cursor)
	if err != nil {
		return c, err
	}
	if limit := floor(now.Add(-p.oldest())); c.Window.To.After(limit) {
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
		c.Watermark, c.SeenFrom, c.Seen = p.want.From, time.Time{}, nil
	}
	c.Backfill, c.Watermark = &p.want, latest(c.Watermark, floor(now.Add(-p.oldest())))
	to := earliest(c.Watermark.Add(min(p.MaxWindow, listBack)), p.want.To)
	if to.After(c.Watermark) {
		// Page numbers begin at the time and go on with every page, so that no
		// two windows of one range ever share a name, even if the document or
		// the objects are deleted.
		c.Window = store.Window{From: c.Watermark, To: to, Gzip: p.Gzip, Page: int(now.UnixMilli() + c.Totals.Pages)}
		c = p.placed(c)
	}
	return c, nil
}

// continues reports whether the range is the unfinished one. Its end may have
// moved on: it is cut to a limit that does.
func (p backfill) continues(b *store.Backfill) bool {
	return b != nil && b.From.Equal(p.want.From) && b.Redeliver == p.want.Redeliver && !p.want.To.Before(b.To)
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

// timeOf is a record's time. The zero time is that of a record that has no
// readable one.
func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

// floor cuts to whole milliseconds. The zero time stays zero.
func floor(t time.Time) time.Time { return t.Truncate(time.Millisecond).UTC() }
