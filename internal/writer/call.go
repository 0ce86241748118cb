package writer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
)

const (
	// callTimeout bounds one call with all its retries.
	callTimeout = 60 * time.Second
	// callPause is the longest pause before the first repeat; it doubles.
	callPause = time.Second
	// maxFailures is how many requests of one operation may fail. The library
	// has no such bound for uploads, whatever WithMaxAttempts says: it repeats
	// them until the context ends.
	maxFailures = 5
)

// failures counts the requests of one operation that failed, in all its calls.
type failures struct{ atomic.Int32 }

// failuresKey is where a context carries the operation's *failures.
type failuresKey struct{}

// oneOperation makes all calls with the context that it returns count together.
func oneOperation(ctx context.Context) context.Context {
	if ctx.Value(failuresKey{}) != nil {
		return ctx
	}
	return context.WithValue(ctx, failuresKey{}, new(failures))
}

// call runs do with a time-out of its own, and lets the library repeat what may
// heal. Where the time-out ends it, the error tells the last answer that the
// library had retried; the library itself would only tell that time is up. The
// end of the caller's own context is returned as such.
func (g *GCS) call(ctx context.Context, do func(context.Context, *storage.BucketHandle) error) error {
	ctx = oneOperation(ctx)
	failed := ctx.Value(failuresKey{}).(*failures)
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var last atomic.Pointer[error]
	bucket := g.client.Bucket(g.bucket).Retryer(
		storage.WithBackoff(gax.Backoff{Initial: g.pause, Max: 8 * g.pause, Multiplier: 2}),
		storage.WithErrorFunc(func(err error) bool {
			if failed.Add(1) >= maxFailures || limited.Err() != nil || !storage.ShouldRetry(err) {
				return false
			}
			last.Store(&err)
			return true
		}))
	err := do(limited, bucket)
	if limited.Err() == nil || !errors.Is(err, limited.Err()) {
		return err
	}
	cause := errors.New("no answer")
	if retried := last.Load(); retried != nil {
		cause = g.explain(*retried)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%v)", ctx.Err(), cause)
	}
	return fmt.Errorf("no success within %s: %v", g.timeout, cause)
}

// explain says what an error answer of Cloud Storage means to an operator. Other
// errors pass. The library takes every 404 for an object that does not exist,
// also where the bucket does not.
func (g *GCS) explain(err error) error {
	r, ok := refusalOf(err)
	switch {
	case errors.Is(err, storage.ErrObjectNotExist) && !strings.Contains(r.text, "bucket does not exist"):
		return fs.ErrNotExist
	case ok:
		return r.explain(g.bucket)
	}
	return err
}
