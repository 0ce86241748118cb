package collect

import (
	"context"
	"errors"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// The outcomes of a run.
const (
	Complete = "complete" // caught up to now − delay
	Partial  = "partial"  // stopped on purpose with the cursor committed; the next run goes on
	Busy     = "busy"     // another run holds the lease
	Failed   = "failed"   // Report.Err says of what
)

// stop is why a run ends before it has caught up, without having failed.
type stop string

func (s stop) Error() string { return string(s) }

const (
	errShutdown stop = "told to stop, by a shut-down or because the caller has gone; the next run goes on"
	errBudget   stop = "RUN_BUDGET is used up; the next run goes on"
	errBackfill stop = "a backfill is writing records of this time, because the watermark was set back or the document deleted: the first run after it goes on"
	errPages    stop = "MAX_ITERATIONS is reached; the next run goes on"
)

func rateLimited(until time.Time) error {
	return stop("rate limited by Duo until " + until.Format(time.RFC3339) + "; the first run after that goes on")
}

// ErrUnsettled means that a backfill was asked for what the live stream may
// still deliver itself, and for nothing else.
var ErrUnsettled = errors.New("nothing of this range can be collected again yet")

var (
	errShort  = errors.New("RUN_BUDGET ended before the first page was committed: raise it")
	errNoLive = errors.New("nothing was collected yet, so there is no range to collect again: trigger an ordinary run first")
)

// end concludes a run that err ended, or that finished if err is nil.
func (r *run) end(ctx context.Context, err error) Report {
	if err != nil {
		r.conclude(err)
		r.release(ctx)
	}
	return Report{Summary: r.report, Err: r.failure}
}

// conclude sets the outcome that an error leads to.
func (r *run) conclude(err error) {
	r.ahead.end()
	r.report.Reason, r.report.Act, r.failure = err.Error(), mustAct(err), nil
	var s stop
	switch {
	case errors.As(err, &s):
		r.report.Outcome = Partial
	case errors.Is(err, store.ErrHeld):
		r.report.Outcome = Busy
	default:
		r.report.Outcome, r.failure = Failed, err
	}
	r.report.Gap = r.cursor.Gap
	r.describe(r.cursor)
}

// release gives the lease back, on every way out that no commit has ended. It
// has a context of its own: the run's may be what ended it. That the lease is
// lost may come out only here, and outweighs what the run thought of itself.
func (r *run) release(ctx context.Context) {
	if r.lease == nil || r.finished {
		return
	}
	r.finished = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	var err error
	switch {
	case errors.Is(r.failure, store.ErrLost):
	case r.dirty:
		err = r.Store.Finish(ctx, r.lease, r.cursor, store.Run(r.report))
	default:
		err = r.Store.Release(ctx, r.lease, store.Run(r.report))
	}
	if errors.Is(err, store.ErrLost) {
		r.conclude(err)
		return
	}
	if err != nil {
		r.Log.WarnContext(ctx, "lease not given back, it ends by itself", "error", err, "expires_at", r.lease.ExpiresAt())
	}
}

// mustAct reports whether no run can succeed before a person does something.
func mustAct(err error) bool {
	var duoErr *duo.Error
	if errors.As(err, &duoErr) {
		return !duoErr.Temporary
	}
	for _, e := range []error{store.ErrSetup, writer.ErrSetup, writer.ErrForeign, ErrImport, ErrAccount, errFuture, errStuck, errUnproven, errShort, errNoLive} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
