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
	// callPause is the longest pause before the first retry; it doubles.
	callPause = time.Second
	// maxFailures is how many requests of one operation may fail. Despite
	// WithMaxAttempts the library retries uploads until the context ends.
	maxFailures = 5
)

// failuresKey is the context key of how many requests of an operation have failed.
type failuresKey struct{}

// oneOperation returns a context whose calls count their failures together.
func oneOperation(ctx context.Context) context.Context {
	if ctx.Value(failuresKey{}) != nil {
		return ctx
	}
	return context.WithValue(ctx, failuresKey{}, new(atomic.Int32))
}

// call runs do with its own time-out, and lets the library retry temporary errors.
// After a time-out the error has the last answer that was retried, where the library
// says only that time is up, and wraps the caller's context's if that has ended.
func (g *GCS) call(ctx context.Context, do func(context.Context, *storage.BucketHandle) error) error {
	ctx = oneOperation(ctx)
	failed := ctx.Value(failuresKey{}).(*atomic.Int32)
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

// explain turns an error answer of Cloud Storage into one for an operator. Other
// errors are returned unchanged. The library reports every 404 as a missing
// object, even if the bucket is missing.
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
