package store

import (
	"context"
	"errors"
	"fmt"
)

// update repeats a write until it is certain that it happened or can't.
func (s *Store) update(ctx context.Context, l *Lease, c change) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	l.seq++ // spent, whatever becomes of the write
	c.seq = l.seq
	var p patience
	for {
		c.stored = l.seen
		tried := l.version
		at, err := s.write(ctx, l.Stream, tried, c)
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
		done, settleErr := s.settle(ctx, l, c, &p)
		if settleErr != nil {
			return fmt.Errorf("%w (after: %v)", settleErr, err) // what the write's error is of is not known
		}
		if done {
			return nil
		}
		if err := unexplained(err, l.version == tried); err != nil {
			return err
		}
		if !p.again(ctx, err) {
			return err
		}
	}
}

// unexplained returns why a write was refused on a document that has not
// changed, and is not our condition then.
func unexplained(err error, unchanged bool) error {
	if c, ok := errors.AsType[*conflict](err); ok && unchanged {
		return c.otherwise
	}
	return nil
}

// settle reads back what became of a write whose answer was an error. It
// returns true if the write is there and false if it is not and may be
// repeated; then the lease knows the version to repeat it on.
func (s *Store) settle(ctx context.Context, l *Lease, c change, p *patience) (bool, error) {
	doc, at, err := s.read(ctx, l.Stream, p)
	if err != nil {
		return false, fmt.Errorf("reading back: %w", err)
	}
	if doc.Lease.Token != l.Token || doc.Lease.Holder != l.Holder {
		return s.recorded(ctx, l, c, p)
	}
	l.seen = doc.stored
	l.stampAt(at)
	return doc.Seq == c.seq, nil
}

// recorded tells why the lease is not ours any more: a write that gave it back
// happened if, and only if, its run is in the history.
func (s *Store) recorded(ctx context.Context, l *Lease, c change, p *patience) (bool, error) {
	if c.run == nil {
		return false, ErrLost
	}
	var found bool
	err := p.try(ctx, func(ctx context.Context) (err error) {
		found, err = s.backend.hasRun(ctx, l.Stream, c.run.ID)
		return err
	})
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
