package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SetupError is an ErrSetup: what is wrong, and what a person does.
type SetupError struct {
	Reason error
	Hint   string
}

// Error is both in a line.
func (e *SetupError) Error() string { return fmt.Sprintf("%v: %v: %s", ErrSetup, e.Reason, e.Hint) }

// Unwrap makes it an [ErrSetup].
func (e *SetupError) Unwrap() []error { return []error{ErrSetup, e.Reason} }

// never is a version that no document has or had: the first second of 1970, as
// Firestore refuses earlier times.
const never = int64(time.Second)

// Probe returns the state as Load does, and an error also where the account
// may not write it. It writes nothing: its write is on condition of a version
// that cannot be, which is looked at only after the permission.
func (s *Store) Probe(ctx context.Context, stream string) (State, error) {
	doc, at, err := s.read(ctx, stream)
	if err != nil {
		return State{}, err
	}
	lease := doc.lease(stream)
	_, err = s.write(ctx, stream, never, change{seq: doc.Seq, lease: lease})
	if err != nil && !errors.Is(err, errConflict) {
		return State{}, err
	}
	return State{Stream: stream, Lease: lease, Cursor: doc.Cursor, Now: at.now}, nil
}
