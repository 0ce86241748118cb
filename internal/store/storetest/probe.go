package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"duo-telephony-collector/internal/store"
)

// testProbe: a probe returns the state and changes nothing, without a document
// and with a held lease.
func testProbe(t *testing.T, b Backend) {
	s := b.Open()
	none := unchanged(t, b)
	if state, err := s.Probe(t.Context(), stream); err != nil || !state.Cursor.Watermark.IsZero() || state.Lease.Holder != "" {
		t.Errorf("without a document: %+v, %v", state, err)
	}
	none("a probe without a document")

	lease, _ := acquire(t, s, claim("first"))
	held := unchanged(t, b)
	state, err := b.Open().Probe(t.Context(), stream)
	mustDo(t, err)
	want := load(t, s, stream)
	if diff := cmp.Diff(want, state, cmpopts.IgnoreFields(store.State{}, "Now"), cmpopts.IgnoreUnexported(store.Lease{})); diff != "" {
		t.Errorf("state (-loaded +probed):\n%s", diff)
	}
	held("a probe")
	mustDo(t, s.Commit(t.Context(), lease, pages(1)))
}
