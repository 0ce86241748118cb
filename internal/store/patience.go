package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// patience is one operation's retry policy: exponential backoff with jitter, up to
// maxTries. It counts the failures of all the operation's requests together.
type patience struct{ failed int }

// try calls f, with a time-out for each call, until it succeeds or again says no.
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

// again waits before a retry. It returns false if err needs a person, after
// maxTries failures, and when ctx ends.
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
