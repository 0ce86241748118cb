package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// abandonTimeout bounds giving back a failed Acquire's lease. A shut-down waits for it.
const abandonTimeout = 2 * time.Second

// Acquire takes the lease and stores the cursor that Claim.Next returns, in one
// transaction. Without one it returns ErrHeld if another run holds the lease and the
// claim does not force it, and ErrPassed if one has had it since Claim.Since.
func (s *Store) Acquire(ctx context.Context, stream string, c Claim) (*Lease, Cursor, error) {
	a := acquisition{store: s, stream: stream, claim: c}
	bounded, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := a.run(bounded); err != nil {
		if a.unsettled {
			a.abandon(ctx)
		}
		return nil, Cursor{}, err
	}
	return &a.lease, a.cursor, nil
}

// acquisition is one Acquire in progress.
type acquisition struct {
	store  *Store
	stream string
	claim  Claim

	lease     Lease
	cursor    Cursor
	unsettled bool // a write may have happened, and the document was not read since
}

// run tries until the lease is certainly taken or certainly not.
func (a *acquisition) run(ctx context.Context) error {
	var p patience
	var failed error // of the last attempt
	var tried int64  // the document's version then
	var queue chan struct{}
	defer func() {
		if queue != nil {
			a.store.leave(a.stream, queue)
		}
	}()
	for {
		doc, at, err := a.store.read(ctx, a.stream, &p)
		if err != nil {
			return err
		}
		a.unsettled = false
		if was := doc.lease(a.stream); was.Holder == a.claim.Holder { // our own earlier attempt, its answer lost
			was.stampAt(at)
			a.lease, a.cursor = was, doc.Cursor
			return nil
		}
		if err := a.refuse(doc, at); err != nil {
			return err
		}
		if err := unexplained(failed, tried == at.version); err != nil {
			return err
		}
		if queue == nil {
			var waited bool
			if queue, waited, err = a.store.enter(ctx, a.stream); err != nil {
				return err
			}
			if waited {
				continue // the one before us may have taken it
			}
		}
		if failed, err = a.transact(ctx, doc, at); failed == nil {
			return err
		}
		tried = at.version
		if !p.again(ctx, failed) {
			return fmt.Errorf("acquiring the lease: %w", failed)
		}
	}
}

// enter lets this process's claims of a stream into a transaction one at a time, because
// Firestore keeps concurrent ones waiting for seconds and then refuses them. It returns
// the queue, which has room for that one, and whether it had to wait.
func (s *Store) enter(ctx context.Context, stream string) (queue chan struct{}, waited bool, err error) {
	q, _ := s.queues.LoadOrStore(stream, make(chan struct{}, 1))
	queue = q.(chan struct{})
	select {
	case queue <- struct{}{}:
		return queue, false, nil
	default:
	}
	select {
	case queue <- struct{}{}:
		return queue, true, nil
	case <-ctx.Done():
		return nil, false, fmt.Errorf("acquiring the lease: %w: others were before us", ctx.Err())
	}
}

// leave lets the next claim in. A queue without one is dropped: streams are
// thousands, and few of them in a transaction. If a claim comes at this very moment,
// the next one may not wait for it; that costs time alone.
func (s *Store) leave(stream string, queue chan struct{}) {
	<-queue
	if len(queue) == 0 {
		s.queues.CompareAndDelete(stream, queue)
	}
}

// refuse returns ErrHeld if another run holds the lease, and ErrPassed if one has
// had it since the claim says. The claim's own lease, if an earlier attempt of it
// went through late, is taken once more.
func (a *acquisition) refuse(doc document, at stamp) error {
	switch since := a.claim.Since; {
	case doc.Lease.Holder == a.claim.Holder, a.claim.Force:
		return nil
	case doc.Lease.Holder != "" && at.now.Before(doc.lease(a.stream).ExpiresAt()):
		return ErrHeld
	case !since.IsZero() && doc.Lease.AcquiredAt.After(since):
		return ErrPassed
	}
	return nil
}

// transact reads the document again in a transaction and takes the lease. It
// returns an error of the transaction as failed, one of decide as decided.
func (a *acquisition) transact(ctx context.Context, absent document, read stamp) (failed, decided error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := a.store.backend.transact(ctx, a.stream, read, absent,
		func(doc document, at stamp) (c change, err error) {
			c, decided = a.decide(ctx, doc, at)
			return c, decided
		})
	if decided != nil {
		return nil, decided
	}
	if err != nil {
		a.unsettled = !errors.Is(err, ErrSetup)
		return err, nil
	}
	a.lease.seen = a.cursor.Seen
	a.lease.stampAt(got)
	return nil, nil
}

// decide computes what to write from what the transaction read. The transaction
// may call it again, so it first resets what it sets.
func (a *acquisition) decide(ctx context.Context, doc document, at stamp) (change, error) {
	a.lease, a.cursor = Lease{}, Cursor{}
	if err := a.refuse(doc, at); err != nil {
		return change{}, err
	}
	was := doc.lease(a.stream)
	next, err := a.claim.Next(ctx, State{Stream: a.stream, Lease: was, Cursor: doc.Cursor, Now: at.now})
	if err != nil {
		return change{}, err
	}
	a.cursor = next
	a.lease = Lease{Stream: a.stream, Holder: a.claim.Holder, Token: was.Token + 1, AcquiredAt: at.now, TTL: a.claim.TTL, seq: doc.Seq + 1, last: doc.Last}
	return change{seq: a.lease.seq, lease: a.lease, cursor: &next, stored: was.seen}, nil
}

// abandon gives back a lease that may have been taken although no answer came.
// Otherwise everyone would be busy until it expires, with no run holding it.
func (a *acquisition) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	doc, at, err := a.store.backend.read(ctx, a.stream)
	if err != nil || doc.Lease.Holder != a.claim.Holder {
		return
	}
	l := doc.lease(a.stream)
	// If this fails, the lease expires by itself.
	_, _ = a.store.backend.write(ctx, a.stream, at.version, change{seq: doc.Seq + 1, lease: l.released()})
}
