package collect

import (
	"context"
	"errors"
	"time"

	"duo-telephony-collector/internal/store"
)

// recordTimeout bounds the lease's acquisition in Record.
const recordTimeout = 5 * time.Second

// unplanned is an error before the lease that is not the store's.
type unplanned struct{ error }

func (u unplanned) Unwrap() error { return u.error }

// recordable reports whether a run failed before it had the lease, and not
// because of the store: a store that has just refused is not asked again.
func recordable(err error) bool {
	_, ok := errors.AsType[unplanned](err)
	return ok || errors.Is(err, errFuture) || errors.Is(err, errNoLive)
}

// Record adds a run that failed before it had the lease to the history, and returns
// what it added. It takes the lease for a moment and leaves the cursor alone. It fails
// if the store is what failed, another run holds the lease, or the document is another
// account's.
func (c *Collector) Record(ctx context.Context, failed Report) (Report, error) {
	if !recordable(failed.Err) {
		return failed, failed.Err
	}
	bounded, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	lease, cursor, err := c.Store.Acquire(bounded, failed.Stream, store.Claim{
		Holder: failed.ID,
		TTL:    leaseMargin,
		Next: func(_ context.Context, s store.State) (store.Cursor, error) {
			_, err := c.owner().claim(s.Cursor)
			return s.Cursor, err
		},
	})
	if err != nil {
		return failed, err
	}
	failed.Token, failed.StartedAt, failed.Gap = lease.Token, lease.Now(), cursor.Gap
	if mark := cursor.Watermark; !mark.IsZero() { // from which a deleted document is rebuilt
		failed.Watermark, failed.LagSeconds = &mark, new(int64(max(0, lease.Now().Sub(mark)).Seconds()))
	}
	late, cancelLate := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancelLate()
	return failed, c.Store.Release(late, lease, store.Run(failed.Summary))
}
