package handler

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"duo-telephony-collector/internal/collect"
)

// failures are this instance's last failure of each log, unless a run has
// succeeded since.
type failures map[*collect.Collector]*atomic.Pointer[collect.Report]

func failuresOf(s *collect.Streams) failures {
	f := failures{}
	for _, c := range s.Collectors {
		f[c] = new(atomic.Pointer[collect.Report])
	}
	return f
}

// remember has a failure be seen that the run itself could not record: it goes
// into the history or, where that can't be, stays in this instance until a run
// of its stream has the lease and does not fail.
func (f failures) remember(ctx context.Context, c *collect.Collector, r *collect.Report) {
	last := f[c]
	kept := last.Load()
	if r.Outcome != collect.Failed {
		if kept != nil && kept.Stream == r.Stream && r.Token != 0 {
			last.CompareAndSwap(kept, nil)
		}
		return
	}
	if r.Token == 0 && ctx.Err() == nil { // it never had the lease, and this is no shut-down
		// An error is no news: the run's own line tells of the failure.
		if recorded, err := c.Record(ctx, *r); err == nil {
			*r = recorded
		}
	}
	failed := *r
	last.Store(&failed)
}

// unrecorded returns the failures that the history lacks. The logs are in the
// streams' order, or could not be read.
func (s *server) unrecorded(logs []collect.LogStatus) []collect.Summary {
	out := []collect.Summary{}
	for i, c := range s.Streams.Collectors {
		if kept := s.failed[c].Load(); kept != nil && (logs == nil || !recorded(*kept, logs[i])) {
			out = append(out, kept.Summary)
		}
	}
	return out
}

// recorded reports whether a log's history has a failure, or a later run, of
// another instance perhaps. A later one in another account's history says
// nothing. Clocks need not agree to the second: runs are minutes apart.
func recorded(failed collect.Report, log collect.LogStatus) bool {
	for _, of := range []collect.Status{log.Status, log.Backfill} {
		if of.Stream != failed.Stream {
			continue
		}
		known := slices.ContainsFunc(of.Runs, func(r collect.Summary) bool { return r.ID == failed.ID })
		later := len(of.Runs) > 0 && of.Runs[0].StartedAt.After(failed.StartedAt)
		return known || later && !errors.Is(failed.Err, collect.ErrAccount)
	}
	return false
}
