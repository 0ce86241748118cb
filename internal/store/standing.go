package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/api/iterator"
)

// Standing is where a stream stands, in short: enough to tell how it is, and little
// enough to be read of thousands at once.
type Standing struct {
	State // of the cursor it has Watermark, NotBefore, Ended, Pace and Gap
	Last  Last
	Err   error // why the document can't be read; then only Stream and Now are known
}

// standingFields are what is read of a document in Firestore for a [Standing].
var standingFields = []string{
	"schema", "lease", "cursor.watermark", "cursor.not_before", "cursor.ended", "cursor.pace", "cursor.gap", "last",
}

// acquiredFields are what [Store.Acquired] needs.
var acquiredFields = []string{"schema", "lease.acquired_at"}

// maxStarts is how many runs Last.Started has: the median of the times between them
// is not moved by a run that somebody triggered.
const maxStarts = 5

// Last is what a document tells of the last runs in the history. It is zero in a
// document of an earlier version, until its next run. What it has is read for
// thousands of streams at once, so there is little, and nothing that is zero.
type Last struct {
	Outcome   string    `firestore:"outcome" json:"outcome"` // these are as Run has them
	ID        string    `firestore:"run_id" json:"run_id"`
	Reason    string    `firestore:"reason,omitzero" json:"reason,omitzero"`
	Act       bool      `firestore:"act,omitzero" json:"act,omitzero"`
	Gap       *Gap      `firestore:"gap,omitzero" json:"gap,omitzero"`
	Token     int64     `firestore:"token" json:"token"`
	StartedAt time.Time `firestore:"started_at" json:"started_at"`
	// Failing is when the first of the runs began that have failed since; zero if
	// the last one did not fail.
	Failing time.Time `firestore:"failing,omitzero" json:"failing,omitzero"`
	// Started is when the last runs began that did not fail, the newest first.
	Started []time.Time `firestore:"started" json:"started"`
}

// after is what there is to tell once r has ended.
func (l Last) after(r Run) Last {
	next := Last{
		Outcome: r.Outcome, ID: r.ID, Reason: r.Reason, Act: r.Act, Gap: r.Gap, Token: r.Token, StartedAt: r.StartedAt,
		Failing: l.Failing, Started: l.Started,
	}
	switch {
	case r.Outcome != "failed":
		next.Failing = time.Time{}
		next.Started = append([]time.Time{r.StartedAt}, l.Started[:min(len(l.Started), maxStarts-1)]...)
	case l.Failing.IsZero():
		next.Failing = r.StartedAt
	}
	return next
}

// Standings returns where all streams with a document stand, by one query, and the
// server's clock then. Of a document that can't be read it has the name and the
// error.
func (s *Store) Standings(ctx context.Context) (all []Standing, now time.Time, err error) {
	now, err = s.each(ctx, standingFields, func() { all = nil }, func(stream string, doc document, now time.Time, err error) {
		one := Standing{State: State{Stream: stream, Now: now}, Err: err}
		if err == nil {
			c := doc.Cursor
			one.Lease, one.Last = doc.lease(stream), doc.Last
			one.Cursor = Cursor{Watermark: c.Watermark, NotBefore: c.NotBefore, Ended: c.Ended, Pace: c.Pace, Gap: c.Gap}
		}
		all = append(all, one)
	})
	return all, now, err
}

// Acquired returns when a run last acquired the lease of each stream with a document,
// zero where that can't be read, and the server's clock then. It reads the least that
// can be read: every request that is to run thousands of streams asks.
func (s *Store) Acquired(ctx context.Context) (at map[string]time.Time, now time.Time, err error) {
	now, err = s.each(ctx, acquiredFields, func() { at = map[string]time.Time{} }, func(stream string, doc document, _ time.Time, _ error) {
		at[strings.Clone(stream)] = doc.Lease.AcquiredAt // it is the end of a path three times as long
	})
	return at, now, err
}

// each visits all documents, of which fields are needed. It starts anew after a failure
// that passes, and returns the server's clock then.
func (s *Store) each(ctx context.Context, fields []string, start func(), visit visitor) (now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	err = (&patience{}).try(ctx, func(ctx context.Context) error {
		start()
		now, err = s.backend.each(ctx, fields, visit)
		return err
	})
	return now, err
}

// visitor is called with each stream's document, or why it can't be read, and the
// server's clock.
type visitor func(stream string, doc document, now time.Time, err error)

func (b *boltBackend) each(ctx context.Context, _ []string, visit visitor) (time.Time, error) {
	now := b.now()
	err := b.open(ctx, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(stream []byte, bucket *bbolt.Bucket) error {
				if bucket.Get(stateKey) != nil {
					doc, err := b.decodeState(bucket)
					visit(string(stream), doc, now, err)
				}
				return nil
			})
		})
	})
	return now, err
}

// each is one query over the collection. The first document was read before the others,
// or with them, so all that is older shows. Without any document it asks for one that
// need not be there, which tells the time, too.
func (f *firestoreBackend) each(ctx context.Context, fields []string, visit visitor) (now time.Time, _ error) {
	client, err := f.client(ctx)
	if err != nil {
		return now, err
	}
	it := client.Collection(f.collection).Select(fields...).Documents(ctx)
	defer it.Stop()
	for {
		snap, err := it.Next()
		if errors.Is(err, iterator.Done) && now.IsZero() {
			_, at, err := f.read(ctx, "clock")
			return at.now, err
		}
		if errors.Is(err, iterator.Done) {
			return now, nil
		}
		if err != nil {
			return now, refused("reading the streams", err)
		}
		if now.IsZero() {
			now = snap.ReadTime
		}
		doc, err := decodeSnapshot(snap)
		visit(snap.Ref.ID, doc, now, err)
	}
}
