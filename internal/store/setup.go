package store

import (
	"context"
	"fmt"
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

// Probe returns the state as Load does, and an error also where the account
// may not write it. It changes nothing.
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
