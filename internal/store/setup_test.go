package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"duo-telephony-collector/internal/store"
)

// TestProbe: a probe costs two requests, changes nothing, and finds out if only
// reading is allowed. TestRefusedProbe has Firestore's other answers.
func TestProbe(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	ownLease(t, w)
	w.wire.breakWith(nil)
	if _, err := w.broken.Probe(t.Context(), stream); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"Get", "Commit 1"}, w.wire.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for name, exempt := range map[string]string{"reading": "", "writing": "Get"} {
		w.wire.breakWith(refuse(codes.PermissionDenied, exempt))
		_, err := w.broken.Probe(t.Context(), stream)
		const hint = "grant the service account roles/datastore.user on the database"
		if setup, ok := errors.AsType[*store.SetupError](err); !ok || setup.Hint != hint {
			t.Errorf("without permission for %s: %v", name, err)
		}
	}
	w.wire.breakWith(refuse(codes.Internal, "Get"))
	if _, err := w.broken.Probe(t.Context(), stream); err == nil || errors.Is(err, store.ErrSetup) {
		t.Errorf("without an answer to the write: %v", err)
	}
}
