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

// leastBudget is what a stream whose turn comes late is still begun with, or half
// of RUN_BUDGET if that is less. With much less a run would blame RUN_BUDGET for a
// page that it could not finish.
const leastBudget = time.Minute

// Streams are all streams of one service. Each is collected by itself: with a
// lease, a budget and a report of its own, so one that fails stops no other.
// Requests that run at once share the work by the leases.
type Streams struct {
	Collectors  []*Collector // one a log
	Concurrency int          // most that one request runs side by side, 1 or more
}

// Only returns the stream of a log alone, or nil.
func (s *Streams) Only(log string) *Streams {
	for i, c := range s.Collectors {
		if c.Log.Name == log {
			return &Streams{s.Collectors[i : i+1], s.Concurrency}
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
// the next request. Where a run panics the others end as usual; then that is
// raised again, as a [*Panic].
func (s *Streams) Run(ctx context.Context, job Job, ended func(*Collector, *Report)) []Report {
	reports := make([]Report, len(s.Collectors))
	order := s.order(ctx)
	began := time.Now()
	sideBySide(len(order), s.Concurrency, func(turn int) {
		i := order[turn]
		c := *s.Collectors[i]
		if turn >= s.Concurrency { // it had to wait
			c.Budget -= time.Since(began)
			if ctx.Err() != nil || c.Budget < min(leastBudget, s.Collectors[i].Budget/2) {
				reports[i] = c.unbegun(ctx)
				return
			}
		}
		reports[i] = c.Run(ctx, job)
		ended(s.Collectors[i], &reports[i])
	})
	return reports
}

// unbegun is the report of a stream whose turn did not come.
func (c *Collector) unbegun(ctx context.Context) Report {
	reason := stopBudget
	if ctx.Err() != nil {
		reason = stopShutdown
	}
	return Report{Summary: Summary{Outcome: Partial, Stream: c.Live().String(), Reason: reason.Error(), Objects: []string{}, StartedAt: time.Now().UTC()}}
}

// order returns the collectors' indexes, the longest untouched first. Nobody
// needs to be asked where all run side by side, and where the store can't be
// read: the runs meet that for themselves, and say it.
func (s *Streams) order(ctx context.Context) []int {
	order := make([]int, len(s.Collectors))
	for i := range order {
		order[i] = i
	}
	if len(order) <= s.Concurrency {
		return order
	}
	touched := make([]time.Time, len(order))
	sideBySide(len(order), len(order), func(i int) {
		c := s.Collectors[i]
		if state, err := c.Store.Load(ctx, c.Live().String()); err == nil {
			touched[i] = state.Lease.AcquiredAt
		}
	})
	slices.SortStableFunc(order, func(a, b int) int { return touched[a].Compare(touched[b]) })
	return order
}

// Status reads where the logs stand, in the streams' order.
func (s *Streams) Status(ctx context.Context) ([]LogStatus, error) {
	all, errs := make([]LogStatus, len(s.Collectors)), make([]error, len(s.Collectors))
	sideBySide(len(all), len(all), func(i int) { all[i], errs[i] = s.Collectors[i].Status(ctx) })
	for _, err := range errs {
		if err != nil { // one store: the others say the same
			return nil, err
		}
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

// Panic is what a run panicked with, and where.
type Panic struct{ Value, Stack string }

// Error is what it panicked with.
func (p *Panic) Error() string { return p.Value }

// sideBySide calls f with the numbers below n, in order and no more than most at
// once, and returns when all calls have. Their panics are raised together then.
func sideBySide(n, most int, f func(int)) {
	var (
		free     = make(chan struct{}, most)
		panicked = make(chan *Panic, n)
		calls    sync.WaitGroup
	)
	for i := range n {
		free <- struct{}{}
		calls.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked <- &Panic{fmt.Sprint(p), string(debug.Stack())}
				}
				<-free
			}()
			f(i)
		})
	}
	calls.Wait()
	close(panicked)
	first, any := <-panicked
	for p := range panicked {
		first.Value += "; " + p.Value
		first.Stack += "\n" + p.Stack
	}
	if any {
		panic(first)
	}
}
