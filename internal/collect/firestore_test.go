package collect_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	pb "cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/store"
)

// useFirestore makes Firestore's emulator the world's store, with the real client.
func (w *world) useFirestore(opts ...grpc.DialOption) {
	t := w.t
	t.Helper()
	moved := &movedClock{now: w.clock, shown: map[time.Time]time.Time{}, real: map[time.Time]time.Time{}}
	clientOptions := []option.ClientOption{option.WithEndpoint(emulator.Firestore(t)), option.WithoutAuthentication()}
	for _, o := range append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(moved.call), grpc.WithChainStreamInterceptor(moved.stream)) {
		clientOptions = append(clientOptions, option.WithGRPCDialOption(o))
	}
	client, err := firestore.NewClient(context.Background(), "demo", clientOptions...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	collection := client.Collection("c" + strings.ToLower(rand.Text()))
	w.store = store.NewFirestore(func(context.Context) (*firestore.Client, error) { return client, nil }, collection.ID)
	w.forget = func(stream string) {
		if _, err := collection.Doc(stream).Delete(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	w.age = func() { ageDocument(t, collection.Doc(w.stream)) }
}

// ageDocument does what toSchema2 does.
func ageDocument(t *testing.T, ref *firestore.DocumentRef) {
	t.Helper()
	snap, err := ref.Get(context.Background())
	if snap == nil {
		t.Fatal(err)
	}
	if !snap.Exists() {
		return
	}
	doc := snap.Data()
	makeSchema2(doc)
	seen := doc["seen"].(map[string]any)
	for number := range seen {
		seen[number] = schema2Part
	}
	if _, err := ref.Set(context.Background(), doc); err != nil {
		t.Fatal(err)
	}
}

// movedClock is on the wire to the emulator, whose clock is the real one, and has
// it show the world's time. A document's update time is its version, so each of
// them is another one, stays the same, and is given back as the real one.
type movedClock struct {
	now func() time.Time

	mu          sync.Mutex
	latest      time.Time
	shown, real map[time.Time]time.Time
}

// read replaces the time at which an answer was read.
func (m *movedClock) read(ts *timestamppb.Timestamp) *timestamppb.Timestamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ts == nil {
		return nil
	}
	if now := m.now(); now.After(m.latest) {
		m.latest = now
	}
	return timestamppb.New(m.latest)
}

// updated replaces the time at which a document was written.
func (m *movedClock) updated(ts *timestamppb.Timestamp) *timestamppb.Timestamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ts == nil {
		return nil
	}
	real := ts.AsTime()
	if m.shown[real].IsZero() {
		m.latest = m.latest.Add(time.Microsecond)
		if now := m.now(); now.After(m.latest) {
			m.latest = now
		}
		m.shown[real], m.real[m.latest] = m.latest, real
	}
	return timestamppb.New(m.shown[real])
}

// written returns a request as the emulator can compare it. The client may send
// the given one again.
func (m *movedClock) written(c *pb.CommitRequest) *pb.CommitRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	c = proto.CloneOf(c)
	for _, w := range c.Writes {
		if at := w.GetCurrentDocument().GetUpdateTime(); at != nil {
			w.CurrentDocument = &pb.Precondition{ConditionType: &pb.Precondition_UpdateTime{UpdateTime: timestamppb.New(m.real[at.AsTime()])}}
		}
	}
	return c
}

// call is a unary interceptor.
func (m *movedClock) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if c, ok := req.(*pb.CommitRequest); ok {
		req = m.written(c)
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if c, ok := reply.(*pb.CommitResponse); ok {
		c.CommitTime = m.read(c.CommitTime)
		for _, r := range c.WriteResults {
			r.UpdateTime = m.updated(r.UpdateTime)
		}
	}
	return err
}

// stream is a stream interceptor.
func (m *movedClock) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	return movedStream{s, m}, err
}

type movedStream struct {
	grpc.ClientStream
	clock *movedClock
}

func (s movedStream) RecvMsg(msg any) error {
	err := s.ClientStream.RecvMsg(msg)
	switch m := msg.(type) {
	case *pb.BatchGetDocumentsResponse:
		m.ReadTime = s.clock.read(m.ReadTime)
		if doc := m.GetFound(); doc != nil {
			doc.UpdateTime = s.clock.updated(doc.UpdateTime)
		}
	case *pb.RunQueryResponse:
		m.ReadTime = s.clock.read(m.ReadTime)
		if doc := m.GetDocument(); doc != nil {
			doc.UpdateTime = s.clock.updated(doc.UpdateTime)
		}
	}
	return err
}
