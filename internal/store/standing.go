package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/api/iterator"
)

// Standing is where a stream stands, in short.
type Standing struct {
	Stream     string
	AcquiredAt time.Time // when a run last took the lease
	Watermark  time.Time // zero before the first run
	NotBefore  time.Time // the end of a pause that Duo asked for
	Last       Outcome
}

// Outcome is how a stream's last run ended; zero in a document of an earlier
// version.
type Outcome struct {
	Outcome string `firestore:"outcome" json:"outcome"` // as Run has it
	Act     bool   `firestore:"act" json:"act"`         // as Run has it
}

func outcomeOf(r Run) Outcome { return Outcome{Outcome: r.Outcome, Act: r.Act} }

// head is what a [Standing] needs of a document.
type head struct {
	Lease  leaseFields `firestore:"lease" json:"lease"`
	Cursor struct {
		Watermark time.Time `firestore:"watermark" json:"watermark"`
		NotBefore time.Time `firestore:"not_before" json:"not_before"`
	} `firestore:"cursor" json:"cursor"`
	Last Outcome `firestore:"last" json:"last"`
}

// headFields are its fields in Firestore. What else a document has is not read.
var headFields = []string{"lease.acquired_at", "cursor.watermark", "cursor.not_before", "last"}

func (h head) standing(stream string) Standing {
	return Standing{Stream: stream, AcquiredAt: h.Lease.AcquiredAt, Watermark: h.Cursor.Watermark, NotBefore: h.Cursor.NotBefore, Last: h.Last}
}

// Standings returns where all streams with a document stand, by one query, and the
// server's clock shortly before. Of a document that can't be read it has the name:
// whoever runs the stream is told more.
func (s *Store) Standings(ctx context.Context) (all []Standing, now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	err = (&patience{}).try(ctx, func(ctx context.Context) error {
		all, now, err = s.backend.standings(ctx)
		return err
	})
	return all, now, err
}

func (b *boltBackend) standings(ctx context.Context) ([]Standing, time.Time, error) {
	var all []Standing
	now := b.now()
	err := b.open(ctx, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(stream []byte, bucket *bbolt.Bucket) error {
				raw := bucket.Get(stateKey)
				if raw == nil {
					return nil
				}
				var h head
				if json.Unmarshal(raw, &h) != nil {
					h = head{}
				}
				all = append(all, h.standing(string(stream)))
				return nil
			})
		})
	})
	return all, now, err
}

// standings is one query over the collection. Only a document that was read tells
// the server's clock, so without any it asks for one that need not be there.
func (f *firestoreBackend) standings(ctx context.Context) ([]Standing, time.Time, error) {
	client, err := f.client(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	_, at, err := f.read(ctx, "clock")
	if err != nil {
		return nil, time.Time{}, err
	}
	it := client.Collection(f.collection).Select(headFields...).Documents(ctx)
	defer it.Stop()
	var all []Standing
	for {
		snap, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return all, at.now, nil
		}
		if err != nil {
			return nil, time.Time{}, refused("reading the streams", err)
		}
		var h head
		if snap.DataTo(&h) != nil {
			h = head{}
		}
		all = append(all, h.standing(snap.Ref.ID))
	}
}
