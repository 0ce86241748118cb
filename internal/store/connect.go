package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync/atomic"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	// An idle connection is pinged when it is used again, and dropped after
	// deadAfter without an answer. That is before callTimeout, so the retry
	// already gets a new one. While a request waits, there is a ping every
	// pingEvery, the least that grpc allows; otherwise there is none, because
	// Google's servers may close a connection that pings while idle.
	pingEvery = 10 * time.Second
	deadAfter = 4 * time.Second
	// rollbackTimeout bounds the roll-back of a failed transaction. The client
	// would wait for five seconds past the context, too long for a shut-down.
	rollbackTimeout = time.Second
)

// DialOptions must be used for the connection to Firestore. They make it notice a dead
// connection, keep a roll-back short, and leave retries to the store: by itself the client
// repeats a commit until the context ends, and a read five times.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: deadAfter}),
		grpc.WithChainUnaryInterceptor(unaryOnce),
		grpc.WithChainStreamInterceptor(streamOnce),
	}
}

// answer hides an error's status code from the client, which would otherwise
// repeat the request. bare unwraps it.
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

// connector makes the client when it is first needed, once for all callers.
type connector struct {
	connect func(context.Context) (*firestore.Client, error)

	connecting singleflight.Group
	made       atomic.Pointer[firestore.Client]
}

// client waits for the client until ctx ends. The next operation then tries anew.
func (c *connector) client(ctx context.Context) (*firestore.Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connecting to Firestore: %w", err)
	}
	attempt := c.connecting.DoChan("", func() (any, error) {
		if c.made.Load() != nil {
			return nil, nil
		}
		client, err := c.connect(context.WithoutCancel(ctx))
		if err == nil {
			c.made.Store(client)
		}
		return nil, err
	})
	select {
	case made := <-attempt:
		return c.made.Load(), made.Err
	case <-ctx.Done():
		c.connecting.Forget("")
		return nil, fmt.Errorf("connecting to Firestore: %w", ctx.Err())
	}
}
