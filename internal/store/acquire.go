package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// abandonTimeout bounds what an Acquire does after it has failed. It counts in
// a shut-down.
const abandonTimeout = 2 * time.Second

// Acquire takes the lease and freezes the cursor that Claim.Next returns, in
// one transaction. It returns ErrHeld without one if another run holds the
// lease and the claim does not force it.
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
	unsettled bool // a write's answer was an error, and nobody has looked since
}

// run tries until the lease is taken, or certainly is not.
func (a *acquisition) run(ctx context.Context) error {
	var p patience
	var failed error // the last attempt, on the document as of tried
	var tried int64
	queue, entered := a.store.queue(a.stream), false
	defer func() {
		if entered {
			<-queue
		}
	}()
	for {
		doc, at, err := a.store.read(ctx, a.stream, &p)
		if err != nil {
			return err
		}
		a.unsettled = false
		if was := doc.lease(a.stream); was.Holder == a.claim.Holder { // an attempt of ours whose answer was lost
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
		if !entered {
			waited, err := enter(ctx, queue)
			if err != nil {
				return err
			}
			if entered = true; waited {
				continue // whoever was before us may hold it
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

// enter lets one claim of this process after the other into a transaction:
// Firestore keeps a crowd waiting for seconds, and then refuses it. It tells
// whether there was somebody to wait for.
func enter(ctx context.Context, queue chan struct{}) (waited bool, err error) {
	select {
	case queue <- struct{}{}:
		return false, nil
	default:
	}
	select {
	case queue <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("acquiring the lease: %w: others were before us", ctx.Err())
	}
}

// queue has room for the one claim that may be in a transaction.
func (s *Store) queue(stream string) chan struct{} {
	q, _ := s.queues.LoadOrStore(stream, make(chan struct{}, 1))
	return q.(chan struct{})
}

// refuse returns ErrHeld where the claim has to wait. A lease of its own can
// turn up late, in the transaction: it is taken once more.
func (a *acquisition) refuse(doc document, at stamp) error {
	if doc.lease(a.stream).heldAt(at.now) && doc.Lease.Holder != a.claim.Holder && !a.claim.Force {
		return ErrHeld
	}
	return nil
}

// transact reads once more, in a transaction, and takes the lease. It tells
// what failed of the transaction from what was decided in it.
func (a *acquisition) transact(ctx context.Context, absent document, read stamp) (failed, decided error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := a.store.backend.transact(ctx, a.stream, read, absent, func(doc document, at stamp) (change, error) {
		var c change
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

// decide says what to write, by what was read in the transaction. It may be
// called again, and nothing of the time before counts then.
func (a *acquisition) decide(ctx context.Context, doc document, at stamp) (change, error) {
	a.lease, a.cursor = Lease{}, Cursor{}
	was := doc.lease(a.stream)
	if err := a.refuse(doc, at); err != nil {
		return change{}, err
	}
	next, err := a.claim.Next(ctx, State{Stream: a.stream, Lease: was, Cursor: doc.Cursor, Now: at.now})
	if err != nil {
		return change{}, err
	}
	a.cursor = next
	a.lease = Lease{Stream: a.stream, Holder: a.claim.Holder, Token: was.Token + 1, AcquiredAt: at.now, TTL: a.claim.TTL, seq: doc.Seq + 1}
	return change{seq: a.lease.seq, lease: a.lease, cursor: &next, stored: was.seen}, nil
}

// abandon gives back a lease that may have been taken without an answer. Who
// asked for it goes away, and everybody else would be busy until it ends.
func (a *acquisition) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	doc, at, err := a.store.backend.read(ctx, a.stream)
	if err != nil || doc.Lease.Holder != a.claim.Holder {
		return
	}
	l := doc.lease(a.stream)
	// An error here changes nothing: the lease then ends by itself.
	_, _ = a.store.backend.write(ctx, a.stream, at.version, change{seq: doc.Seq + 1, lease: l.released()})
}
