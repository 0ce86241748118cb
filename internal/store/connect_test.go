package store_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"duo-telephony-collector/internal/store"
)

// tunnel forwards connections until it drops all data silently, like a network
// that has forgotten them.
type tunnel struct {
	mu    sync.Mutex
	holes []*atomic.Bool
}

func newTunnel(t *testing.T, to string) (*tunnel, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u := &tunnel{}
	go u.serve(l, to)
	return u, l.Addr().String()
}

func (u *tunnel) serve(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		hole := new(atomic.Bool)
		u.mu.Lock()
		u.holes = append(u.holes, hole)
		u.mu.Unlock()
		go pipe(out, in, hole)
		go pipe(in, out, hole)
	}
}

func pipe(to, from net.Conn, hole *atomic.Bool) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if err != nil {
			to.Close()
			return
		}
		if !hole.Load() {
			to.Write(b[:n])
		}
	}
}

// swallow drops the data of all connections so far.
func (u *tunnel) swallow() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, h := range u.holes {
		h.Store(true)
	}
}

// TestDeadConnection: the operation that finds a connection dead replaces it and
// succeeds.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Acquire, update", "Commit", "Finish"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWired(t)
			u, addr := newTunnel(t, w.addr)
			client, err := dial(t.Context(), addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			w.broken = store.NewFirestore(made(client), w.name)
			op := operations[name]
			l := op.before(t, w)
			if _, err := w.broken.Load(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			u.swallow()
			l, err = op.do(t.Context(), w.broken, l)
			if err != nil {
				t.Fatal(err)
			}
			op.expectDone(t, w, l)
		})
	}
}

// TestConnectHangs: an operation waits for the client until its context ends, and
// the next one starts a new attempt.
func TestConnectHangs(t *testing.T) {
	t.Parallel()
	c := newCollection(t)
	var tries atomic.Int64
	hang := make(chan struct{})
	s := store.NewFirestore(func(context.Context) (*firestore.Client, error) {
		if tries.Add(1) == 1 {
			<-hang
			return nil, errors.New("the metadata server does not answer")
		}
		return c.client, nil
	}, c.name)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := s.Load(ctx, stream); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want that the time is over", err)
			}
		})
	}
	all.Wait()
	if _, err := s.Load(t.Context(), stream); err != nil {
		t.Error(err)
	}
	close(hang)
	if _, err := s.Load(t.Context(), stream); err != nil || tries.Load() != 2 {
		t.Errorf("error %v and %d tries, want the client that was made", err, tries.Load())
	}
}
