// Package store keeps, for every stream, one document: the lease, which is the
// right to run, and the cursor, which is where the next run starts. Beside it
// lies the history of the last runs.
//
// # The contract
//
// A lease is held by one run at a time. It has a token, a number that grows
// with every acquisition and is never used twice. Whoever acquires the lease
// gets the cursor as the last commit left it; there is no way to read a cursor
// for writing without the lease.
//
// A commit succeeds only while its token is the document's token. So a run
// that was paused, declared dead and replaced can't move the cursor: it gets
// [ErrLost], whatever the clocks say. Expiry only decides when somebody else
// may try; it is judged by the server's clock alone, the time of the read
// against acquired_at + ttl, never by this machine's.
//
// When Acquire, Commit, Finish or Release returns nil, the change is durable.
// An error other than [ErrHeld], [ErrLost] and [ErrSetup] means that it may or
// may not have happened: an answer can be lost on its way. The store has then
// read the document back to settle it, and could not. The next run reads what
// is true. A lease that an Acquire may have taken without hearing of it is
// given back before it returns.
//
// Nothing is tried more than five times in one operation, and what only a
// person can mend is tried once.
//
// A document that somebody deleted is made anew from the history's last run: the
// tokens go on, and the cursor has that run's watermark and nothing seen.
//
// # How
//
// The lease is taken in a transaction: read the document, decide by the time
// of that read, write. A plain read comes before it and answers a contender
// without one, because the transaction locks what it reads. It is given back
// in a transaction too, that writes the document and the run's record and
// reads nothing. A commit between them is one conditional write. Each write is
// "replace, if the document is still the version that I know": the lock is for
// fairness, the condition for truth. docs/design.md weighs this.
//
// A [Store] is safe for concurrent use, by many processes too. A [Lease] is
// its run's alone.
package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Schema is the version of the document that this code writes. It reads the one
// before, too. A document with another one is refused and left as it is.
const Schema = 3

// HistoryLimit is the number of runs that the history shows.
const HistoryLimit = 50

var (
	// ErrHeld means that another run holds the lease.
	ErrHeld = errors.New("another run holds the lease")
	// ErrLost means that the lease was taken over: nothing more may be
	// written under it.
	ErrLost = errors.New("lease lost")
	// ErrSetup means that a person must act: a permission, a missing database,
	// a document that this version can't read.
	ErrSetup = errors.New("state store set-up")
)

// State is a stream's document as it was read.
type State struct {
	Stream string
	Lease  Lease     // zero Holder: free
	Cursor Cursor    // zero Watermark: there was no run yet
	Now    time.Time // the server's clock at the read
}

// StartOpen reports whether a setting may still move the stream's start: its first
// page is not committed, and no run that has not given its lease back can still
// write it. A cursor that was made anew from the history has no start.
func (s State) StartOpen() bool {
	return !s.Cursor.Begun.IsZero() && s.Cursor.Totals.Pages == 0 && s.Cursor.Window.Open() && s.Lease.Holder == ""
}

// Claim is what a run asks for.
type Claim struct {
	Holder string        // the run's id, unique
	TTL    time.Duration // must outlast everything that the run does
	Force  bool          // take the lease although it is held
	// Next returns the cursor to start with, frozen in the same write that
	// takes the lease. It is called inside the transaction, maybe more than
	// once, so it computes and does no I/O.
	Next func(context.Context, State) (Cursor, error)
}

// Store is the contract on top of a backend: Firestore or one bbolt file.
type Store struct {
	backend backend
	queues  sync.Map // a chan struct{} for each stream, see enter
}

// backend is one document a stream that can be read and conditionally
// replaced, and the stream's history.
type backend interface {
	// read returns a zero document with version 0 where there is none yet.
	read(ctx context.Context, stream string) (document, stamp, error)
	// transact reads the document again, has decide say what to write, and
	// writes that, in one transaction. Decide gets the document absent where
	// there still is none, and its error is returned as it is. If there is
	// none any more, the answer is a conflict.
	transact(ctx context.Context, stream string, read stamp, absent document, decide func(document, stamp) (change, error)) (stamp, error)
	// write applies the change if the document, which exists, still has the
	// version, and returns a conflict if not. Document and run are written
	// together.
	write(ctx context.Context, stream string, version int64, c change) (stamp, error)
	// probe finds out whether the document can be written, and does not.
	probe(ctx context.Context, stream string, read document, at stamp) error
	// runs returns the newest first.
	runs(ctx context.Context, stream string, limit int) ([]Run, error)
	hasRun(ctx context.Context, stream, id string) (bool, error)
}

// stamp is the document's version and the server's clock at an operation.
type stamp struct {
	version int64
	now     time.Time
}

// change is a write: everything that is not nil.
type change struct {
	seq    int64
	lease  Lease
	cursor *Cursor
	run    *Run
	stored Seen // what the document holds of the cursor's
}

// parts returns the parts of Seen that the document lacks, and the numbers of
// those that it holds in vain.
func (c change) parts() (more []Part, gone []int64) {
	if c.cursor == nil {
		return nil, nil
	}
	for _, p := range c.stored {
		if !slices.ContainsFunc(c.cursor.Seen, func(q Part) bool { return q.Number == p.Number }) {
			gone = append(gone, p.Number)
		}
	}
	return c.cursor.Seen.Without(c.stored), gone
}

const (
	callTimeout = 8 * time.Second  // one request to the backend, or one transaction
	opTimeout   = 20 * time.Second // one operation, read-backs and repeats included
	maxTries    = 5                // of one operation
	firstPause  = 300 * time.Millisecond
)

// Load returns a stream's state as it is now, for display and dry runs.
func (s *Store) Load(ctx context.Context, stream string) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	doc, at, err := s.read(ctx, stream, &patience{})
	if err != nil {
		return State{}, err
	}
	return State{Stream: stream, Lease: doc.lease(stream), Cursor: doc.Cursor, Now: at.now}, nil
}

// Runs returns up to limit finished runs of a stream, the newest first.
func (s *Store) Runs(ctx context.Context, stream string, limit int) ([]Run, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var runs []Run
	err := (&patience{}).try(ctx, func(ctx context.Context) (err error) {
		runs, err = s.backend.runs(ctx, stream, limit)
		return err
	})
	return runs, err
}

// Commit saves the cursor under the lease.
func (s *Store) Commit(ctx context.Context, l *Lease, c Cursor) error {
	return s.update(ctx, l, change{lease: *l, cursor: &c})
}

// Finish saves the cursor, gives the lease back and adds the run to the
// history, in one write.
func (s *Store) Finish(ctx context.Context, l *Lease, c Cursor, r Run) error {
	return s.update(ctx, l, change{lease: l.released(), cursor: &c, run: &r})
}

// Release gives the lease back and adds the run to the history, and leaves the
// cursor as it is.
func (s *Store) Release(ctx context.Context, l *Lease, r Run) error {
	return s.update(ctx, l, change{lease: l.released(), run: &r})
}

// read returns what the history tells where there is no document.
func (s *Store) read(ctx context.Context, stream string, p *patience) (document, stamp, error) {
	var doc document
	var at stamp
	err := p.try(ctx, func(ctx context.Context) (err error) {
		if doc, at, err = s.backend.read(ctx, stream); err != nil || at.version != 0 {
			return err
		}
		runs, err := s.backend.runs(ctx, stream, 1)
		if err == nil && len(runs) > 0 {
			doc = recall(runs[0])
		}
		return err
	})
	return doc, at, err
}

func (s *Store) write(ctx context.Context, stream string, version int64, c change) (stamp, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.backend.write(ctx, stream, version, c)
}
