package collect

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Streams are all streams of one service. Each is collected by itself: with a
// lease, a budget and a report of its own, so one that fails stops no other.
// Requests that run at once share the work by the leases.
type Streams struct {
	Collectors  []*Collector // one a log
	Concurrency int          // most that one request runs side by side
}

// Named returns the collector of a log, or nil.
func (s *Streams) Named(log string) *Collector {
	for _, c := range s.Collectors {
		if c.Log.Name == log {
			return c
		}
	}
	return nil
}

// Run runs every stream once, the longest untouched first, and returns the
// reports in the streams' order. Each goes through ended as soon as its run has
// ended; several may at once.
//
// All runs together end with the budget of one. A stream whose turn does not
// come in time is reported as partial without a run, and is among the first of
// the next request. A panic in a run is raised again when the others have ended.
func (s *Streams) Run(ctx context.Context, job Job, ended func(*Report)) []Report {
	var (
		reports  = make([]Report, len(s.Collectors))
		started  = time.Now()
		free     = make(chan struct{}, s.Concurrency)
		panicked = make(chan string, len(s.Collectors))
		running  sync.WaitGroup
	)
	for _, i := range s.order(ctx) {
		free <- struct{}{}
		c, r := *s.Collectors[i], &reports[i]
		if c.Budget -= time.Since(started); ctx.Err() != nil || c.Budget < s.Collectors[i].Budget/2 {
			*r = c.unbegun(ctx)
			<-free
			continue
		}
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked <- fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
				<-free
			}()
			*r = c.Run(ctx, job)
			ended(r)
		})
	}
	running.Wait()
	if len(panicked) > 0 {
		panic(<-panicked)
	}
	return reports
}

// unbegun is the report of a stream whose turn did not come.
func (c *Collector) unbegun(ctx context.Context) Report {
	reason := errBudget
	if ctx.Err() != nil {
		reason = errShutdown
	}
	return Report{Summary: Summary{Outcome: Partial, Stream: c.Live().String(), Reason: reason.Error(), Objects: []string{}, StartedAt: time.Now().UTC()}}
}

// order returns the collectors' indexes, the longest untouched first. Nobody
// needs to be asked where all run side by side, and where the store can't be
// read: the runs meet that for themselves, and say it.
func (s *Streams) order(ctx context.Context) []int {
	order := make([]int, len(s.Collectors))
	touched := make([]time.Time, len(s.Collectors))
	for i, c := range s.Collectors {
		order[i] = i
		if len(s.Collectors) > s.Concurrency {
			if state, err := c.Store.Load(ctx, c.Live().String()); err == nil {
				touched[i] = state.Lease.AcquiredAt
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return touched[a].Compare(touched[b]) })
	return order
}

// Status reads where the logs stand, in the streams' order.
func (s *Streams) Status(ctx context.Context) ([]LogStatus, error) {
	var all []LogStatus
	for _, c := range s.Collectors {
		status, err := c.Status(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Worst returns the report that most needs to be seen.
func Worst(reports []Report) Report {
	return slices.MaxFunc(reports, func(a, b Report) int { return cmp.Compare(a.severity(), b.severity()) })
}

func (r Report) severity() int {
	if r.Act {
		return len(outcomes)
	}
	return slices.Index(outcomes, r.Outcome)
}
