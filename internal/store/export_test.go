package store

import (
	"context"
	"time"
)

// OpTimeout is the most time that an operation takes.
const OpTimeout = opTimeout

// Pack and Unpack encode and decode a part.
func (p Part) Pack() []byte { return p.pack() }

var Unpack = unpack

// NewHanging returns a store whose backend answers only reads of the stream
// "readable".
func NewHanging() *Store { return &Store{backend: hanging{}} }

type hanging struct{}

func (hanging) read(ctx context.Context, stream string) (document, stamp, error) {
	if stream == "readable" {
		return document{}, stamp{version: 1}, nil
	}
	<-ctx.Done()
	return document{}, stamp{}, ctx.Err()
}

func (hanging) write(ctx context.Context, _ string, _ int64, _ change) (stamp, error) {
	<-ctx.Done()
	return stamp{}, ctx.Err()
}

func (hanging) transact(ctx context.Context, _ string, _ stamp, _ document, _ func(document, stamp) (change, error)) (stamp, error) {
	<-ctx.Done()
	return stamp{}, ctx.Err()
}

func (hanging) probe(ctx context.Context, _ string, _ document, _ stamp) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) runs(ctx context.Context, _ string, _ int) ([]Run, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) each(ctx context.Context, _ []string, _ visitor) (time.Time, error) {
	<-ctx.Done()
	return time.Time{}, ctx.Err()
}

func (hanging) hasRun(ctx context.Context, _, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// Queues is how many streams have a queue for the lease.
func (s *Store) Queues() (n int) {
	s.queues.Range(func(any, any) bool { n++; return true })
	return n
}
