package collect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// leastBudget is what a stream whose turn comes late is still begun with, or half
// of RUN_BUDGET if that is less. With much less a run would blame RUN_BUDGET for a
// page that it could not finish.
const leastBudget = time.Minute

// Streams are all streams of one service at a moment. Each has a lease, a budget and a
// report of its own, so one that fails stops no other.
type Streams struct {
	Collectors  []*Collector // one a log and account
	Concurrency int          // most that one request runs side by side, 1 or more

	part bool // they are not all that the service has
}

// Now returns the streams themselves: they stay the same ones.
func (s *Streams) Now(context.Context) (*Streams, error) { return s, nil }

// Only returns the streams of a log and of an account, which is named by its host,
// id or name. Nil stands for any. It returns nil if there is no such stream.
func (s *Streams) Only(log, account *string) *Streams {
	return s.those(func(c *Collector) bool {
		return (log == nil || c.Log.Name == *log) && (account == nil || c.of(*account))
	})
}

// Called returns the stream of that name, a live one's or a backfill's. It returns
// nil if there is none.
func (s *Streams) Called(name string) *Streams {
	return s.those(func(c *Collector) bool { return c.called(name) })
}

func (s *Streams) those(wanted func(*Collector) bool) *Streams {
	those := &Streams{Concurrency: s.Concurrency, part: true}
	for _, c := range s.Collectors {
		if wanted(c) {
			those.Collectors = append(those.Collectors, c)
		}
	}
	if len(those.Collectors) == 0 {
		return nil
	}
	return those
}

// of reports whether the account is called so. Nothing is called "".
func (c Config) of(account string) bool {
	named := strings.EqualFold(account, c.Host) || account == c.Account.ID || account == c.Account.Name
	return named && account != ""
}

// Run runs every stream once, the longest untouched first. Each report goes
// through ended as soon as its run has ended; several may at once.
//
// All runs together end with the budget of one. A stream whose turn does not
// come in time is reported as partial without a run, and is among the first of
// the next request. Of more streams than run side by side, one that another
// request has run meanwhile, or is running, is reported as busy without a run:
// requests at once divide the streams. Where a run panics the others end as
// usual; then that is raised again, as a [*Panic].
func (s *Streams) Run(ctx context.Context, job Job, ended func(*Collector, *Report)) Reports {
	reports := reporter{byOutcome: map[string]int{}}
	began := time.Now()
	order, since := s.order(ctx)
	job.Since = since
	sideBySide(len(order), s.Concurrency, func(turn int) {
		i := order[turn]
		c := *s.Collectors[i]
		if turn >= s.Concurrency { // it had to wait
			c.Budget -= time.Since(began)
			if ctx.Err() != nil || c.Budget < min(leastBudget, s.Collectors[i].Budget/2) {
				reports.add(i, c.unbegun(ctx))
				return
			}
		}
		r := c.Run(ctx, job)
		if since.IsZero() || r.Outcome != Busy {
			ended(s.Collectors[i], &r)
		}
		reports.add(i, r)
	})
	return reports.all()
}

// unbegun is the report of a stream whose turn did not come.
func (c *Collector) unbegun(ctx context.Context) Report {
	reason := stopBudget
	if ctx.Err() != nil {
		reason = stopShutdown
	}
	return Report{Summary: Summary{Outcome: Partial, Stream: c.Live().String(), Reason: reason.Error(), Objects: []string{}, StartedAt: time.Now().UTC()}}
}

// order returns the collectors' indexes, the longest untouched first, and the store's
// time of that, which is zero where all run side by side, and where the store can't be
// read: the runs meet that for themselves, and say it. Of many streams, those next to
// each other are in an order of this request's own: else all requests that divide them
// would meet at every document, and wait for its lock.
func (s *Streams) order(ctx context.Context) ([]int, time.Time) {
	order := make([]int, len(s.Collectors))
	for i := range order {
		order[i] = i
	}
	if len(order) <= s.Concurrency {
		return order, time.Time{}
	}
	acquired, now, err := s.Collectors[0].Store.Acquired(ctx)
	if err != nil {
		return order, time.Time{}
	}
	touched := make([]time.Time, len(order))
	for i, c := range s.Collectors {
		touched[i] = acquired[c.Live().String()]
	}
	slices.SortStableFunc(order, func(a, b int) int { return touched[a].Compare(touched[b]) })
	if near := 16 * s.Concurrency; len(order) > near { // more than the requests of a moment have in hand
		for next := range slices.Chunk(order, near) {
			rand.Shuffle(len(next), func(a, b int) { next[a], next[b] = next[b], next[a] })
		}
	}
	return order, now
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
