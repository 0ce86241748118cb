package store

import (
	"context"
	"errors"
	"fmt"
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
func NewFirestore(client *firestore.Client, collection string) *Store {
	return &Store{backend: &firestoreBackend{client: client, collection: client.Collection(collection)}}
}

type firestoreBackend struct {
	client     *firestore.Client
	collection *firestore.CollectionRef
}

func (f *firestoreBackend) doc(stream string) *firestore.DocumentRef { return f.collection.Doc(stream) }

func (f *firestoreBackend) read(ctx context.Context, stream string) (document, stamp, error) {
	snap, err := f.doc(stream).Get(ctx)
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
	if version == 0 {
		return f.create(ctx, stream, c)
	}
	// A batch is one request. A transaction would need two for the same, and
	// after a failure up to five seconds beyond its context to roll back.
	//lint:ignore SA1019 nothing else writes two documents in one request
	batch := f.client.Batch().Update(f.doc(stream), updates(c), firestore.LastUpdateTime(time.Unix(0, version)))
	if c.run != nil {
		batch.Set(f.runRef(stream, c.run.ID), record(*c.run))
	}
	res, err := batch.Commit(ctx)
	if err != nil {
		return stamp{}, writeError(err)
	}
	return stamp{version: res[0].UpdateTime.UnixNano(), now: res[0].UpdateTime}, nil
}

func (f *firestoreBackend) create(ctx context.Context, stream string, c change) (stamp, error) {
	doc := document{Schema: Schema, Seq: c.seq, Lease: fieldsOf(c.lease), Seen: map[string][]byte{}}
	if c.cursor != nil {
		doc.Cursor = *c.cursor
	}
	more, _ := c.parts()
	for _, p := range more {
		doc.Seen[key(p.Number)] = p.pack()
	}
	res, err := f.doc(stream).Create(ctx, doc)
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
		u = append(u, firestore.Update{Path: "cursor", Value: *c.cursor})
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

func (f *firestoreBackend) runRef(stream, id string) *firestore.DocumentRef {
	return f.doc(stream).Collection("runs").Doc(id)
}

func (f *firestoreBackend) runs(ctx context.Context, stream string, limit int) ([]Run, error) {
	it := f.doc(stream).Collection("runs").OrderBy("started_at", firestore.Desc).Limit(limit).Documents(ctx)
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
	snap, err := f.runRef(stream, id).Get(ctx)
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
