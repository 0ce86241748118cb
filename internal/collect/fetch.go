package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// maxPause is how long a run waits for the time from when on Duo may be asked: as
// long as Duo's limits by the minute can need. A longer pause ends it, instead of
// holding the request of who has called it.
const maxPause = 65 * time.Second

// fetch returns the page that the window is at: the one in hand where an object
// has delivered a part of it, else the one that Duo is asked for. An offset that
// Duo refuses is done without.
func (r *run) fetch(ctx context.Context) (page, error) {
	if r.again {
		return r.ahead.hand, nil
	}
	if err := r.coolDown(ctx); err != nil {
		return page{}, err
	}
	for {
		r.ahead.ask(ctx, r.cursor.Window)
		p, err := r.ahead.take()
		var refused *duo.Error
		if errors.As(err, &refused) && refused.OffsetRefused() {
			// It is not remembered: from another place it may be taken.
			if r.cursor.Window, err = reanchor(r.cursor.Window, ""); err == nil {
				r.Logger.WarnContext(ctx, "offset refused by Duo, going on without it", "from", r.cursor.Window.Anchor)
				continue
			}
		}
		if err != nil {
			return p, r.fetchError(err)
		}
		return p, nil
	}
}

// fetchAhead asks for the page that follows a batch, unless the run ends before
// it: a page that is fetched in vain counts at Duo.
func (r *run) fetchAhead(ctx context.Context, b batch) {
	if b.window.Open() && b.failure == nil && r.stopping(ctx, 1) == nil {
		r.ahead.ask(ctx, b.window)
	}
}

// coolDown waits until Duo may be asked again. A forced run asks at once.
func (r *run) coolDown(ctx context.Context) error {
	wait := r.cursor.NotBefore.Sub(r.lease.Now())
	if wait <= 0 || r.job.Force {
		return nil
	}
	if deadline, _ := ctx.Deadline(); wait > maxPause || time.Until(deadline) < wait {
		return rateLimited(r.cursor.NotBefore)
	}
	select {
	case <-ctx.Done():
		return r.fetchError(ctx.Err())
	case <-time.After(wait):
		return nil
	}
}

// fetchError tells what a failed fetch means for the run. Whatever it is, the
// next run asks no sooner than Duo and the pace allow.
func (r *run) fetchError(err error) error {
	r.cursor, r.dirty = r.handOver(r.cursor), r.session.Stats().Pace > 0
	var duoErr *duo.Error
	switch {
	case errors.Is(err, context.Canceled):
		return errShutdown
	case errors.Is(err, context.DeadlineExceeded) && (r.report.Pages > 0 || r.session.Stats().Pace > 0 || r.cursor.NotBefore.After(r.report.StartedAt)):
		return errBudget
	case errors.Is(err, context.DeadlineExceeded):
		return errShort
	case errors.As(err, &duoErr) && duoErr.RateLimited():
		r.cursor.NotBefore = floor(r.lease.Now().Add(duoErr.RetryAfter))
		r.dirty = true
		return rateLimited(r.cursor.NotBefore)
	}
	return fmt.Errorf("fetching page %d: %w", r.cursor.Window.Page+1, err)
}

// paceFor is how long a learned pace is kept: another program may have taken
// the rest of the limit, and to learn it again costs one refused request.
const paceFor = 24 * time.Hour

// learned is the pace to begin a run with.
func learned(p store.Pace, now time.Time) time.Duration {
	if now.Sub(p.LearnedAt) >= paceFor {
		return 0
	}
	return time.Duration(p.IntervalMS) * time.Millisecond
}

// paced returns the cursor with the pace that the session knows.
func (r *run) paced(c store.Cursor) store.Cursor {
	switch ms := r.session.Stats().Pace.Milliseconds(); {
	case ms == 0:
		c.Pace = store.Pace{}
	case ms != c.Pace.IntervalMS:
		c.Pace = store.Pace{IntervalMS: ms, LearnedAt: floor(r.lease.Now())}
	}
	return c
}

// handOver returns the cursor for the next run, which shall ask as if it were
// this one: at its pace, and no sooner than it would.
func (r *run) handOver(c store.Cursor) store.Cursor {
	s := r.session.Stats()
	if wait := time.Until(s.Next); s.Pace > 0 && wait > 0 {
		c.NotBefore = floor(r.lease.Now().Add(wait)).Add(time.Millisecond)
	}
	return r.paced(c)
}
