package store

import (
	"context"
	"fmt"
)

// SetupError is an [ErrSetup] with a reason and a hint.
type SetupError struct {
	Reason error
	Hint   string // what a person should do
}

// Error returns reason and hint in one line.
func (e *SetupError) Error() string { return fmt.Sprintf("%v: %v: %s", ErrSetup, e.Reason, e.Hint) }

// Unwrap returns [ErrSetup] and the reason.
func (e *SetupError) Unwrap() []error { return []error{ErrSetup, e.Reason} }

// Probe is like Load, but also returns an error if the account may not write the
// document. It changes nothing.
func (s *Store) Probe(ctx context.Context, stream string) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var p patience
	doc, at, err := s.read(ctx, stream, &p)
	if err != nil {
		return State{}, err
	}
	if err := p.try(ctx, func(ctx context.Context) error { return s.backend.probe(ctx, stream, doc, at) }); err != nil {
		return State{}, err
	}
	return State{Stream: stream, Lease: doc.lease(stream), Cursor: doc.Cursor, Now: at.now}, nil
}
