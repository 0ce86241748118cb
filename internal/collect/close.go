package collect

import (
	"context"
	"errors"
	"time"

	"duo-telephony-collector/internal/store"
)

// close ends the run in one write: it leaves a cursor to the next run, nil for
// the committed one, adds the run to the history and gives the lease back.
func (r *run) close(ctx context.Context, leave *store.Cursor, report Summary, why error) error {
	r.ahead.end()
	cursor := r.committed
	if leave != nil {
		cursor = *leave
	}
	report = r.concluded(report, cursor, why)
	if why == nil && cursor.Gap != nil && cursor.Gap.RunID != report.ID {
		cursor.Gap = nil // this report, of a complete run, is the last to repeat it
	}
	var err error
	if leave != nil {
		err = r.Store.Finish(ctx, r.lease, cursor, store.Run(report))
	} else {
		err = r.Store.Release(ctx, r.lease, store.Run(report))
	}
	if err == nil {
		r.committed, r.report, r.closed = cursor, report, true
	}
	return err
}

// end returns the report of a run that is closed, or closes one that err ended, in a
// context of its own: the run's may be what ended it. If the lease turns out to be
// lost only here, that replaces the run's own result.
func (r *run) end(ctx context.Context, err error) Report {
	if !r.closed && r.lease != nil && !errors.Is(err, store.ErrLost) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		failed := r.close(ctx, r.leave, r.report, err)
		if errors.Is(failed, store.ErrLost) {
			err = failed
		} else if failed != nil {
			r.Logger.WarnContext(ctx, "lease not given back, it ends by itself", "error", failed, "expires_at", r.lease.ExpiresAt())
		}
	}
	if !r.closed {
		r.ahead.end()
		r.report, r.closed = r.concluded(r.report, r.committed, err), true
	}
	if r.report.Outcome == Failed && r.failure == nil {
		r.failure = err
	}
	return Report{Summary: r.report, Err: r.failure}
}

// concluded is the report of a run that ended for a reason, nil if it is
// complete, and where the stream then stands.
func (r *run) concluded(report Summary, c store.Cursor, why error) Summary {
	report.Outcome, report.Reason, report.Act = outcome(why), r.plan.rest, false
	if why != nil {
		report.Reason, report.Act = why.Error(), MustAct(why)
	}
	stats := r.session.Stats()
	report.Requests, report.Retries = stats.Requests, stats.Retries
	report.DurationMS = time.Since(r.started).Milliseconds()
	report.Gap = c.Gap
	if r.lease == nil || c.Watermark.IsZero() {
		return report
	}
	report.Watermark = &c.Watermark
	report.OverlapSeconds = max(0, int64(c.Watermark.Sub(latest(c.SeenFrom, c.Watermark.Add(-r.Overlap))).Seconds()))
	report.LagSeconds = new(int64(r.lease.Now().Sub(c.Watermark).Seconds()))
	return report
}
