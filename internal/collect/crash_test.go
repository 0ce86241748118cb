package collect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// TestCrash breaks a run at each of its steps, in each way in which a step can
// break, and then lets ordinary runs go on until they have caught up. Whatever
// happened, every record that Duo shows is in the bucket once, the watermark
// never went back, and no token was used twice.
func TestCrash(t *testing.T) {
	t.Parallel()
	how := breaks
	if testing.Short() {
		how = []string{answer, diesAfter} // these leave something behind
	}
	for name, open := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range scenarios {
				crashEverywhere(t, open, s, how)
			}
		})
	}
}

// TestCrashOfEveryLog does so in what differs from log to log.
func TestCrashOfEveryLog(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestCrash breaks the steps of one log")
	}
	for name, open := range worlds {
		for _, log := range duo.Logs {
			t.Run(name+"/"+log.Name, func(t *testing.T) {
				t.Parallel()
				crashEverywhere(t, func(t *testing.T) *world { return open(t).use(log) }, moving, breaks)
			})
		}
	}
}

func crashEverywhere(t *testing.T, open func(*testing.T) *world, s scenario, breaks []string) {
	for i, step := range rehearse(t, open, s) {
		for _, how := range breaks {
			t.Run(fmt.Sprintf("%s/%d %s/%s", s.name, i, step, how), func(t *testing.T) {
				t.Parallel()
				w := open(t)
				s.arrange(w)
				w.breakRun(breakage{at: i, how: how})
				s.meanwhile(w)
				w.recover()
			})
		}
	}
}

// TestCrashTwice dies right after each write, and breaks the run that finds
// the object at each of its steps again.
func TestCrashTwice(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestCrash breaks one run")
	}
	s := scenarios[1]
	for i, step := range rehearse(t, embedded, s) {
		if step != "write" {
			continue
		}
		for j := range 8 {
			for _, how := range []string{answer, diesAfter} {
				t.Run(fmt.Sprintf("%d %s/%d/%s", i, step, j, how), func(t *testing.T) {
					t.Parallel()
					w := embedded(t)
					s.arrange(w)
					w.breakRun(breakage{at: i, how: diesAfter})
					w.expire()
					w.breakRun(breakage{at: j, how: how})
					w.recover()
				})
			}
		}
	}
}

// breaks are the ways in which a step breaks.
const (
	fails     = "fails"      // it had no effect
	answer    = "answer"     // it had its effect, but the answer is lost
	cancelled = "cancelled"  // the run is told to stop while it is under way
	dies      = "dies"       // the process is gone before it has an effect
	diesAfter = "dies after" // the process is gone once it had its effect
)

var breaks = []string{fails, answer, cancelled, dies, diesAfter}

type scenario struct {
	name      string
	arrange   func(*world)
	meanwhile func(*world) // between the broken run and the next one
}

var scenarios = []scenario{
	{"one page", func(w *world) { w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...) }, nothing},
	{"many pages", func(w *world) { w.sim.Add(w.spread(2010, w.start.Add(-2*time.Hour), time.Second)...) }, nothing},
	{"window border", func(w *world) {
		w.config.MaxWindow = 12 * time.Hour
		w.sim.Add(w.spread(200, w.start.Add(-12*time.Hour-100*time.Microsecond), time.Microsecond)...)
	}, nothing},
	{"late records", func(w *world) {
		w.sim.Add(w.spread(1200, w.start.Add(-time.Hour), 2*time.Second)...)
		w.complete()
		w.pass(2 * time.Minute)
		for _, r := range w.spread(40, w.start.Add(-6*time.Minute), time.Second) {
			r.VisibleAt = w.clock()
			w.sim.Add(r)
		}
	}, func(w *world) {
		w.sim.Add(duosim.Record{TS: w.start.Add(-6*time.Minute + 500*time.Millisecond), ID: uuid(9, w.start), VisibleAt: w.clock()})
	}},
}

// moving has records that are edited, or share id and time. Others appear on pages
// that were walked already, and a log that is not asked for an order has another
// one, so positions move. Most are too old for the overlap to make up for a loss.
var moving = scenario{"pages that move", func(w *world) {
	step := 2 * time.Hour / time.Duration(w.page+20)
	w.sim.Add(w.lively(w.spread(w.page+10, w.start.Add(-2*time.Hour-3*time.Minute), step))...)
}, func(w *world) {
	w.sim.Behave(duosim.Manners{Order: duosim.OldestFirst})
	for i, age := range []time.Duration{10*time.Minute + 30*time.Second, 7 * time.Minute, 3*time.Minute + 10*time.Second} {
		late := w.plain(w.newID(i, w.start), w.start.Add(-age))
		late.VisibleAt = w.clock()
		w.sim.Add(late)
	}
}}

func nothing(*world) {}

// rehearse returns the steps of a run that nothing breaks.
func rehearse(t *testing.T, open func(*testing.T) *world, s scenario) []string {
	t.Helper()
	w := open(t)
	s.arrange(w)
	steps := w.breakRun(breakage{at: -1})
	if !slices.Contains(steps, "write") || !slices.Contains(steps, "finish") {
		t.Fatalf("%s takes the steps %v", s.name, steps)
	}
	return steps
}

// breakage is what shall happen to one step of a run.
type breakage struct {
	at  int
	how string
}

// breakRun does one run that breaks, and returns the steps it took.
func (w *world) breakRun(b breakage) []string {
	w.t.Helper()
	steps := w.sabotage(b)
	w.check()
	return steps
}

// sabotage does the same without a look at the bucket.
func (w *world) sabotage(b breakage) []string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	s := &saboteur{breakage: b, cancel: cancel}
	c := w.collector()
	c.Store, c.Bucket = brokenStore{w.store, s}, brokenBucket{w.bucket, s}
	if b.how != "" {
		c.Budget = w.patience
	}
	w.front.set(s)
	r := c.Run(ctx, collect.Job{})
	w.front.set(nil)
	w.reports = append(w.reports, r)
	if b.how == "" && r.Outcome != collect.Complete {
		w.t.Fatalf("the rehearsal is %s: %s", r.Outcome, r.Reason)
	}
	return s.steps
}

// recover runs until all is collected, and checks every run.
func (w *world) recover() {
	w.t.Helper()
	w.expire()
	for range 5 {
		r := w.run(collect.Job{})
		if r.Outcome == collect.Failed || r.Outcome == collect.Busy {
			w.t.Fatalf("after the break a run is %s: %s", r.Outcome, r.Reason)
		}
		w.pass(5 * time.Second)
		if r.Outcome == collect.Complete {
			w.complete()
			w.checkLate()
			w.checkReports()
			return
		}
	}
	w.t.Fatalf("five runs have not caught up")
}

// expire lets the lease of a run that died end.
func (w *world) expire() { w.pass(35 * time.Second) }

// checkReports checks what the runs' reports say of watermark and token.
func (w *world) checkReports() {
	w.t.Helper()
	var mark time.Time
	var token int64
	for _, r := range w.reports {
		if r.Watermark != nil && r.Watermark.Before(mark) {
			w.t.Errorf("the watermark went back from %s to %s", mark, r.Watermark)
		}
		if r.Token != 0 && r.Token <= token {
			w.t.Errorf("token %d follows %d", r.Token, token)
		}
		if r.Watermark != nil {
			mark = *r.Watermark
		}
		token = max(token, r.Token)
	}
}

var errBroken = errors.New("broken by the test")

// saboteur breaks one step. Once its process is gone, nothing it begins has an
// effect any more. The next page is fetched beside the other steps, so these
// come in any order.
type saboteur struct {
	breakage
	cancel func()

	mu    sync.Mutex
	steps []string
	gone  bool
}

func (s *saboteur) step(name string, do func() error) error {
	how, gone := s.begin(name)
	if gone {
		return errBroken
	}
	switch how {
	case "":
		return do()
	case cancelled:
		s.cancel()
		return do()
	case answer, diesAfter:
		_ = do()
	}
	if how == dies || how == diesAfter {
		s.die()
	}
	return errBroken
}

// begin tells how a step shall break, "" if it shall not.
func (s *saboteur) begin(name string) (how string, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return "", true
	}
	s.steps = append(s.steps, name)
	if len(s.steps)-1 == s.at {
		how = s.how
	}
	return how, false
}

func (s *saboteur) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.cancel() // who is gone waits for nothing
}

type brokenStore struct {
	collect.Store
	s *saboteur
}

func (b brokenStore) Acquire(ctx context.Context, stream string, c store.Claim) (l *store.Lease, cur store.Cursor, err error) {
	err = b.s.step("acquire", func() (err error) { l, cur, err = b.Store.Acquire(ctx, stream, c); return err })
	return l, cur, err
}

func (b brokenStore) Commit(ctx context.Context, l *store.Lease, c store.Cursor) error {
	return b.s.step("commit", func() error { return b.Store.Commit(ctx, l, c) })
}

func (b brokenStore) Finish(ctx context.Context, l *store.Lease, c store.Cursor, r store.Run) error {
	return b.s.step("finish", func() error { return b.Store.Finish(ctx, l, c, r) })
}

func (b brokenStore) Release(ctx context.Context, l *store.Lease, r store.Run) error {
	return b.s.step("release", func() error { return b.Store.Release(ctx, l, r) })
}

type brokenBucket struct {
	collect.Bucket
	s *saboteur
}

func (b brokenBucket) Put(ctx context.Context, o writer.Object) (there *writer.Object, err error) {
	err = b.s.step("write", func() (err error) { there, err = b.Bucket.Put(ctx, o); return err })
	return there, err
}

// front stands before the simulator and breaks fetches.
type front struct {
	sim http.Handler
	s   chan *saboteur // holds the one in charge
}

func newFront(sim http.Handler) *front {
	f := &front{sim: sim, s: make(chan *saboteur, 1)}
	f.s <- nil
	return f
}

func (f *front) set(s *saboteur) { <-f.s; f.s <- s }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := <-f.s
	defer func() { f.s <- s }()
	if s == nil {
		f.sim.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if s.step("fetch", func() error { f.sim.ServeHTTP(answer, r); return nil }) != nil {
		duosim.Reset(w, r, nil)
		return
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}
