package collect

import (
	"errors"
	"slices"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// The outcomes of a run.
const (
	Complete = "complete" // caught up to now − delay
	Partial  = "partial"  // stopped on purpose with the cursor committed; the next run goes on
	Busy     = "busy"     // another run holds the lease, or has just had it
	Failed   = "failed"   // Report.Err says why
)

// outcomes are all of them, the more urgent the later.
var outcomes = []string{Complete, Partial, Busy, Failed}

// stop is why a run ends before it has caught up, without having failed.
type stop string

func (s stop) Error() string { return string(s) }

const (
	stopShutdown stop = "stopped by a shutdown, or because the caller disconnected; the next run goes on"
	stopBudget   stop = "RUN_BUDGET is used up; the next run goes on"
	stopBackfill stop = "waiting for a backfill of the same time, because the watermark was set back or the document deleted; the first run after it goes on"
	stopPages    stop = "MAX_ITERATIONS is reached; the next run goes on"
)

func rateLimited(until time.Time) error {
	return stop("rate limited by Duo until " + until.Format(time.RFC3339) + "; the first run after that goes on")
}

// ErrUnsettled means that a backfill was asked for nothing but what the live stream may
// still deliver itself, or what Duo may no longer show.
var ErrUnsettled = errors.New("nothing of this range can be collected again")

var (
	errShort   = errors.New("RUN_BUDGET ended before the first page was committed: raise it")
	errCrashed = errors.New("the run crashed; its stack is in the log")
	errNoLive  = errors.New("nothing was collected yet, so there is no range to collect again: trigger an ordinary run first")
)

// outcome is what a run comes to that ended for a reason, nil if it is complete.
func outcome(why error) string {
	var s stop
	switch {
	case why == nil:
		return Complete
	case errors.As(why, &s):
		return Partial
	case errors.Is(why, store.ErrHeld), errors.Is(why, store.ErrPassed):
		return Busy
	}
	return Failed
}

// MustAct reports whether a person is to be called: the next run tries again, but
// is not expected to succeed by itself.
func MustAct(err error) bool {
	var duoErr *duo.Error
	if errors.As(err, &duoErr) {
		return !duoErr.Temporary
	}
	return slices.ContainsFunc([]error{
		store.ErrSetup, writer.ErrSetup, writer.ErrForeign, ErrImport, ErrAccount,
		errFuture, errStuck, errUnproven, errShort, errNoLive, errCrashed,
	}, func(e error) bool { return errors.Is(err, e) })
}
