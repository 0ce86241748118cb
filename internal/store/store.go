// Package store keeps one document per stream: the lease, which is the right to
// run, and the cursor, which is where the next run starts. The history of the
// last runs is kept beside it.
//
// # The contract
//
// One run at a time holds the lease. Its token is a number that grows with
// every acquisition and is never used twice. Whoever acquires the lease gets
// the cursor as the last commit left it; there is no way to read a cursor for
// writing without the lease.
//
// A commit succeeds only while its token is the document's token. So a run
// that was paused, declared dead and replaced can't move the cursor: it gets
// [ErrLost], whatever the clocks say. Expiry only decides when another run may
// try. It is judged by the server's clock alone: the time of the read against
// acquired_at + ttl.
//
// When Acquire, Commit, Finish or Release returns nil, the change is durable.
// An error other than [ErrHeld], [ErrPassed], [ErrLost] and [ErrSetup] means that it may or
// may not have happened, because an answer can be lost on its way. The store
// has then tried to settle it by reading the document back, and failed. The
// next run reads the truth. If an Acquire may have taken the lease without
// getting the answer, it gives the lease back before it returns.
//
// One operation tries each request at most five times, and only once if the
// error needs a person.
//
// A deleted document is rebuilt from the last run in the history: tokens go on
// from that run's, and the cursor has its watermark and an empty Seen.
//
// # How
//
// The lease is taken in a transaction: read the document, decide by the time
// of that read, write. A plain read comes first, so that a contender is turned
// away without a transaction, which locks what it reads. The lease is given
// back in another transaction, which writes the document and the run's record
// and reads nothing. Each commit in between is one conditional write. Every
// write says "replace it if it is still the version I know": the lock gives
// fairness, the condition gives correctness. docs/design.md explains the choice.
//
// A [Store] is safe for concurrent use, also by several processes. A [Lease]
// belongs to one run.
package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Schema is the version of the document that this code writes. It also reads the
// previous version; a document of any other is refused and left as it is.
const Schema = 3

// HistoryLimit is how many runs the history shows.
const HistoryLimit = 50

var (
	// ErrHeld means that another run holds the lease.
	ErrHeld = errors.New("another run holds the lease")
	// ErrPassed means that another run has had the lease since Claim.Since.
	ErrPassed = errors.New("another request has just run this stream")
	// ErrLost means that another run took the lease over. Nothing more may be
	// written under it.
	ErrLost = errors.New("lease lost")
	// ErrSetup means that a person must act: grant a permission, create the
	// database, fix a document that this version can't read.
	ErrSetup = errors.New("state store set-up")
)

// State is a stream's document at the time of a read.
type State struct {
	Stream string
	Lease  Lease     // zero Holder: free
	Cursor Cursor    // zero Watermark: no run yet
	Now    time.Time // by the server's clock
}

// StartOpen reports whether settings may still move the stream's start: no page
// is committed, and no run still holds a lease under which it could commit one.
// It is false for a cursor rebuilt from the history, whose start is unknown.
func (s State) StartOpen() bool {
	return !s.Cursor.Begun.IsZero() && s.Cursor.Totals.Pages == 0 && s.Cursor.Window.Open() && s.Lease.Holder == ""
}

// Claim is what a run asks for.
type Claim struct {
	Holder string        // the run's id, unique
	TTL    time.Duration // must outlast everything the run does
	Force  bool          // take the lease even if another run holds it
	// Since, unless it is zero, is a time by the server's clock. If another run
	// has taken the lease later, Acquire returns ErrPassed, even if that run has
	// ended. Force does not look at it.
	Since time.Time
	// Next returns the cursor to start with, which is stored in the same write
	// that takes the lease. It is called inside the transaction, maybe more
	// than once, so it must not do I/O.
	Next func(context.Context, State) (Cursor, error)
}

// Store implements the contract on a backend: Firestore or a bbolt file.
type Store struct {
	backend backend
	queues  sync.Map // stream → chan struct{}, see enter
}

// backend keeps one document per stream, which can be read and conditionally
// replaced, and the stream's history.
type backend interface {
	// read returns a zero document and version 0 if there is none yet.
	read(ctx context.Context, stream string) (document, stamp, error)
	// transact reads the document, asks decide what to write, and writes it, in
	// one transaction. If there is still no document, decide gets absent; if it
	// was deleted since read, transact returns a conflict. An error of decide
	// is returned unchanged.
	transact(ctx context.Context, stream string, read stamp, absent document, decide func(document, stamp) (change, error)) (stamp, error)
	// write applies the change if the existing document still has the version,
	// and returns a conflict otherwise. Document and run record are written
	// together or not at all.
	write(ctx context.Context, stream string, version int64, c change) (stamp, error)
	// probe finds out whether the document can be written, without writing it.
	probe(ctx context.Context, stream string, read document, at stamp) error
	// runs returns the newest first.
	runs(ctx context.Context, stream string, limit int) ([]Run, error)
	hasRun(ctx context.Context, stream, id string) (bool, error)
	// each visits all documents, and returns the clock of the first one at the latest.
	each(ctx context.Context, fields []string, visit visitor) (time.Time, error)
}

// stamp is the document's version and the server's clock at an answer.
type stamp struct {
	version int64
	now     time.Time
}

// change is one write.
type change struct {
	seq    int64
	lease  Lease
	cursor *Cursor // nil: as it is
	run    *Run    // nil: none to add to the history
	last   Last    // the document's with that run
	stored Seen    // the parts that the document has now
}

// parts returns what to add to the stored Seen, and the numbers to delete from it.
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
	callTimeout = 8 * time.Second  // of one request to the backend, or one transaction
	opTimeout   = 20 * time.Second // of one operation, read-backs and retries included
	maxTries    = 5                // in one operation
	firstPause  = 300 * time.Millisecond
)

// Load returns a stream's current state, for display and dry runs.
func (s *Store) Load(ctx context.Context, stream string) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	doc, at, err := s.read(ctx, stream, &patience{})
	if err != nil {
		return State{}, err
	}
	return doc.state(stream, at), nil
}

// Probe is like Load, but also fails if the document can't be written. It writes nothing.
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
	return doc.state(stream, at), nil
}

// Runs returns up to limit finished runs of a stream, newest first.
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

// Finish saves the cursor, releases the lease and records the run, in one write.
func (s *Store) Finish(ctx context.Context, l *Lease, c Cursor, r Run) error {
	return s.update(ctx, l, change{lease: l.released(), cursor: &c, run: &r})
}

// Release releases the lease and records the run, in one write. The cursor stays.
func (s *Store) Release(ctx context.Context, l *Lease, r Run) error {
	return s.update(ctx, l, change{lease: l.released(), run: &r})
}

// read returns the document or, if there is none, what the history knows.
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
