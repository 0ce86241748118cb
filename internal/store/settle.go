package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// update repeats a write until it is certain that it happened or can't.
func (s *Store) update(ctx context.Context, l *Lease, c change) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	l.seq++ // spent, whatever becomes of the write
	c.seq = l.seq
	for {
		c.stored = l.seen
		at, err := s.write(ctx, l.Stream, l.version, c)
		if err == nil {
			if c.cursor != nil {
				l.seen = c.cursor.Seen
			}
			if c.run == nil { // one that was given back never matches again
				l.stampAt(at)
			}
			return nil
		}
		if errors.Is(err, ErrSetup) {
			return err
		}
		done, settleErr := s.settle(ctx, l, c)
		if settleErr != nil {
			return fmt.Errorf("%w (after: %w)", settleErr, err)
		}
		if done {
			return nil
		}
		if !pause(ctx) {
			return err
		}
	}
}

// settle reads back what became of a write whose answer was an error. It
// returns true if the write is there and false if it is not and may be
// repeated; then the lease knows the version to repeat it on.
func (s *Store) settle(ctx context.Context, l *Lease, c change) (bool, error) {
	doc, at, err := s.read(ctx, l.Stream)
	if err != nil {
		return false, fmt.Errorf("reading back: %w", err)
	}
	if doc.Lease.Token != l.Token || doc.Lease.Holder != l.Holder {
		return s.recorded(ctx, l, c)
	}
	l.seen = doc.stored
	l.stampAt(at)
	return doc.Seq == c.seq, nil
}

// recorded tells why the lease is not ours any more: a write that gave it back
// happened if, and only if, its run is in the history.
func (s *Store) recorded(ctx context.Context, l *Lease, c change) (bool, error) {
	if c.run == nil {
		return false, ErrLost
	}
	found, err := s.backend.hasRun(ctx, l.Stream, c.run.ID)
	if err != nil {
		return false, fmt.Errorf("reading back: %w", err)
	}
	if !found {
		return false, ErrLost
	}
	return true, nil
}

// recall is what the history still tells of a document that somebody deleted:
// a token that is not to be used again, and a watermark without the identities
// that belong to it.
func recall(last Run) document {
	doc := document{Lease: leaseFields{Token: last.Token}}
	if last.Watermark != nil {
		doc.Cursor.Watermark = *last.Watermark
	}
	return doc
}

// pause waits before a repeat; false means that there is no time left.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(repeatAfter):
		return true
	}
}
