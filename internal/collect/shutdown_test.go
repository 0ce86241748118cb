package collect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// silent is a store that does not answer writes. The first one calls stop; each
// ends a second after its context, as a roll-back does.
type silent struct {
	collect.Store
	stop func()
}

var errSilent = errors.New("no answer")

func (s silent) wait(ctx context.Context) error {
	s.stop()
	<-ctx.Done()
	time.Sleep(time.Second)
	return errSilent
}

func (s silent) Commit(ctx context.Context, _ *store.Lease, _ store.Cursor) error { return s.wait(ctx) }

func (s silent) Finish(ctx context.Context, _ *store.Lease, _ store.Cursor, _ store.Run) error {
	return s.wait(ctx)
}

func (s silent) Release(ctx context.Context, _ *store.Lease, _ store.Run) error { return s.wait(ctx) }

// TestShutdownSilent stops a run in the commit of a page, or in the last one,
// while the store does not answer. The run ends before the process is killed.
func TestShutdownSilent(t *testing.T) {
	t.Parallel()
	for name, records := range map[string]int{"a page": 1500, "the last page": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, duosim.Config{}, func(w *world) {
				w.sim.Add(w.spread(records, w.start.Add(-2*time.Hour), time.Second)...)
				ctx, cancel := context.WithCancel(w.t.Context())
				defer cancel()
				var stopped time.Time
				c := w.collector()
				c.Store = silent{w.store, func() {
					if stopped.IsZero() {
						stopped = time.Now()
					}
					cancel()
				}}
				if r := c.Run(ctx, collect.Job{}); !errors.Is(r.Err, errSilent) {
					w.t.Errorf("%s: %v", r.Outcome, r.Err)
				}
				if took := time.Since(stopped); stopped.IsZero() || took > 9500*time.Millisecond {
					w.t.Errorf("it took %v, and the process has ten seconds", took)
				}
			})
		})
	}
}
