package store

import (
	"context"
	"time"
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
