package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/store/storetest"
)

func TestFirestore(t *testing.T) {
	t.Parallel()
	emulator.Firestore(t)
	storetest.Test(t, func(t *testing.T) storetest.Backend {
		c := newCollection(t)
		return storetest.Backend{
			Open:   func() *store.Store { return c.open() },
			Raw:    c.raw,
			Edit:   c.edit,
			Delete: c.delete,
			Env:    []string{firestoreVar + "=" + c.addr, collectionVar + "=" + c.name},
			Lock:   90 * time.Second, // it was measured to be a minute
		}
	})
}

// dial connects as the service does, with interceptors in between.
func dial(ctx context.Context, addr string, opts ...grpc.DialOption) (*firestore.Client, error) {
	opts = slices.Concat(store.DialOptions(), opts, []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())})
	conn, err := grpc.NewClient(addr, opts...)
	if err != nil {
		return nil, err
	}
	return firestore.NewClient(ctx, "store-test", option.WithGRPCConn(conn))
}

// made turns a client into what NewFirestore connects with.
func made(client *firestore.Client) func(context.Context) (*firestore.Client, error) {
	return func(context.Context) (*firestore.Client, error) { return client, nil }
}

// collection is a test's own collection on the emulator.
type collection struct {
	t      *testing.T
	addr   string
	name   string
	client *firestore.Client
}

// warmUp makes the emulator load its classes, which takes seconds, before a test
// sets a deadline.
var warmUp sync.Once

func newCollection(t *testing.T) *collection {
	t.Helper()
	c := &collection{t: t, addr: emulator.Firestore(t), name: fmt.Sprintf("test-%x", rand.Uint64())}
	c.client = c.dial()
	warmUp.Do(func() {
		if _, err := c.doc(stream).Set(t.Context(), map[string]any{}); err != nil {
			t.Fatal(err)
		}
		c.delete(stream)
	})
	return c
}

func (c *collection) dial(opts ...grpc.DialOption) *firestore.Client {
	c.t.Helper()
	client, err := dial(c.t.Context(), c.addr, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	return client
}

// open returns a store with a connection of its own.
func (c *collection) open(opts ...grpc.DialOption) *store.Store {
	c.t.Helper()
	client := c.dial(opts...)
	return store.NewFirestore(made(client), c.name)
}

func (c *collection) doc(stream string) *firestore.DocumentRef {
	return c.client.Collection(c.name).Doc(stream)
}

// get returns the document's fields, nil if there is none, and its version.
func (c *collection) get(stream string) (map[string]any, string) {
	c.t.Helper()
	snap, err := c.doc(stream).Get(c.t.Context())
	if status.Code(err) == codes.NotFound {
		return nil, ""
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return snap.Data(), snap.UpdateTime.String()
}

func (c *collection) raw(stream string) string {
	c.t.Helper()
	fields, version := c.get(stream)
	if fields == nil {
		return ""
	}
	text, err := json.Marshal(fields)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text) + " " + version
}

func (c *collection) edit(stream string, change func(map[string]any)) {
	c.t.Helper()
	fields, _ := c.get(stream)
	change(fields)
	if _, err := c.doc(stream).Set(c.t.Context(), fields); err != nil {
		c.t.Fatal(err)
	}
}

func (c *collection) delete(stream string) {
	c.t.Helper()
	if _, err := c.doc(stream).Delete(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// TestConnect: the client is made on first use, and again if that fails.
func TestConnect(t *testing.T) {
	t.Parallel()
	c := newCollection(t)
	var tries int
	away := &store.SetupError{Reason: errors.New("no credentials"), Hint: "log in"}
	s := store.NewFirestore(func(context.Context) (*firestore.Client, error) {
		if tries++; tries < 3 {
			return nil, away
		}
		return c.client, nil
	}, c.name)
	if tries != 0 {
		t.Error("the client was made before it was needed")
	}
	if _, err := s.Load(t.Context(), stream); !errors.Is(err, away) {
		t.Errorf("got error %v, want the reason", err)
	}
	if _, err := s.Runs(t.Context(), stream, 1); !errors.Is(err, away) {
		t.Errorf("got error %v, want the reason", err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := s.Load(t.Context(), stream); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if tries != 3 {
		t.Errorf("the client was made or tried %d times, want 3", tries)
	}
}

// TestCommitSize: a commit sends what is new, and not the rest of Seen.
func TestCommitSize(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	l := ownLease(t, w)
	var c store.Cursor
	size := func() int {
		c.Seen = c.Seen.With(ids(len(c.Seen), 1000), noon, 0)
		c.Seen, _, _ = c.Seen.Bounded(40_000)
		if err := w.broken.Commit(t.Context(), l, c); err != nil {
			t.Fatal(err)
		}
		return w.wire.size
	}
	first := size()
	for range 45 {
		if now := size(); now > first+100 {
			t.Fatalf("with %d entries a commit has %d bytes, with none before it %d", c.Seen.Len(), now, first)
		}
	}
	if n := c.Seen.Len(); n < 39_000 {
		t.Errorf("Seen has only %d entries", n)
	}
}

func TestFirestoreHistory(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	l := ownLease(t, w)
	if err := w.broken.Finish(t.Context(), l, cursor(1), run("mine")); err != nil {
		t.Fatal(err)
	}
	const name = "duo-collector-runs"
	if tf, err := os.ReadFile("../../deploy/terraform/firestore.tf"); err != nil || !bytes.Contains(tf, []byte(`collection = "`+name+`"`)) {
		t.Errorf("Terraform's TTL policy is not for %s (%v)", name, err)
	}
	record := w.doc(stream).Collection(name).Doc("mine")
	snap, err := record.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snap.Data()["expire_at"], run("mine").StartedAt.AddDate(0, 0, 90); got != want {
		t.Errorf("expire_at is %v, want %v", got, want)
	}
	w.wire.breakWith(refuse(codes.PermissionDenied))
	if _, err := w.broken.Runs(t.Context(), stream, 1); !errors.Is(err, store.ErrSetup) {
		t.Errorf("without permission: got error %v, want ErrSetup", err)
	}
	w.wire.breakWith(nil)
	if _, err := record.Update(t.Context(), []firestore.Update{{Path: "pages", Value: "many"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.broken.Runs(t.Context(), stream, 1); !errors.Is(err, store.ErrSetup) {
		t.Errorf("with a record edited by hand: got error %v, want ErrSetup", err)
	}
}
