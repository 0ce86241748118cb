package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// streams are all logs of the world's account, so many of them at once.
func (w *world) streams(concurrency int) *collect.Streams {
	all := &collect.Streams{Concurrency: concurrency}
	for _, log := range duo.Logs {
		c := w.collector()
		c.Log, c.Overlap = &log, log.Overlap
		all.Collectors = append(all.Collectors, c)
	}
	return all
}

// runs are those that were reported as ended.
type runs struct {
	mu    sync.Mutex
	ended []string
}

func (r *runs) add(c *collect.Collector, report *collect.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, c.Log.Name+" "+report.Outcome)
}

// asked are the logs of the requests to Duo, in order, and are forgotten.
func (w *world) asked(from int) []string {
	var logs []string
	for _, r := range w.account.Requests()[from:] {
		logs = append(logs, r.Log)
	}
	return slices.Compact(logs)
}

// told are the reports, in short.
func told(reports []collect.Report) []string {
	var all []string
	for _, r := range reports {
		all = append(all, r.Stream+" "+r.Outcome)
	}
	return all
}

// TestStreamsOrder runs one at a time, whatever was longest untouched first, and
// reports in the table's order.
func TestStreamsOrder(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	s := w.streams(1)
	want := []string{"telephony complete", "authentication complete", "activity complete", "trust-monitor complete"}
	for _, touched := range [][]string{
		{"activity", "telephony"}, {"trust-monitor", "activity", "authentication"}, nil,
	} {
		for _, log := range touched {
			w.pass(time.Minute)
			s.Only(&log, nil).Run(t.Context(), collect.Job{}, func(*collect.Collector, *collect.Report) {})
		}
		before := w.touched(s)
		w.pass(time.Minute)
		begun, ended := len(w.account.Requests()), runs{}
		if diff := cmp.Diff(want, told(s.Run(t.Context(), collect.Job{}, ended.add).Runs)); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		asked := w.asked(begun)
		if !slices.IsSortedFunc(asked, func(a, b string) int { return before[a].Compare(before[b]) }) || len(asked) != len(want) {
			t.Errorf("after %v were touched, Duo was asked for %v", touched, asked)
		}
		for i, log := range asked {
			if ended.ended[i] != log+" complete" {
				t.Errorf("it was told of %v, and Duo was asked for %v", ended.ended, asked)
			}
		}
	}
}

// touched is when each stream was last run.
func (w *world) touched(s *collect.Streams) map[string]time.Time {
	at := map[string]time.Time{}
	for _, c := range s.Collectors {
		state, err := w.store.Load(w.t.Context(), c.Log.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		at[c.Log.Name] = state.Lease.AcquiredAt
	}
	return at
}

// before is a bucket with something before every write.
type before struct {
	collect.Bucket
	do func(context.Context)
}

func (b before) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	b.do(ctx)
	return b.Bucket.Put(ctx, o)
}

// TestStreamsBudget has the first of the streams take most of the budget that
// they have together: what is left is the next one's, and what is too little for a
// run is nobody's. The others come first the next time.
func TestStreamsBudget(t *testing.T) {
	for _, test := range []struct {
		budget, takes time.Duration
		want          []string
		ttl           time.Duration // of the second lease
	}{
		{9 * time.Minute, 7*time.Minute + 59*time.Second, []string{"complete", "complete", "complete", "complete"}, time.Minute + 31*time.Second},
		{9 * time.Minute, 8*time.Minute + 2*time.Second, []string{"complete", "partial", "partial", "partial"}, 0},
		{time.Minute, 29 * time.Second, []string{"complete", "complete", "complete", "complete"}, time.Minute + time.Second},
		{time.Minute, 31 * time.Second, []string{"complete", "partial", "partial", "partial"}, 0},
	} {
		t.Run(fmt.Sprint(test.takes), func(t *testing.T) {
			bubble(t, duosim.Config{}, func(w *world) {
				w.config.Budget = test.budget
				w.sim.Add(w.spread(1, w.start.Add(-time.Hour), 0)...)
				s := w.streams(1)
				s.Collectors[0].Bucket = before{w.bucket, func(context.Context) { time.Sleep(test.takes) }}
				leases := &leases{Store: w.store, ttl: map[string]time.Duration{}}
				s.Collectors[1].Store = leases
				var ended runs
				reports := s.Run(w.t.Context(), collect.Job{}, ended.add).Runs
				for i, r := range reports {
					if r.Outcome != test.want[i] || r.Outcome == collect.Partial && !strings.Contains(r.Reason, "RUN_BUDGET") {
						w.t.Errorf("%s %s: %s, want %s", r.Stream, r.Outcome, r.Reason, test.want[i])
					}
				}
				if got := leases.ttl["authentication"]; got.Round(time.Second) != test.ttl {
					w.t.Errorf("the second lease lasts for %v, want %v", got, test.ttl)
				}
				if n := strings.Count(strings.Join(test.want, " "), "complete"); len(ended.ended) != n {
					w.t.Errorf("it was told of %v, want %d", ended.ended, n)
				}
				w.pass(time.Minute)
				begun := len(w.account.Requests())
				s.Run(w.t.Context(), collect.Job{}, ended.add)
				if asked := w.asked(begun); test.ttl == 0 && asked[len(asked)-1] != "telephony" {
					w.t.Errorf("the next time Duo was asked for %v", asked)
				}
			})
		})
	}
}

// TestStreamsApart: of many streams, those next to each other come in another order
// each time, so that requests at once seldom meet; those that waited less, after them.
func TestStreamsApart(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	all, acquired := &collect.Streams{Concurrency: 1}, &runs{}
	for i := range 32 {
		c := w.collector()
		c.Account = duo.Account{Host: fmt.Sprintf("api-%08d.duosecurity.com", i)}
		c.Store = noting{w.store, acquired}
		all.Collectors = append(all.Collectors, c)
	}
	run := func(some []*collect.Collector) []string {
		acquired.ended = nil
		(&collect.Streams{Collectors: some, Concurrency: 1}).Run(t.Context(), collect.Job{}, new(runs).add)
		w.pass(time.Hour)
		return acquired.ended
	}
	older := run(all.Collectors[:16])
	run(all.Collectors[16:])
	first := run(all.Collectors)
	for _, stream := range first[:16] {
		if !slices.Contains(older, stream) {
			t.Errorf("%s comes before one that has waited for twice as long: %v", stream, first)
		}
	}
	if second := run(all.Collectors); len(second) != 32 || slices.Equal(first, second) {
		t.Errorf("the order is %v, and again %v", first, second)
	}
}

// noting is a store that notes which streams' leases are taken.
type noting struct {
	collect.Store
	streams *runs
}

func (n noting) Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error) {
	n.streams.ended = append(n.streams.ended, stream)
	return n.Store.Acquire(ctx, stream, c)
}

// leases is a store that notes for how long they are taken.
type leases struct {
	collect.Store
	ttl map[string]time.Duration
}

func (l *leases) Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error) {
	l.ttl[stream] = c.TTL
	return l.Store.Acquire(ctx, stream, c)
}

// TestStreamsShutdown is told to stop in the first of the streams: that one ends
// as always, and the others are not begun.
func TestStreamsShutdown(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(1500, w.start.Add(-time.Hour), time.Second)...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := w.streams(1)
	s.Collectors[0].Bucket = before{w.bucket, func(context.Context) { stop() }}
	var ended runs
	reports := s.Run(ctx, collect.Job{}, ended.add).Runs
	for i, r := range reports {
		if r.Outcome != collect.Partial || !strings.Contains(r.Reason, "shutdown") || (r.Token == 0) != (i > 0) {
			t.Errorf("%+v", r.Summary)
		}
	}
	if want := []string{"telephony partial"}; !slices.Equal(ended.ended, want) {
		t.Errorf("it was told of %v, want %v", ended.ended, want)
	}
	for log, at := range w.touched(s) {
		if at.IsZero() != (log != "telephony") {
			t.Errorf("%s was touched at %v", log, at)
		}
	}
}

// TestStreamsPanic has two of four runs panic: the others end as always, and both
// panics are raised, with where they were.
func TestStreamsPanic(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	for _, log := range duo.Logs {
		w.account.Log(log.Name).Add(duosim.Record{TS: w.start.Add(-time.Hour), ID: "SE1A2B3C4D5E6F7A8B9C"})
	}
	s := w.streams(4)
	for i, bug := range map[int]string{0: "a bug", 2: "another one"} {
		s.Collectors[i].Bucket = before{w.bucket, func(context.Context) { panic(bug) }}
	}
	var ended runs
	raised := func() (raised any) {
		defer func() { raised = recover() }()
		s.Run(t.Context(), collect.Job{}, ended.add)
		return nil
	}()
	p, ok := raised.(*collect.Panic)
	if !ok || !strings.Contains(p.Error(), "a bug") || !strings.Contains(p.Error(), "another one") || strings.Count(p.Stack, "before.Put") != 2 {
		t.Errorf("raised %v, want both panics and their stacks", raised)
	}
	if slices.Sort(ended.ended); !slices.Equal(ended.ended, []string{"authentication complete", "trust-monitor complete"}) {
		t.Errorf("it was told of %v", ended.ended)
	}
	for _, c := range s.Collectors {
		if state, err := w.store.Load(t.Context(), c.Log.Name); err != nil || state.Lease.Holder != "" {
			t.Errorf("%s: the lease is left with %q, %v", c.Log.Name, state.Lease.Holder, err)
		}
	}
}

// TestStreamsStatus has the logs in the table's order, one that can't be read among
// them, or an error.
func TestStreamsStatus(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	s := w.streams(1)
	s.Run(t.Context(), collect.Job{}, func(*collect.Collector, *collect.Report) {})
	all, err := s.Status(t.Context(), "")
	for i, log := range duo.Logs {
		if one := all.Logs[i]; err != nil || one.Stream != log.Name || one.Backfill.Stream != log.Name+"-backfill" || len(one.Runs) != 1 || one.Account != nil {
			t.Errorf("%s: %+v, %v", log.Name, one, err)
		}
	}
	if len(all.Logs) != 4 || all.Vanished != nil {
		t.Errorf("%d streams, vanished %v", len(all.Logs), all.Vanished)
	}
	s.Collectors[3].Store = away{w.store}
	all, err = s.Status(t.Context(), "")
	if err != nil || all.Logs[2].Brief != nil || len(all.Logs[2].Runs) != 1 || all.Logs[3].Brief == nil || all.Logs[3].Brief.Unreadable != errAway.Error() {
		t.Errorf("with a document that can't be read: %+v, %v", all, err)
	}
	s.Collectors[3].Store = awayFor{w.store, "trust-monitor-backfill"}
	all, err = s.Status(t.Context(), "")
	if one := all.Logs[3]; err != nil || one.Brief != nil || len(one.Runs) != 1 || one.Backfill.Brief == nil || one.Backfill.Brief.Unreadable != errAway.Error() {
		t.Errorf("with a backfill's document that can't be read: %+v, %v", one, err)
	}
	for _, c := range s.Collectors {
		c.Store = away{w.store}
	}
	if all, err := s.Status(t.Context(), ""); !errors.Is(err, errAway) || all.Logs != nil {
		t.Errorf("with a store that can't be read: %v, %v", all, err)
	}
}

var errAway = errors.New("no route to the store")

// away is a store that can't be read.
type away struct{ collect.Store }

func (away) Load(context.Context, string) (store.State, error) { return store.State{}, errAway }

// awayFor is one of which one document can't be read.
type awayFor struct {
	collect.Store
	stream string
}

func (a awayFor) Load(ctx context.Context, stream string) (store.State, error) {
	if stream == a.stream {
		return store.State{}, errAway
	}
	return a.Store.Load(ctx, stream)
}

func TestWorst(t *testing.T) {
	order := []collect.Summary{
		{Outcome: collect.Complete}, {Outcome: collect.Partial}, {Outcome: collect.Busy}, {Outcome: collect.Failed}, {Outcome: collect.Failed, Act: true},
	}
	for i, worse := range order {
		for _, better := range order[:i+1] {
			for _, reports := range [][]collect.Report{{{Summary: worse}}, {{Summary: worse}, {Summary: better}}, {{Summary: better}, {Summary: worse}}} {
				if diff := cmp.Diff(worse, collect.Worst(reports).Summary); diff != "" {
					t.Errorf("of %v (-want +got):\n%s", told(reports), diff)
				}
			}
		}
	}
}
