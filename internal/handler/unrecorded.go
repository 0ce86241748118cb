package handler

import (
	"context"
	"errors"
	"slices"
	"sync"

	"duo-telephony-collector/internal/collect"
)

// failures are this instance's last one of each log of an account, by its live stream,
// unless a run has succeeded since.
type failures struct {
	mu sync.Mutex
	of map[string]*collect.Report
}

// remember keeps a failure visible that the run itself could not record: in the
// history or, if that can't be written, in this instance until a run of its stream
// gets the lease and does not fail.
func (f *failures) remember(ctx context.Context, c *collect.Collector, r *collect.Report) {
	live := c.Live().String()
	if r.Outcome != collect.Failed {
		f.mu.Lock()
		defer f.mu.Unlock()
		if kept := f.of[live]; kept != nil && kept.Stream == r.Stream && r.Token != 0 {
			delete(f.of, live)
		}
		return
	}
	if r.Token == 0 && ctx.Err() == nil { // it never had the lease, and this is no shut-down
		// An error is ignored: the run's own log line has the failure.
		if recorded, err := c.Record(ctx, *r); err == nil {
			*r = recorded
		}
	}
	failed := *r
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of[live] = &failed
}

// kept returns the failures of these streams, in their order.
func (f *failures) kept(streams *collect.Streams) []collect.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kept []collect.Report
	for _, c := range streams.Collectors {
		if r := f.of[c.Live().String()]; r != nil {
			kept = append(kept, *r)
		}
	}
	return kept
}

// unrecorded returns the failures that the history lacks. The logs are nil if they
// could not be read: then it can't be told.
func unrecorded(kept []collect.Report, logs []collect.LogStatus) []collect.Summary {
	statuses := map[string]collect.Status{}
	for _, log := range logs {
		statuses[log.Stream], statuses[log.Backfill.Stream] = log.Status, log.Backfill
	}
	out := []collect.Summary{}
	for _, r := range kept {
		if !recorded(r, statuses[r.Stream].Runs) {
			out = append(out, r.Summary)
		}
	}
	return out
}

// recorded reports whether a stream's history has a failure, or a later run; one of
// another account says nothing. Clocks may differ by seconds: runs are minutes apart.
func recorded(failed collect.Report, runs []collect.Summary) bool {
	known := slices.ContainsFunc(runs, func(r collect.Summary) bool { return r.ID == failed.ID })
	later := len(runs) > 0 && runs[0].StartedAt.After(failed.StartedAt)
	return known || later && !errors.Is(failed.Err, collect.ErrAccount)
}
