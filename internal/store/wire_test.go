package store_test

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"duo-telephony-collector/internal/store"
)

// wire is between the client and the emulator. It records each request and
// passes it to a fault, if one is set.
type wire struct {
	mu    sync.Mutex
	fault fault
	calls []string
	size  int // of the latest commit, in bytes
}

// fault handles a request: Get, Commit (with its number of writes), Begin,
// Rollback or Query. send passes it to the server.
type fault func(ctx context.Context, call string, send func() error) error

// names shortens the methods that the store uses.
var names = map[string]string{"BatchGetDocuments": "Get", "RunQuery": "Query", "BeginTransaction": "Begin", "Rollback": "Rollback"}

func (w *wire) pass(ctx context.Context, call string, send func() error) error {
	w.mu.Lock()
	w.calls = append(w.calls, call)
	f := w.fault
	w.mu.Unlock()
	if f == nil {
		return send()
	}
	return f(ctx, call, send)
}

// breakWith sets or clears the fault, and clears the record of requests.
func (w *wire) breakWith(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.calls = f, nil
}

func (w *wire) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *wire) intercept() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(w.unary), grpc.WithChainStreamInterceptor(w.stream)}
}

func (w *wire) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	call := names[path.Base(method)]
	if r, ok := req.(*firestorepb.CommitRequest); ok {
		call = fmt.Sprint("Commit ", len(r.Writes))
		w.mu.Lock()
		w.size = proto.Size(r)
		w.mu.Unlock()
	}
	return w.pass(ctx, call, func() error { return invoke(ctx, method, req, reply, cc, opts...) })
}

func (w *wire) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	var s grpc.ClientStream
	err := w.pass(ctx, names[path.Base(method)], func() (err error) {
		s, err = open(ctx, desc, cc, method, opts...)
		return err
	})
	return s, err
}

// wired is a store behind a wire that a test breaks, and another run's store on
// the same data behind a sound wire.
type wired struct {
	*collection
	wire, soundWire *wire
	broken, sound   *store.Store
}

func newWired(t *testing.T) *wired {
	w := &wired{collection: newCollection(t), wire: &wire{}, soundWire: &wire{}}
	w.broken = w.open(w.wire.intercept()...)
	w.sound = w.open(w.soundWire.intercept()...)
	return w
}

// notRepeated is an answer that the client, other than Unavailable, does not
// retry, and that says nothing about the outcome of a write.
const notRepeated = codes.ResourceExhausted

func refusal(code codes.Code) error { return status.Error(code, "injected") }

func isCommit(call string) bool { return call == "Commit 1" || call == "Commit 2" }

// requestLost is a fault that drops the first commit and calls meanwhile.
func requestLost(code codes.Code, meanwhile func()) fault {
	var once atomic.Bool
	return func(_ context.Context, call string, send func() error) error {
		if !isCommit(call) || !once.CompareAndSwap(false, true) {
			return send()
		}
		meanwhile()
		return refusal(code)
	}
}

// answerLost is a fault that drops the answer to the first commit, calls
// meanwhile, and passes all later requests to then.
func answerLost(code codes.Code, meanwhile func(), then fault) fault {
	var once atomic.Bool
	return func(ctx context.Context, call string, send func() error) error {
		if once.Load() {
			return then(ctx, call, send)
		}
		err := send()
		if !isCommit(call) || err != nil {
			return err
		}
		once.Store(true)
		meanwhile()
		return refusal(code)
	}
}

func nothing() {}

func pass(_ context.Context, _ string, send func() error) error { return send() }

// refuse is a fault that answers every request but the exempt ones with the code.
func refuse(code codes.Code, exempt ...string) fault {
	return func(_ context.Context, call string, send func() error) error {
		if slices.Contains(exempt, call) {
			return send()
		}
		return refusal(code)
	}
}
