package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// drop reduces a page to what is to be delivered of it.
func (r *run) drop(ctx context.Context, p page) (batch, error) {
	if err := r.consult(ctx, p.records.all); err != nil {
		return batch{}, err
	}
	if r.seen == nil || len(r.seen) != r.cursor.Seen.Len() { // an object was adopted, or a range begun
		r.seen = remember(r.cursor.Seen)
	}
	return pick(p, r.cursor, r.seen, r.shelf), nil
}

// consult opens the shelf at the records' place where only what the bucket does
// not hold is to be written: in a backfill, and where Seen does not tell.
func (r *run) consult(ctx context.Context, records []record) (err error) {
	asked := r.cursor.Backfill != nil && !r.cursor.Backfill.Redeliver
	if !asked && !r.cursor.Window.From.Before(r.cursor.Recheck) {
		return nil
	}
	if r.shelf == nil {
		if r.shelf, err = openShelf(ctx, r.Bucket, r.cursor.Window, r.MaxWindow, r.Stream, BackfillStream(r.Stream)); err != nil {
			return err
		}
	}
	return r.shelf.turn(ctx, records)
}

// write makes the batch durable. No records, no object.
func (r *run) write(ctx context.Context, b batch) (batch, error) {
	if len(b.entries) == 0 {
		return b, nil
	}
	name := r.objectName()
	there, err := r.Bucket.Put(ctx, writer.Object{
		Name: name,
		Data: b.lines,
		Meta: writer.Meta{Next: b.next, Records: len(b.entries), First: timeOf(b.first), Last: timeOf(b.last), RunID: r.report.ID, Token: r.lease.Token},
	})
	if err != nil {
		return b, fmt.Errorf("writing page %d: %w", name.Page, err)
	}
	if there == nil {
		return b, nil
	}
	r.Log.InfoContext(ctx, "object adopted", "object", r.Bucket.URI(name), "written_by", there.Meta.RunID)
	r.seen = nil // it has what this fetch would have delivered
	return adopt(*there, b, r.cursor), nil
}

func (r *run) objectName() writer.Name {
	w := r.cursor.Window
	return writer.Name{Stream: r.report.Stream, From: w.From, To: w.To, Page: w.Page + 1, Gzip: w.Gzip}
}

// commit saves the cursor after the batch. When nothing is left to ask for, or
// asking shall go on no longer, the same commit ends the run.
func (r *run) commit(ctx, asking context.Context, b batch) error {
	r.count(ctx, b)
	cursor, err := advance(r.cursor, b, r.Overlap)
	if err != nil {
		return err
	}
	r.warnShortened(ctx, cursor)
	planned, err := r.plan.next(cursor, r.lease.AcquiredAt)
	if err != nil {
		return err
	}
	if !planned.Window.Open() {
		return r.finish(ctx, planned, Complete, "")
	}
	if stop := r.stopping(asking); stop != nil {
		return r.finish(ctx, cursor, Partial, stop.Error())
	}
	if !cursor.Window.Open() {
		r.shelf = nil
	}
	planned = r.paced(planned)
	if err := r.Store.Commit(ctx, r.lease, planned); err != nil {
		return fmt.Errorf("committing the cursor: %w", err)
	}
	r.seen.forget(r.cursor.Seen, b, planned)
	r.tell(cursor)
	r.cursor = planned
	return nil
}

// tell says how far the run is in its window, or a backfill in its range.
func (r *run) tell(after store.Cursor) {
	if r.Progress == nil {
		return
	}
	w := r.cursor.Window
	p := Progress{Stream: r.report.Stream, Records: r.report.Records, From: w.From, To: w.To, At: w.To}
	if after.Window.Open() {
		p.At = walked(after.Window)
	}
	if b := r.cursor.Backfill; b != nil {
		p.From, p.To = b.From, b.To
	}
	r.Progress(p)
}

// warnShortened says so when more records lie within the overlap than the
// cursor can hold.
func (r *run) warnShortened(ctx context.Context, c store.Cursor) {
	if len(c.Seen) > 0 && c.Reach.After(r.cursor.Reach) && c.Reach.After(latest(walked(c.Window), c.Watermark).Add(-r.Overlap)) {
		r.Log.WarnContext(ctx, "overlap shortened: too many records to remember", "reaches_back_to", c.Reach)
	}
}

// stopping tells why no further page shall be asked for.
func (r *run) stopping(asking context.Context) error {
	switch {
	case errors.Is(asking.Err(), context.Canceled):
		return errShutdown
	case asking.Err() != nil:
		return errBudget
	case r.MaxPages > 0 && r.report.Pages >= r.MaxPages:
		return errPages
	}
	return nil
}

// finish commits the cursor, the run's record and the release at once.
func (r *run) finish(ctx context.Context, c store.Cursor, outcome, reason string) error {
	r.walk.end()
	c = r.handOver(c)
	r.report.Outcome, r.report.Reason, r.report.Act, r.report.Gap = outcome, reason, false, c.Gap
	if c.Gap != nil && c.Gap.RunID != r.report.ID && outcome == Complete {
		c.Gap = nil // this record acknowledges it
	}
	r.describe(c)
	if err := r.Store.Finish(ctx, r.lease, c, r.report); err != nil {
		return fmt.Errorf("committing the cursor: %w", err)
	}
	r.cursor, r.finished, r.dirty = c, true, false
	return nil
}

// count adds a batch to the report, before the cursor moves on.
func (r *run) count(ctx context.Context, b batch) {
	w := r.cursor.Window
	r.report.Pages++
	r.report.Records += len(b.entries)
	r.report.Duplicates += b.duplicates
	r.report.Late += b.late
	if len(b.entries) > 0 && len(r.report.Objects) < maxListed && !r.job.DryRun {
		r.report.Objects = append(r.report.Objects, r.Bucket.URI(r.objectName()))
	}
	if r.report.Window == nil {
		r.report.Window = &store.Span{From: w.From}
	}
	r.report.Window.To = w.To
	if b.next == "" && b.total >= 0 && w.Fetched >= 0 && w.Fetched+b.fetched != b.total {
		r.report.Unmatched += b.total - w.Fetched - b.fetched
		r.Log.WarnContext(ctx, "Duo counts other records than it returned", "total_objects", b.total, "returned", w.Fetched+b.fetched, "window_from", w.From, "window_to", w.To)
	}
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
