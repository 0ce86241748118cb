package collect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// walk is the pages that are being read, and the offset of the next one.
type walk struct {
	next   func() (duo.Page, error, bool)
	stop   func()
	window store.Window // where the next page is expected to start
}

// fetch returns the next page of the window in progress. Where the walk leads
// elsewhere than the last page said, because an object was adopted or an offset
// refused, it begins anew at the cursor.
func (r *run) fetch(ctx context.Context) (duo.Page, error) {
	if err := r.coolDown(ctx); err != nil {
		return duo.Page{}, err
	}
	for {
		page, err := r.read(ctx)
		var refused *duo.Error
		if errors.As(err, &refused) && refused.OffsetRefused() {
			if r.cursor.Window, err = reanchor(r.cursor.Window, r.cursor.Window.Offset); err == nil {
				r.Log.WarnContext(ctx, "offset refused by Duo, going on without it", "from", r.cursor.Window.Anchor)
				continue
			}
		}
		if err != nil {
			return page, r.fetchError(err)
		}
		return page, nil
	}
}

// read continues the walk, or begins one at the cursor.
func (r *run) read(ctx context.Context) (duo.Page, error) {
	w := r.cursor.Window
	if !r.walk.at(w) {
		r.walk.end()
		q := duo.Query{Min: lower(w).Add(-time.Millisecond), Max: w.To, Offset: w.Offset}
		r.walk.next, r.walk.stop = iter.Pull2(r.session.Pages(ctx, q))
	}
	page, err, ok := r.walk.next()
	if !ok {
		return page, errEnded
	}
	r.walk.window = w
	r.walk.window.Offset = page.Next
	return page, err
}

// at reports whether the walk's next page is the one that the window is at.
func (w *walk) at(now store.Window) bool {
	return w.next != nil && w.window.Offset == now.Offset && w.window.Anchor.Equal(now.Anchor) &&
		w.window.From.Equal(now.From) && w.window.To.Equal(now.To)
}

// end stops the walk. Nothing of it is left running.
func (w *walk) end() {
	if w.stop != nil {
		w.stop()
	}
	*w = walk{}
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

// fetchError tells what a failed fetch means for the run.
func (r *run) fetchError(err error) error {
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
