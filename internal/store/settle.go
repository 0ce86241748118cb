package store

import (
	"context"
	"errors"
	"fmt"
)

// update repeats a write until it certainly happened or certainly can't.
func (s *Store) update(ctx context.Context, l *Lease, c change) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	l.seq++ // used up, even if the write fails
	c.seq = l.seq
	if c.run != nil {
		c.last = l.last.after(*c.run)
	}
	var p patience
	for {
		c.stored = l.seen
		tried := l.version
		at, err := s.write(ctx, l.Stream, tried, c)
		if err == nil {
			if c.cursor != nil {
				l.seen = c.cursor.Seen
			}
			if c.run == nil { // a released lease keeps its old version, which matches nothing
				l.stampAt(at)
			}
			return nil
		}
		if errors.Is(err, ErrSetup) {
			return err
		}
		done, settleErr := s.settle(ctx, l, c, &p)
		if settleErr != nil {
			return fmt.Errorf("%w (after: %v)", settleErr, err) // %v: the write's own error proves nothing
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

// unexplained returns why a conditional write was refused although the document
// has not changed, nil if the condition itself explains the refusal.
func unexplained(err error, unchanged bool) error {
	if c, ok := errors.AsType[*conflict](err); ok && unchanged {
		return c.otherwise
	}
	return nil
}

// settle reads the document back after a write was answered with an error, and reports
// whether it happened. If not, the lease has the version to repeat it on.
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

// recorded settles a write of a lease that is no longer ours: if the write was to
// release it, it happened if and only if its run is in the history.
func (s *Store) recorded(ctx context.Context, l *Lease, c change, p *patience) (bool, error) {
	if c.run == nil {
		return false, ErrLost
	}
	var found bool
	err := p.try(ctx, func(ctx context.Context) (err error) {
		found, err = s.backend.hasRun(ctx, l.Stream, c.run.ID)
		return err
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("reading back: %w", err)
	case !found:
		return false, ErrLost
	}
	return true, nil
}

// recall rebuilds a deleted document from its last run: the token, which must not
// be used again, and the watermark. The identities in Seen are gone.
func recall(last Run) document {
	doc := document{Lease: leaseFields{Token: last.Token}}
	if last.Watermark != nil {
		doc.Cursor.Watermark = *last.Watermark
	}
	return doc
}
