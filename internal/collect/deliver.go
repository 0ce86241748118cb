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

// drop reduces a page to what is to be delivered of it, and says where the page
// leads. The page after it is asked for at once.
func (r *run) drop(ctx, asking context.Context, p page) (batch, error) {
	if err := r.consult(ctx, p.records); err != nil {
		return batch{}, err
	}
	if r.seen == nil || len(r.seen) != r.cursor.Seen.Len() { // an object was adopted, or a range begun
		r.seen = remember(r.cursor.Seen)
	}
	r.walk = r.walk.at(r.cursor.Window)
	b := pick(p, r.cursor, r.walk, r.seen, r.shelf, r.buffer)
	r.buffer = b.lines
	if w := r.cursor.Window; w.Prove && w.Offset == "" && b.known == 0 {
		r.cursor.Window, r.dirty = restart(w, r.cursor.Reach), true // for the next run
		return b, errUnproven
	}
	r.lead(&b, p)
	r.walk.largest = max(r.walk.largest, len(p.records))
	if n := len(p.records); n > 0 {
		r.walk.last = p.records[n-1].ID
	}
	r.fetchAhead(asking, b)
	return b, nil
}

// lead says in the batch where its page leads.
func (r *run) lead(b *batch, p page) {
	w := r.cursor.Window
	if w.Offset == "" { // the walk begins
		w.Total, w.Shown = p.total, 0
	}
	if b.records > 0 {
		w.Page++
	}
	w.Shown += b.shown
	w.Fresh += b.records
	w.Last = latest(w.Last, timeOf(b.passed))
	if w.Idle++; b.shown > 0 {
		w.Idle = 0
	}
	next, err := step(w, r.walk, p)
	if err != nil || next.Open() {
		b.window, b.failure = next, err
		return
	}
	again, missing := recount(w, r.cursor.Reach)
	b.window = again
	if missing > 0 {
		b.gap = &store.Gap{From: w.From, To: w.To, RunID: r.report.ID, Missing: missing}
	}
}

// write makes the batch durable. No records, no object, and its name stays free:
// an attempt that died may have written records under it that Duo shows on
// another page now, or not at all.
func (r *run) write(ctx context.Context, b batch) (batch, error) {
	r.again = false
	if b.records == 0 {
		return r.takeOver(ctx, b)
	}
	name := r.objectName()
	there, err := r.bucket().Put(ctx, writer.Object{
		Name: name,
		Data: b.lines,
		Meta: writer.Meta{Next: b.window.Offset, Records: b.records, First: timeOf(b.first), Last: timeOf(b.last), Untimed: b.untimed, RunID: r.report.ID, Token: r.lease.Token, Account: r.cursor.Account.Host},
	})
	if err != nil {
		return b, fmt.Errorf("writing page %d: %w", name.Page, err)
	}
	if there == nil {
		return b, nil
	}
	return r.adopt(ctx, *there, b)
}

// takeOver adopts what an earlier attempt has left of a window that ends without
// another object.
func (r *run) takeOver(ctx context.Context, b batch) (batch, error) {
	if !r.resumed || b.window.Open() {
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
	if of := there.Meta.Account; of != "" && of != r.cursor.Account.Host {
		return b, fmt.Errorf("%w: %s holds records of %s, and this service collects those of %s: give each account a GCS_PREFIX of its own", writer.ErrForeign, uri, of, r.cursor.Account)
	}
	r.Log.InfoContext(ctx, "object adopted", "object", uri, "written_by", there.Meta.RunID)
	b = adopt(there, b, r.cursor, r.seen)
	r.again = b.rest
	return b, nil
}

func (r *run) objectName() writer.Name {
	w := r.cursor.Window
	return writer.Name{Stream: r.report.Stream, From: w.From, To: w.To, Page: w.Page + 1, Gzip: w.Gzip}
}

// commit saves the cursor after the batch. When nothing is left to ask for, or
// asking shall go on no longer, the same commit ends the run. Only then the
// report has the batch: a run that takes it up counts it, too.
func (r *run) commit(ctx, asking context.Context, b batch) error {
	if b.failure != nil {
		return b.failure
	}
	after := advance(r.cursor, b, r.Overlap)
	planned, err := r.plan.next(after, r.lease.AcquiredAt)
	if err != nil {
		return err
	}
	before, report := r.cursor, r.report
	r.report = r.counted(b)
	switch stop := r.stopping(asking, 0); {
	case !planned.Window.Open():
		err = r.finish(ctx, planned, Complete, r.rest)
	case stop != nil:
		err = r.finish(ctx, after, Partial, stop.Error())
	default:
		planned = r.paced(planned)
		if err = r.Store.Commit(ctx, r.lease, planned); err == nil {
			r.cursor = planned
		}
	}
	if err != nil {
		r.report = report
		return fmt.Errorf("committing the cursor: %w", err)
	}
	r.warn(ctx, before, after, b)
	r.remember(before, b)
	if !r.finished {
		r.tell(before, after)
	}
	return nil
}

// remember brings what is in memory up to the committed cursor.
func (r *run) remember(before store.Cursor, b batch) {
	if r.again { // what the object lacks was picked in vain, and counted
		r.seen, r.walk = nil, walk{page: r.walk.page, to: r.walk.to, largest: r.walk.largest}
	}
	if r.seen != nil {
		r.seen.follow(before.Seen, r.cursor.Seen)
	}
	if !b.window.Open() {
		r.shelf, r.resumed = nil, false
	}
}

// tell says how far the run is in its window, or a backfill in its range.
func (r *run) tell(before, after store.Cursor) {
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

// warn says what an operator should know of a committed page.
func (r *run) warn(ctx context.Context, before, after store.Cursor, b batch) {
	w := before.Window
	if after.Reach.After(before.Reach) && after.Reach.After(w.To.Add(-r.Overlap)) {
		r.Log.WarnContext(ctx, "overlap shortened: too many records to remember", "reaches_back_to", after.Reach)
	}
	if b.window.Again && !w.Again {
		r.Log.WarnContext(ctx, "Duo counts more records than it showed: the window is walked once more", "from", w.From, "to", w.To)
	}
	if b.gap != nil {
		r.Log.ErrorContext(ctx, "records lost: Duo counts more than it shows", "missing", b.gap.Missing, "from", w.From, "to", w.To, "stream", r.report.Stream)
	}
}

// stopping tells why, after so many more pages, no further one shall be asked
// for.
func (r *run) stopping(asking context.Context, pages int) error {
	switch {
	case errors.Is(asking.Err(), context.Canceled):
		return errShutdown
	case asking.Err() != nil:
		return errBudget
	case r.MaxPages > 0 && r.report.Pages+pages >= r.MaxPages:
		return errPages
	}
	return nil
}

// finish commits the cursor, the run's record and the release at once.
func (r *run) finish(ctx context.Context, c store.Cursor, outcome, reason string) error {
	r.ahead.end()
	c = r.handOver(c)
	r.report.Outcome, r.report.Reason, r.report.Act, r.report.Gap = outcome, reason, false, c.Gap
	if c.Gap != nil && c.Gap.RunID != r.report.ID && outcome == Complete {
		c.Gap = nil // this record acknowledges it
	}
	r.describe(c)
	if err := r.Store.Finish(ctx, r.lease, c, store.Run(r.report)); err != nil {
		return err
	}
	r.cursor, r.finished, r.dirty = c, true, false
	return nil
}

// counted is the report with a batch in it.
func (r *run) counted(b batch) Summary {
	report, w := r.report, r.cursor.Window
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

// describe fills in where the stream stands at the cursor.
func (r *run) describe(c store.Cursor) {
	r.report.DurationMS = time.Since(r.started).Milliseconds()
	stats := r.session.Stats()
	r.report.Requests, r.report.Retries = stats.Requests, stats.Retries
	if r.lease == nil || c.Watermark.IsZero() {
		return
	}
	r.report.Watermark = &c.Watermark
	r.report.OverlapSeconds = max(0, int64(c.Watermark.Sub(latest(c.Reach, c.Watermark.Add(-r.Overlap))).Seconds()))
	r.report.LagSeconds = int64(r.lease.Now().Sub(c.Watermark).Seconds())
}
