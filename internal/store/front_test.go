package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"duo-telephony-collector/internal/store"
)

// front is a server before the emulator that answers some requests itself, over
// the wire.
type front struct {
	firestorepb.UnimplementedFirestoreServer
	behind firestorepb.FirestoreClient

	mu    sync.Mutex
	fault fault
	calls []string
}

// fronted is a store that talks to the front, on a collection of its own.
type fronted struct {
	*collection
	front *front
	store *store.Store
}

func newFronted(t *testing.T) *fronted {
	t.Helper()
	f := &fronted{collection: newCollection(t), front: &front{}}
	behind, err := grpc.NewClient(f.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { behind.Close() })
	f.front.behind = firestorepb.NewFirestoreClient(behind)
	client, err := dial(t.Context(), serveFirestore(t, f.front))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	f.store = store.NewFirestore(made(client), f.name)
	return f
}

// wired returns the store behind the front as the broken one, with a sound one
// beside it.
func (f *fronted) wired() *wired {
	w := &wired{collection: f.collection, wire: &wire{}, soundWire: &wire{}}
	w.broken, w.sound = f.store, f.open(w.soundWire.intercept()...)
	return w
}

// serveFirestore returns the address of a server.
func serveFirestore(t *testing.T, s firestorepb.FirestoreServer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	firestorepb.RegisterFirestoreServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// breakWith sets or clears the fault, and clears the record of requests.
func (f *front) breakWith(fault fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = fault, nil
}

// count returns how many requests of a kind there were.
func (f *front) count(is func(call string) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.calls), func(call string) bool { return !is(call) }))
}

func (f *front) pass(ctx context.Context, call string, send func() error) error {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return send()
	}
	return fault(ctx, call, send)
}

// unary forwards a request and its answer.
func unary[Q, R any](ctx context.Context, f *front, call string, r *Q, send func(context.Context, *Q, ...grpc.CallOption) (*R, error)) (*R, error) {
	var answer *R
	err := f.pass(ctx, call, func() (err error) {
		answer, err = send(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (f *front) BeginTransaction(ctx context.Context, r *firestorepb.BeginTransactionRequest) (*firestorepb.BeginTransactionResponse, error) {
	return unary(ctx, f, "Begin", r, f.behind.BeginTransaction)
}

func (f *front) Rollback(ctx context.Context, r *firestorepb.RollbackRequest) (*emptypb.Empty, error) {
	return unary(ctx, f, "Rollback", r, f.behind.Rollback)
}

func (f *front) Commit(ctx context.Context, r *firestorepb.CommitRequest) (*firestorepb.CommitResponse, error) {
	return unary(ctx, f, fmt.Sprint("Commit ", len(r.Writes)), r, f.behind.Commit)
}

func (f *front) BatchGetDocuments(r *firestorepb.BatchGetDocumentsRequest, to firestorepb.Firestore_BatchGetDocumentsServer) error {
	return f.pass(to.Context(), "Get", func() error {
		from, err := f.behind.BatchGetDocuments(to.Context(), r)
		return forward(to, from, err)
	})
}

func (f *front) RunQuery(r *firestorepb.RunQueryRequest, to firestorepb.Firestore_RunQueryServer) error {
	return f.pass(to.Context(), "Query", func() error {
		from, err := f.behind.RunQuery(to.Context(), r)
		return forward(to, from, err)
	})
}

// The two ends of a streamed answer.
type (
	sender[R any]   interface{ Send(*R) error }
	receiver[R any] interface{ Recv() (*R, error) }
)

func forward[R any](to sender[R], from receiver[R], err error) error {
	for err == nil {
		var r *R
		if r, err = from.Recv(); err == nil {
			err = to.Send(r)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
