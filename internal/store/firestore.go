package store

import (
	"context"
	"errors"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
)

// historyTTL is the age at which a TTL policy on expire_at may delete a run.
const historyTTL = 90 * 24 * time.Hour

// NewFirestore returns a store that keeps a document for each stream in the
// collection. Its clock is Firestore's: the read time of every answer.
//
// connect makes the client, with [DialOptions]. The first operation calls it, because
// making a client connects, and the next one does if it fails. The client outlives the
// operation's context, and no operation waits for it past its own.
func NewFirestore(connect func(context.Context) (*firestore.Client, error), collection string) *Store {
	return &Store{backend: &firestoreBackend{connector: connector{connect: connect}, collection: collection}}
}

type firestoreBackend struct {
	connector
	collection string
}

// doc returns a reference to the stream's document, which need not exist.
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
	return decodeAnswer(ref.Get(ctx))
}

// decodeAnswer returns a zero document and version 0 if there is none.
func decodeAnswer(snap *firestore.DocumentSnapshot, err error) (document, stamp, error) {
	if snap == nil { // the database is missing; for a missing document there is a snapshot
		return document{}, stamp{}, refused("reading the state", err)
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

// transact uses a transaction for its lock. The write has the document's version as
// its condition too, so that the database's concurrency mode does not matter.
func (f *firestoreBackend) transact(ctx context.Context, stream string, read stamp, absent document, decide func(document, stamp) (change, error)) (stamp, error) {
	return f.commit(ctx, stream, func(ref *firestore.DocumentRef, tx *firestore.Transaction) error {
		doc, at, err := decodeAnswer(tx.Get(ref))
		if err != nil {
			return err
		}
		if at.version == 0 {
			doc = absent
			if read.version != 0 {
				return &conflict{}
			}
		}
		c, err := decide(doc, at)
		if err != nil {
			return err
		}
		if at.version == 0 {
			return tx.Create(ref, created(c))
		}
		return tx.Update(ref, updates(c), unchanged(at.version))
	})
}

// write is one request or, for two documents, a transaction. That reads nothing,
// so it locks nothing until it commits.
func (f *firestoreBackend) write(ctx context.Context, stream string, version int64, c change) (stamp, error) {
	if c.run != nil {
		return f.commit(ctx, stream, func(ref *firestore.DocumentRef, tx *firestore.Transaction) error {
			run := runRecord{*c.run, c.run.StartedAt.Add(historyTTL)}
			updated := tx.Update(ref, updates(c), unchanged(version))
			return errors.Join(updated, tx.Set(history(ref).Doc(run.ID), run))
		})
	}
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return stamp{}, err
	}
	res, err := ref.Update(ctx, updates(c), unchanged(version))
	if err != nil {
		return stamp{}, refusedWrite(err)
	}
	return stampOf(res), nil
}

// commit runs a transaction once. The store retries it after reading the document.
func (f *firestoreBackend) commit(
	ctx context.Context, stream string, do func(*firestore.DocumentRef, *firestore.Transaction) error,
) (stamp, error) {
	client, err := f.client(ctx)
	if err != nil {
		return stamp{}, err
	}
	var done firestore.CommitResponse
	var own error // returned by do
	err = client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		own = do(client.Collection(f.collection).Doc(stream), tx)
		return own
	}, firestore.MaxAttempts(1), firestore.WithCommitResponseTo(&done))
	if own != nil {
		return stamp{}, own
	}
	if err != nil {
		return stamp{}, refusedWrite(err)
	}
	results, err := done.WriteResults()
	if err != nil {
		return stamp{}, refusedWrite(err)
	}
	return stampOf(results[0]), nil
}

func stampOf(r *firestore.WriteResult) stamp {
	return stamp{version: r.UpdateTime.UnixNano(), now: r.UpdateTime}
}

// probe sends a write whose condition fails: create the document although it
// exists, or update it although it does not. Firestore checks that condition
// last, so being refused for it means that nothing else stands in the way.
func (f *firestoreBackend) probe(ctx context.Context, stream string, read document, at stamp) error {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return err
	}
	c := change{seq: read.Seq, lease: read.lease(stream), cursor: &read.Cursor}
	expected := codes.NotFound
	if at.version == 0 {
		_, err = ref.Update(ctx, updates(c))
	} else { // if it is deleted at this very moment, this restores what was read
		_, err = ref.Create(ctx, created(c))
		expected = codes.AlreadyExists
	}
	if codeOf(err) == expected || err == nil {
		return nil
	}
	return refused("writing the state", err)
}

func unchanged(version int64) firestore.Precondition {
	return firestore.LastUpdateTime(time.Unix(0, version))
}

func created(c change) document {
	doc := document{Schema: Schema, Seq: c.seq, Lease: fieldsOf(c.lease), Cursor: *c.cursor, Seen: map[string][]byte{}}
	for _, p := range doc.Cursor.Seen {
		doc.Seen[key(p.Number)] = p.pack()
	}
	return doc
}

func updates(c change) []firestore.Update {
	u := []firestore.Update{{Path: "seq", Value: c.seq}, {Path: "lease", Value: fieldsOf(c.lease)}}
	if c.cursor != nil {
		u = append(u, firestore.Update{Path: "schema", Value: Schema}, firestore.Update{Path: "cursor", Value: *c.cursor})
	}
	if c.run != nil {
		u = append(u, firestore.Update{Path: "last", Value: c.last})
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

// runRecord is a run in the history.
type runRecord struct {
	Run
	ExpireAt time.Time `firestore:"expire_at"`
}

// history is the stream's sub-collection of runs. Its name is unique, because a TTL
// policy applies to all collections of that name in the database.
func history(stream *firestore.DocumentRef) *firestore.CollectionRef {
	return stream.Collection("duo-collector-runs")
}

func (f *firestoreBackend) runs(ctx context.Context, stream string, limit int) ([]Run, error) {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return nil, err
	}
	snaps, err := history(ref).OrderBy("started_at", firestore.Desc).Limit(limit).Documents(ctx).GetAll()
	if err != nil {
		return nil, refused("reading the history", err)
	}
	var out []Run
	for _, snap := range snaps {
		var r runRecord
		if err := snap.DataTo(&r); err != nil {
			return nil, unreadable("document "+snap.Ref.Path, err)
		}
		out = append(out, r.Run)
	}
	return out, nil
}

func (f *firestoreBackend) hasRun(ctx context.Context, stream, id string) (bool, error) {
	ref, err := f.doc(ctx, stream)
	if err != nil {
		return false, err
	}
	snap, err := history(ref).Doc(id).Get(ctx)
	if snap == nil {
		return false, refused("reading the history", err)
	}
	return snap.Exists(), nil
}
