package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// patience counts what has failed in an operation. It waits longer each time,
// and not in step with others.
type patience struct{ failed int }

// try calls f, each time with a time-out of its own, until it succeeds or a
// repeat is of no use.
func (p *patience) try(ctx context.Context, f func(context.Context) error) error {
	for {
		err := within(ctx, f)
		if err == nil || !p.again(ctx, err) {
			return err
		}
	}
}

func within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return f(ctx)
}

// again waits before a repeat. It returns false if a person must act, if it
// was tried often enough, and when the time is over.
func (p *patience) again(ctx context.Context, err error) bool {
	p.failed++
	if errors.Is(err, ErrSetup) || p.failed >= maxTries {
		return false
	}
	pause := firstPause << (p.failed - 1)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause/2 + rand.N(pause/2)):
		return true
	}
}
