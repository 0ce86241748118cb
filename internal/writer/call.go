package writer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
)

// callTimeout bounds one call with all its retries. The library has no bound:
// it repeats an upload until the context ends, whatever WithMaxAttempts says.
const callTimeout = 60 * time.Second

// call runs do with a time-out of its own. Where that ends it, the error tells
// the last answer that the library had retried; the library itself would only
// tell that time is up. The end of the caller's own context is returned as such.
func (g *GCS) call(ctx context.Context, do func(context.Context, *storage.BucketHandle) error) error {
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var last atomic.Pointer[error]
	bucket := g.client.Bucket(g.bucket).Retryer(storage.WithErrorFunc(func(err error) bool {
		if limited.Err() != nil || !storage.ShouldRetry(err) {
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

// nameTaken tells whether a create was refused because the name is taken. An
// account that can only create may be told that it lacks the permission to
// delete what is there; nothing but the text tells that 403 from others.
func nameTaken(err error) bool {
	answer, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return false
	}
	return answer.Code == http.StatusPreconditionFailed ||
		answer.Code == http.StatusForbidden && strings.Contains(answer.Message, "storage.objects.delete")
}

// explain says what an error answer of Cloud Storage means to an operator,
// without the answer's body. Other errors pass.
func (g *GCS) explain(err error) error {
	if errors.Is(err, storage.ErrObjectNotExist) {
		return fs.ErrNotExist
	}
	answer, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return err
	}
	message := cmp.Or(answer.Message, http.StatusText(answer.Code))
	told := fmt.Sprintf("Cloud Storage answered %d %s", answer.Code, message)
	switch answer.Code {
	case http.StatusNotFound:
		return &SetupError{told, fmt.Sprintf("create the bucket %s or correct GCS_BUCKET", g.bucket)}
	case http.StatusUnauthorized, http.StatusForbidden:
		return &SetupError{told, fmt.Sprintf("grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket %s", g.bucket)}
	}
	return errors.New(told)
}
