package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// historyTTL is after how long a TTL policy on expire_at may delete a run.
const historyTTL = 90 * 24 * time.Hour

// NewFirestore returns the store that keeps a document for each stream in the
// collection. Its clock is Firestore's: the read time of every answer.
//
// The client is made by the first operation, because making it connects. An
// operation that fails to make it returns connect's error, and the next one
// tries again. The client outlives the operation's context.
func NewFirestore(connect func(context.Context) (*firestore.Client, error), collection string) *Store {
	return &Store{backend: &firestoreBackend{connect: connect, collection: collection}}
}

type firestoreBackend struct {
	connect    func(context.Context) (*firestore.Client, error)
	collection string

	mu   sync.Mutex
	made *firestore.Client // nil until it is needed
}

func (f *firestoreBackend) client(ctx context.Context) (*firestore.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made != nil {
		return f.made, nil
	}
	client, err := f.connect(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	f.made = client
	return client, nil
}

// doc is where the stream's document is, whether there is one or not.
func (f *firestoreBackend) doc(ctx context.Context, stream string) (*firestore.DocumentRef, error) {
	client, err := f.client(ctx)
	if err != nil {
		return nil, err
	}
	return client.Collection(f.collection).Doc(stream), nil
}

func (f *firestoreBackend) read(ctx context.Context, stream string) (document, stamp, error) {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return document{}, stamp{}, err
	}
	snap, err := ref.Get(ctx)
	if snap == nil { // a missing document comes with a snapshot, a missing database without
		return document{}, stamp{}, firestoreError("reading the state", err)
	}
	at := stamp{now: snap.ReadTime}
	if !snap.Exists() {
		return document{}, at, nil
	}
	at.version = snap.UpdateTime.UnixNano()
	doc, err := decodeSnapshot(snap)
	return doc, at, err
}

func decodeSnapshot(snap *firestore.DocumentSnapshot) (document, error) {
	where := "document " + snap.Ref.Path
	schema, err := snap.DataAt("schema")
	if err != nil {
		return document{}, unreadable(where, err)
	}
	n, _ := schema.(int64)
	if err := checkSchema(where, n); err != nil {
		return document{}, err
	}
	var doc document
	if err := snap.DataTo(&doc); err != nil {
		return document{}, unreadable(where, err)
	}
	return doc, doc.unpack(where)
}

func (f *firestoreBackend) write(ctx context.Context, stream string, version int64, c change) (stamp, error) {
	client, err := f.client(ctx)
	if err != nil {
		return stamp{}, err
	}
	ref := client.Collection(f.collection).Doc(stream)
	if version == 0 {
		return create(ctx, ref, c)
	}
	// A batch is one request. A transaction would need two for the same, and
	// after a failure up to five seconds beyond its context to roll back.
	//lint:ignore SA1019 nothing else writes two documents in one request
	batch := client.Batch().Update(ref, updates(c), firestore.LastUpdateTime(time.Unix(0, version)))
	if c.run != nil {
		batch.Set(history(ref).Doc(c.run.ID), record(*c.run))
	}
	res, err := batch.Commit(ctx)
	if err != nil {
		return stamp{}, writeError(err)
	}
	return stamp{version: res[0].UpdateTime.UnixNano(), now: res[0].UpdateTime}, nil
}

func create(ctx context.Context, ref *firestore.DocumentRef, c change) (stamp, error) {
	doc := document{Schema: Schema, Seq: c.seq, Lease: fieldsOf(c.lease), Seen: map[string][]byte{}}
	if c.cursor != nil {
		doc.Cursor = *c.cursor
	}
	more, _ := c.parts()
	for _, p := range more {
		doc.Seen[key(p.Number)] = p.pack()
	}
	res, err := ref.Create(ctx, doc)
	if err != nil {
		return stamp{}, writeError(err)
	}
	return stamp{version: res.UpdateTime.UnixNano(), now: res.UpdateTime}, nil
}

func updates(c change) []firestore.Update {
	u := []firestore.Update{
		{Path: "seq", Value: c.seq},
		{Path: "lease", Value: fieldsOf(c.lease)},
	}
	if c.cursor != nil {
		u = append(u, firestore.Update{Path: "schema", Value: Schema}, firestore.Update{Path: "cursor", Value: *c.cursor})
	}
	more, gone := c.parts()
	for _, p := range more {
		u = append(u, firestore.Update{FieldPath: seenPath(p.Number), Value: p.pack()})
	}
	for _, number := range gone {
		u = append(u, firestore.Update{FieldPath: seenPath(number), Value: firestore.Delete})
	}
	return u
}

func seenPath(number int64) firestore.FieldPath { return firestore.FieldPath{"seen", key(number)} }

// runRecord is a run in the sub-collection "runs".
type runRecord struct {
	Run
	ExpireAt time.Time `firestore:"expire_at"`
}

func record(r Run) runRecord { return runRecord{Run: r, ExpireAt: r.StartedAt.Add(historyTTL)} }

func history(stream *firestore.DocumentRef) *firestore.CollectionRef {
	return stream.Collection("runs")
}

func (f *firestoreBackend) runs(ctx context.Context, stream string, limit int) ([]Run, error) {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return nil, err
	}
	it := history(ref).OrderBy("started_at", firestore.Desc).Limit(limit).Documents(ctx)
	defer it.Stop()
	var out []Run
	for {
		snap, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, firestoreError("reading the history", err)
		}
		var r runRecord
		if err := snap.DataTo(&r); err != nil {
			return nil, unreadable("document "+snap.Ref.Path, err)
		}
		out = append(out, r.Run)
	}
}

func (f *firestoreBackend) hasRun(ctx context.Context, stream, id string) (bool, error) {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return false, err
	}
	snap, err := history(ref).Doc(id).Get(ctx)
	if snap == nil {
		return false, firestoreError("reading the history", err)
	}
	return snap.Exists(), nil
}

// firestoreError sorts what Firestore answers to a read: a person must act, or
// it may work later.
func firestoreError(doing string, err error) error {
	switch status.Code(err) {
	case codes.NotFound, codes.FailedPrecondition:
		return &SetupError{fmt.Errorf("%s: %w", doing, err), "create the Firestore database in Native mode, or name it in FIRESTORE_DATABASE"}
	case codes.PermissionDenied, codes.Unauthenticated:
		return &SetupError{fmt.Errorf("%s: %w", doing, err), "grant the service account roles/datastore.user on the database"}
	}
	return fmt.Errorf("%s in Firestore: %w", doing, err)
}

// writeError does the same for a conditional write, which was preceded by a
// read: what is not found now is the document that was read.
func writeError(err error) error {
	switch status.Code(err) {
	case codes.FailedPrecondition, codes.AlreadyExists, codes.NotFound:
		return fmt.Errorf("%w: %w", errConflict, err)
	}
	return firestoreError("writing the state", err)
}
