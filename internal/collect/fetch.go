package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// maxPause is how long a run waits until it may ask Duo: as long as Duo's limits per
// minute can require. A longer pause ends the run: its caller is waiting.
const maxPause = 65 * time.Second

// sayEndedEvery is how often a run fails because Duo says that it has no such log.
// The runs between ask, too, and go on at once if Duo shows it again.
const sayEndedEvery = 24 * time.Hour

// fetch returns the page that the window is at: the one in hand if an adopted object
// held only a part of it, otherwise Duo's, without the offset if Duo refuses that.
func (r *run) fetch(ctx context.Context) (page, error) {
	if r.cache.redoPage {
		return r.ahead.hand, nil
	}
	if err := r.coolDown(ctx); err != nil {
		return page{}, err
	}
	for {
		r.ahead.ask(ctx, r.window)
		p, err := r.ahead.take()
		var refused *duo.Error
		if errors.As(err, &refused) && refused.OffsetRefused() {
			// It is not remembered: from another place it may be taken.
			if r.window, err = reanchor(*r.Log, r.window, "", false); err == nil {
				r.cache.index = nil // it was listed before what this walk has written
				r.Logger.WarnContext(ctx, "offset refused by Duo, going on without it", "from", r.window.Anchor)
				continue
			}
		}
		if err != nil {
			return p, r.fetchError(err)
		}
		return p, nil
	}
}

// fetchAhead starts fetching the page after a batch, unless the run will end
// before it: a wasted request counts against Duo's limit.
func (r *run) fetchAhead(ctx context.Context, b batch) {
	if b.window.Open() && b.failure == nil && r.stopping(ctx, r.report.Pages+1, b.window) == nil {
		r.ahead.ask(ctx, b.window)
	}
}

// coolDown waits until Duo may be asked again. A forced run does not wait.
func (r *run) coolDown(ctx context.Context) error {
	wait := r.committed.NotBefore.Sub(r.lease.Now())
	if wait <= 0 || r.job.Force {
		return nil
	}
	if deadline, _ := ctx.Deadline(); wait > maxPause || time.Until(deadline) < wait {
		return rateLimited(r.committed.NotBefore)
	}
	select {
	case <-ctx.Done():
		return r.fetchError(ctx.Err())
	case <-time.After(wait):
		return nil
	}
}

// fetchError returns what a failed fetch means for the run, and leaves it to the
// next one to ask no sooner than Duo and the pace allow.
func (r *run) fetchError(err error) error {
	next := r.paused(r.cursor())
	if r.session.Stats().Pace > 0 {
		r.leave = &next
	}
	var duoErr *duo.Error
	switch {
	case errors.Is(err, context.Canceled):
		return stopShutdown
	case errors.Is(err, context.DeadlineExceeded) && (r.report.Pages > 0 || r.session.Stats().Pace > 0 || next.NotBefore.After(r.report.StartedAt)):
		return stopBudget
	case errors.Is(err, context.DeadlineExceeded):
		return errShort
	case errors.As(err, &duoErr) && duoErr.Ended():
		now, said := r.lease.Now(), r.committed.Ended
		if now.Sub(said) < sayEndedEvery {
			return stop("Duo still says that there is no such log, first reported by the run of " + said.Format(time.RFC3339) + ": if it has ended for good, take it out of DUO_LOGS")
		}
		next.Ended = floor(now)
		r.leave = &next
	case errors.As(err, &duoErr) && duoErr.RateLimited():
		next.NotBefore = latest(r.paused(store.Cursor{}).NotBefore, floor(r.lease.Now().Add(duoErr.RetryAfter)))
		r.leave = &next
		return rateLimited(next.NotBefore)
	}
	return fmt.Errorf("fetching page %d: %w", r.window.Page+1, err)
}

// paceFor is how long a learned pace is kept. The limit may have been shared
// with another program, and learning it again costs one refused request.
const paceFor = 24 * time.Hour

// learned returns the pace to start a run with.
func learned(p store.Pace, now time.Time) time.Duration {
	if now.Sub(p.LearnedAt) >= paceFor {
		return 0
	}
	return time.Duration(p.IntervalMS) * time.Millisecond
}

// paced returns the cursor with the pace that the session has learned.
func (r *run) paced(c store.Cursor) store.Cursor {
	switch ms := r.session.Stats().Pace.Milliseconds(); {
	case ms == 0:
		c.Pace = store.Pace{}
	case ms != c.Pace.IntervalMS:
		c.Pace = store.Pace{IntervalMS: ms, LearnedAt: floor(r.lease.Now())}
	}
	return c
}

// paused returns the cursor with which the next run keeps this run's pace: it
// asks no sooner than this run would have.
func (r *run) paused(c store.Cursor) store.Cursor {
	s := r.session.Stats()
	if wait := time.Until(s.Next); s.Pace > 0 && wait > 0 {
		c.NotBefore = floor(r.lease.Now().Add(wait)).Add(time.Millisecond)
	}
	return r.paced(c)
}
