package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// fetch returns the next page of the window in progress. Where the walk leads
// elsewhere than the last page said, because an object was adopted or an offset
// refused, it begins anew at the cursor.
func (r *run) fetch(ctx context.Context) (page, error) {
	if err := r.coolDown(ctx); err != nil {
		return page{}, err
	}
	for {
		p, err := r.read(ctx)
		var refused *duo.Error
		if errors.As(err, &refused) && refused.OffsetRefused() {
			if r.cursor.Window, err = reanchor(r.cursor.Window, r.cursor.Window.Offset); err == nil {
				r.Log.WarnContext(ctx, "offset refused by Duo, going on without it", "from", r.cursor.Window.Anchor)
				continue
			}
		}
		if err != nil {
			return p, r.fetchError(err)
		}
		return p, nil
	}
}

// read continues the walk, or begins one at the cursor. The walk stops where
// MAX_ITERATIONS does: a page that is fetched in vain counts at Duo.
func (r *run) read(ctx context.Context) (page, error) {
	w := r.cursor.Window
	if !r.walk.at(w) {
		r.walk.end()
		r.walk = r.open(ctx, w, max(0, r.MaxPages-r.report.Pages))
	}
	return r.walk.take()
}

// coolDown waits until Duo may be asked again.
func (r *run) coolDown(ctx context.Context) error {
	wait := r.cursor.NotBefore.Sub(r.lease.Now())
	if wait <= 0 {
		return nil
	}
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < wait {
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
	case errors.Is(err, context.DeadlineExceeded) && r.report.Pages > 0:
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
