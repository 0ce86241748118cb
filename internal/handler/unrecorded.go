package handler

import (
	"context"
	"errors"
	"slices"

	"duo-telephony-collector/internal/collect"
)

// remember has a failure be seen that the run itself could not record: it goes
// into the history or, where that can't be, stays in this instance until a run
// of its stream has the lease and does not fail.
func (s *server) remember(ctx context.Context, r *collect.Report) {
	kept := s.failed.Load()
	if r.Outcome != collect.Failed {
		if kept != nil && kept.Stream == r.Stream && r.Token != 0 {
			s.failed.CompareAndSwap(kept, nil)
		}
		return
	}
	if r.Token == 0 && ctx.Err() == nil { // it never had the lease, and this is no shut-down
		// An error is no news: the run's own line tells of the failure.
		if recorded, err := s.Collector.Record(ctx, *r); err == nil {
			*r = recorded
		}
	}
	failed := *r
	s.failed.Store(&failed)
}

// unrecordedOf returns this instance's last failure if the history lacks it, and has
// no later run, of another instance perhaps. A later one in another account's
// history says nothing. Clocks need not agree to the second: runs are minutes
// apart.
func (s *server) unrecordedOf(log collect.LogStatus) *collect.Summary {
	kept := s.failed.Load()
	if kept == nil {
		return nil
	}
	for _, of := range []collect.Status{log.Status, log.Backfill} {
		if of.Stream != kept.Stream {
			continue
		}
		recorded := slices.ContainsFunc(of.Runs, func(r collect.Summary) bool { return r.ID == kept.ID })
		later := len(of.Runs) > 0 && of.Runs[0].StartedAt.After(kept.StartedAt)
		if recorded || later && !errors.Is(kept.Err, collect.ErrAccount) {
			return nil
		}
	}
	return &kept.Summary
}
