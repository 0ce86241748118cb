package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	// A connection that was idle is tried with a ping as it is used again, and
	// given up after deadAfter without an answer: before callTimeout, so that
	// the request's repeat already has a new one. While a request waits there
	// is a ping every pingEvery, the least that grpc allows; while none does,
	// there is no ping, which Google's servers would take ill.
	pingEvery = 10 * time.Second
	deadAfter = 4 * time.Second
	// rollbackTimeout bounds what follows a transaction that failed. The client
	// would take five seconds beyond the context, which a shut-down lacks.
	rollbackTimeout = time.Second
)

// DialOptions are what a connection to Firestore needs so that the store can
// keep its word: a dead one is noticed, a roll-back is short, and nothing is
// repeated but by the store itself. Without them the client repeats a commit
// for as long as the context lasts, and a read five times for each of ours.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: deadAfter}),
		grpc.WithChainUnaryInterceptor(unaryOnce),
		grpc.WithChainStreamInterceptor(streamOnce),
	}
}

// answer is an error as it came over the wire, in a form in which the client
// does not find the code that would make it repeat the request.
type answer struct{ err error }

func (a *answer) Error() string { return a.err.Error() }

func once(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &answer{err}
}

func unaryOnce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if path.Base(method) == "Rollback" {
		short, cancel := context.WithTimeout(ctx, rollbackTimeout)
		defer cancel()
		ctx = short
	}
	return once(invoke(ctx, method, req, reply, cc, opts...))
}

func streamOnce(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, once(err)
	}
	return onceStream{s}, nil
}

type onceStream struct{ grpc.ClientStream }

func (s onceStream) RecvMsg(m any) error { return once(s.ClientStream.RecvMsg(m)) }

// connector makes the client when it is first needed, once for all who ask at
// the same time.
type connector struct {
	connect func(context.Context) (*firestore.Client, error)

	mu      sync.Mutex
	attempt *attempt // nil before the first one and after one that failed
}

// attempt is a client in the making, and then the client.
type attempt struct {
	done   chan struct{}
	client *firestore.Client
	err    error
}

// client waits for the client as long as ctx allows. A wait in vain gives the
// attempt up, so that the next operation begins another one.
func (c *connector) client(ctx context.Context) (*firestore.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connecting to Firestore: %w", err)
	}
	a := c.begin(ctx)
	select {
	case <-a.done:
		if a.err != nil {
			c.forget(a)
		}
		return a.client, a.err
	case <-ctx.Done():
		c.forget(a)
		return nil, fmt.Errorf("connecting to Firestore: %w", ctx.Err())
	}
}

func (c *connector) begin(ctx context.Context) *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt == nil {
		c.attempt = &attempt{done: make(chan struct{})}
		go c.attempt.make(context.WithoutCancel(ctx), c.connect)
	}
	return c.attempt
}

func (a *attempt) make(ctx context.Context, connect func(context.Context) (*firestore.Client, error)) {
	a.client, a.err = connect(ctx)
	close(a.done)
}

func (c *connector) forget(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt == a {
		c.attempt = nil
	}
}
