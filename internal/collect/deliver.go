package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// choose returns the batch of a page, and asks for the page after it at once.
func (r *run) choose(ctx, asking context.Context, p page) (batch, error) {
	if err := r.loadIndex(ctx, p.records); err != nil {
		return batch{}, err
	}
	cursor := r.cursor()
	b := r.cache.selectNew(p, cursor)
	// An empty page that leads on proves nothing yet, and ends nothing: see step.
	follows := len(p.records) == 0 && p.next != "" && p.next != r.window.Offset
	if w := r.window; w.Prove && b.duplicates == 0 && !follows {
		cursor.Window = r.restart(w)
		r.leave = &cursor
		return b, errUnproven
	}
	r.decideNext(&b, p)
	r.cache.walk.note(p)
	r.fetchAhead(asking, b)
	return b, nil
}

// cursor is the committed one with the window where the walk is now.
func (r *run) cursor() store.Cursor {
	c := r.committed
	c.Window = r.window
	return c
}

// decideNext says in the batch where its page leads.
func (r *run) decideNext(b *batch, p page) {
	w := r.window
	if w.Offset == "" { // the walk begins
		if w.Total, w.Shown, w.Twice = p.total, 0, 0; beginsRound(w) {
			w.Counted = p.total
		}
	}
	if b.records > 0 {
		w.Page++
	}
	w.Shown += b.shown
	w.Twice += b.twice
	w.Found += b.found
	w.Fresh += b.records
	if r.Log.Ordered { // else a time does not tell how far the walk is
		w.Last = latest(w.Last, timeOf(b.anchor))
	}
	if w.Idle++; b.shown > 0 {
		w.Idle = 0
	}
	next, err := step(*r.Log, w, r.cache.walk, p)
	if err != nil || next.Open() {
		b.window, b.failure = next, err
		return
	}
	if missing := max(w.Total-w.Shown, w.Counted-w.Found); missing > 0 && w.Again {
		b.gap = &store.Gap{From: w.From, To: w.To, RunID: r.report.ID, Missing: missing}
	} else if missing > 0 {
		b.window = r.restart(w)
		b.window.Again = true
	}
}

// restart returns the window for a walk from its start. What Seen has dropped is looked
// up in the bucket, see loadIndex. Where that is not asked the walk starts where Seen does.
func (r *run) restart(w store.Window) store.Window {
	w = store.Window{From: w.From, To: w.To, Gzip: w.Gzip, Place: w.Place, Page: w.Page, Again: w.Again}
	if b := r.committed.Backfill; b != nil && b.Redeliver && r.committed.SeenFrom.After(w.From) {
		w.Anchor = r.committed.SeenFrom
	}
	return ageWindow(w, floor(r.lease.Now().Add(-r.oldest())))
}

// write makes the batch durable, even if there is no way on after it: then the
// next run adopts its object. No records, no object, and the name stays free: an
// attempt that died may have written records under it that Duo shows on another
// page now, or not at all.
func (r *run) write(ctx context.Context, b batch) (batch, error) {
	if b.records == 0 {
		return r.adoptLeftover(ctx, b)
	}
	name := r.objectName()
	there, err := r.bucket().Put(ctx, writer.Object{
		Name: name,
		Data: b.lines,
		Meta: writer.Meta{Next: b.window.Offset, Records: b.records, First: timeOf(b.first), Last: timeOf(b.last), Untimed: b.untimed, RunID: r.report.ID, Token: r.lease.Token, Account: r.committed.Account.Host},
	})
	if err != nil {
		return b, fmt.Errorf("writing page %d: %w", name.Page, err)
	}
	if there == nil {
		return b, nil
	}
	return r.adopt(ctx, *there, b)
}

// adoptLeftover adopts what an earlier attempt has left of a window that ends
// without another object.
func (r *run) adoptLeftover(ctx context.Context, b batch) (batch, error) {
	if !r.cache.maybeLeftover || b.window.Open() {
		return b, nil
	}
	there, err := r.bucket().Get(ctx, r.objectName())
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("looking for an earlier attempt's object: %w", err)
	}
	return r.adopt(ctx, there, b)
}

// adopt takes an object that an earlier attempt has written for the batch.
func (r *run) adopt(ctx context.Context, there writer.Object, b batch) (batch, error) {
	uri := r.bucket().URI(there.Name)
	if of := there.Meta.Account; of != "" && of != r.committed.Account.Host {
		return b, fmt.Errorf("%w: %s holds records of %s, and this service collects those of %s: give each account a GCS_PREFIX of its own", writer.ErrForeign, uri, of, r.committed.Account)
	}
	r.Logger.InfoContext(ctx, "object adopted", "object", uri, "written_by", there.Meta.RunID)
	return r.cache.adopt(there, b, r.cursor()), nil
}

func (r *run) objectName() writer.Name {
	w := r.window
	return writer.Name{Stream: r.stream.Name(), From: w.From, To: w.To, Page: w.Page + 1, Gzip: w.Gzip}
}

// commit saves the cursor after the batch. When there is nothing more to ask for, or
// the run is to stop, the same write closes the run. The report has the batch only
// once it is committed: a run that adopts it counts it, too.
func (r *run) commit(ctx, asking context.Context, b batch) error {
	if b.failure != nil {
		return b.failure
	}
	before, report := r.cursor(), r.counted(b)
	after := advance(before, b, r.Overlap)
	planned, err := r.plan.next(after, r.lease.AcquiredAt)
	if err != nil {
		return err
	}
	switch stop := r.stopping(asking, report.Pages, after.Window); {
	case !planned.Window.Open():
		err = r.close(ctx, new(r.paused(planned)), report, nil)
	case stop != nil:
		err = r.close(ctx, new(r.paused(after)), report, stop)
	default:
		planned = r.paced(planned)
		if err = r.Store.Commit(ctx, r.lease, planned); err == nil {
			r.committed, r.window, r.report = planned, planned.Window, report
		}
	}
	if err != nil {
		return fmt.Errorf("committing the cursor: %w", err)
	}
	r.cache.follow(r.committed.Seen, b)
	r.warn(ctx, before, after, b)
	if !r.closed {
		r.showProgress(before, after)
	}
	return nil
}

// stopping tells why, after so many pages, no further one of the window is to be
// asked for. The page limit does not cut a window where the next run would ask for the
// same pages once more, as it does of a log without an order: it might never end.
func (r *run) stopping(asking context.Context, pages int, w store.Window) error {
	switch {
	case errors.Is(asking.Err(), context.Canceled):
		return stopShutdown
	case asking.Err() != nil:
		return stopBudget
	case r.MaxPages > 0 && pages >= r.MaxPages && (!w.Open() || r.Log.Ordered && resume(*r.Log, w).Offset == w.Offset):
		return stopPages
	}
	return nil
}

// counted is the report with a batch in it.
func (r *run) counted(b batch) Summary {
	report, w := r.report, r.window
	report.Pages++
	report.Records += b.records
	report.Duplicates += b.duplicates
	report.Late += b.late
	if b.records > 0 && len(report.Objects) < maxListed && !r.job.DryRun {
		report.Objects = append(report.Objects, r.bucket().URI(r.objectName()))
	}
	if report.Window == nil {
		report.Window = &store.Span{From: w.From}
	}
	report.Window = &store.Span{From: report.Window.From, To: w.To}
	return report
}

// warn logs what an operator should know of a committed page.
func (r *run) warn(ctx context.Context, before, after store.Cursor, b batch) {
	w := before.Window
	if after.SeenFrom.After(before.SeenFrom) && after.SeenFrom.After(w.To.Add(-r.Overlap)) {
		r.Logger.WarnContext(ctx, "overlap shortened: too many records to remember", "reaches_back_to", after.SeenFrom)
	}
	if b.window.Again && !w.Again {
		r.Logger.WarnContext(ctx, "Duo counts more records than it showed: the window is walked once more", "from", w.From, "to", w.To)
	}
	if b.gap != nil {
		r.Logger.ErrorContext(ctx, "records lost: Duo counts more than it shows", "missing", b.gap.Missing, "from", w.From, "to", w.To, "stream", r.report.Stream)
	}
}

// Progress is how far a walk through Duo's log has come.
type Progress struct {
	Stream   string
	Records  int       // so far
	From, To time.Time // the range that is walked, half open
	At       time.Time // where the walk is
}

// showProgress shows how far the run is in its window, or a backfill in its range.
func (r *run) showProgress(before, after store.Cursor) {
	if r.Progress == nil {
		return
	}
	w := before.Window
	p := Progress{Stream: r.report.Stream, Records: r.report.Records, From: w.From, To: w.To, At: w.To}
	if after.Window.Open() {
		p.At = walked(after.Window)
	}
	if b := before.Backfill; b != nil {
		p.From, p.To = b.From, b.To
	}
	r.Progress(p)
}

// advance returns the cursor after a batch: what was seen, where the walk goes
// on and, after the last page, the new watermark.
func advance(c store.Cursor, b batch, overlap time.Duration) store.Cursor {
	to := c.Window.To
	c.NotBefore, c.Ended = time.Time{}, time.Time{} // Duo has answered
	c.Totals.Pages++
	c.Totals.Records += int64(b.records)
	if b.records > 0 {
		c.Totals.Objects++
	}
	c.Seen = c.Seen.With(b.ids, to.UnixMilli(), b.latest)
	c.Window = b.window
	if b.gap != nil {
		c.Gap = merged(*b.gap, c.Gap)
	}
	if !c.Window.Open() {
		c.Watermark, c.SeenFrom = to, latest(c.SeenFrom, to.Add(-overlap))
		c.Seen = c.Seen.Since(c.SeenFrom.Add(-slack).UnixMilli())
		if !c.Recheck.After(to) {
			c.Recheck = time.Time{} // Seen has what the bucket was asked for
		}
	}
	var since int64
	var dropped bool
	if c.Seen, since, dropped = c.Seen.Bounded(maxSeen); dropped {
		c.SeenFrom = latest(c.SeenFrom, time.UnixMilli(since).UTC())
	}
	return c
}
