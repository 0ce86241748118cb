package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"duo-telephony-collector/internal/store"
)

// skewed is an answer by a server whose clock is ahead of this machine's.
type skewed struct {
	grpc.ClientStream
	ahead time.Duration
}

func (s skewed) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if r, ok := m.(*firestorepb.BatchGetDocumentsResponse); ok && r.ReadTime != nil {
		r.ReadTime = timestamppb.New(r.ReadTime.AsTime().Add(s.ahead))
	}
	return err
}

// openSkewed returns a store on such a server.
func (c *collection) openSkewed(ahead time.Duration) *store.Store {
	c.t.Helper()
	return c.open(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := open(ctx, desc, cc, method, opts...)
		return skewed{s, ahead}, err
	}))
}

// TestFirestoreClock: the server's clock alone decides when a lease has expired.
func TestFirestoreClock(t *testing.T) {
	t.Parallel()
	c := newCollection(t)
	mustAcquire(t, c.open(), claim("mine", 1))
	state, err := c.openSkewed(time.Hour).Load(t.Context(), stream)
	if ahead := time.Until(state.Now); err != nil || ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("error %v, and a clock %v ahead of this machine's, want the server's hour", err, ahead)
	}
	if _, _, err := c.openSkewed(-time.Hour).Acquire(t.Context(), stream, claim("early", 2)); !errors.Is(err, store.ErrHeld) {
		t.Errorf("an hour before: got error %v, want ErrHeld", err)
	}
	lease, _, err := c.openSkewed(time.Hour).Acquire(t.Context(), stream, claim("late", 3))
	if err != nil || lease.Token != 2 {
		t.Fatalf("an hour later: got lease %+v and error %v, want token 2", lease, err)
	}
	c.edit(stream, func(fields map[string]any) {
		fields["lease"].(map[string]any)["acquired_at"] = time.Now().Add(-2 * time.Minute)
	})
	if _, _, err := c.openSkewed(-time.Hour).Acquire(t.Context(), stream, claim("early", 4)); !errors.Is(err, store.ErrHeld) {
		t.Errorf("expired by this machine's clock, not by the server's: got error %v, want ErrHeld", err)
	}
}
