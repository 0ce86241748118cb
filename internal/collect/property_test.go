package collect_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

var (
	histories = flag.Int("histories", 40, "random histories to try; with -short three at most")
	period    = flag.Duration("for", 0, "try new ones, so many at once, for so long")
	seed      = flag.Uint64("seed", 0, "try only the history of this seed")
	logName   = flag.String("log", "", "try only this log")
)

// TestHistories lets random things happen to a stream of any log in random order: Duo
// answers in any of its manners and changes them, records have whatever they may
// have and arrive in time and late, in the middle of a run too, runs break at any
// step, settings and places change, another account is set, documents are deleted,
// aged or restored, ranges are collected again, time passes. A run may fail. After
// each one nothing is doubled, and nothing lost that was shown in time; in the
// end, when Duo has manners again, the stream catches up and the late records are
// there too.
//
// The histories are the same each time, so that it judges the code and not chance;
// with -for they are new ones.
func TestHistories(t *testing.T) {
	t.Parallel()
	tryHistories(t, embedded, *histories)
}

// TestHistoriesOnFirestore does so on the other store and bucket, which take
// fifty times as long: it tries each log once at least.
func TestHistoriesOnFirestore(t *testing.T) {
	t.Parallel()
	tryHistories(t, emulated, max(len(duo.Logs), *histories/50))
}

func tryHistories(t *testing.T, open func(*testing.T) *world, most int) {
	if *seed != 0 {
		try(t, open, *seed)
		return
	}
	if testing.Short() {
		most = min(most, 3)
	}
	first, start, n := uint64(1), time.Now(), 0
	if *period > 0 {
		first = rand.Uint64()
	}
	for n == 0 || time.Since(start) < *period && !t.Failed() {
		t.Run("", func(t *testing.T) {
			for range most {
				seed := first + uint64(n)
				t.Run(fmt.Sprint(seed, " ", logOf(t, seed).Name), func(t *testing.T) {
					t.Parallel()
					try(t, open, seed)
				})
				n++
			}
		})
		if *period > 0 {
			fmt.Printf("%s: %d histories, seeds from %d on\n", time.Since(start).Round(time.Second), n, first)
		}
	}
}

func try(t *testing.T, open func(*testing.T) *world, seed uint64) {
	h := newHistory(open(t), seed)
	t.Cleanup(func() {
		if t.Failed() {
			test, _, _ := strings.Cut(t.Name(), "/")
			t.Logf("again with: go test -run '^%s$' ./internal/collect -seed %d -log %s\n%+v\n%+v\n%s", test, seed, h.w.name, h.habits, h.manners, h.w.log)
		}
	})
	for range 4 + h.IntN(8) {
		h.settings()
		h.document()
		h.arrivals()
		h.run()
		h.w.pass(h.between(time.Second, 8*time.Minute))
	}
	h.end()
	h.w.config.MaxPages = 0
	h.w.sim.Behave(duosim.Manners{})
	h.w.recover()
}

// history is a source of decisions, and what they are about.
type history struct {
	*rand.Rand
	w *world
	habits
	manners []duosim.Manners
	records int
	moved   bool            // a document that is lost or old knows nothing of the old place
	back    bool            // the history tells nothing of a watermark that was set back
	ids     []string        // of use, that were given
	written map[string]bool // ids of use with their times
	copy    store.Cursor    // an older one

	mu   sync.Mutex
	over bool
}

// habits are how many records, one in so many, show another time than that of
// Duo's index, have an id of no use, the id of another one, are edited, or are
// shown twice; 0 is none.
type habits struct{ untimed, nameless, namesake, edited, doubled int }

func newHistory(w *world, seed uint64) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 0)), w: w, written: map[string]bool{}}
	h.w.use(logOf(w.t, seed))
	for _, habit := range []*int{&h.untimed, &h.nameless, &h.namesake, &h.edited, &h.doubled} {
		if h.oneIn(2) {
			*habit = 2 + h.IntN(20)
		}
	}
	h.behave()
	h.w.config.Lookback = h.between(10*time.Minute, 6*time.Hour)
	h.w.config.FirstMark = func(context.Context) (time.Time, error) { return h.w.first(), nil } // also if the first runs break
	return h
}

// logOf has the seeds from 1 on take one log after the other, and then the first as
// often as all others together. A flag sets it for all.
func logOf(t *testing.T, seed uint64) duo.Log {
	t.Helper()
	if *logName != "" {
		log, ok := duo.LogNamed(*logName)
		if !ok {
			t.Fatalf("there is no log %q", *logName)
		}
		return log
	}
	n := uint64(len(duo.Logs))
	if i := (seed - 1) % (2*n - 2); i < n {
		return duo.Logs[i]
	}
	return duo.Logs[0]
}

func (h *history) oneIn(n int) bool { return n > 0 && h.IntN(n) == 0 }

// between returns whole milliseconds.
func (h *history) between(least, most time.Duration) time.Duration {
	return (least + h.duration(most-least)).Truncate(time.Millisecond)
}

func (h *history) duration(most time.Duration) time.Duration {
	return time.Duration(h.Int64N(int64(most)))
}

// settings change between two runs, as a new revision would change them. The
// overlap only grows: late records of before are owed as far as it reached.
func (h *history) settings() {
	c := &h.w.config
	c.MaxWindow = h.between(20*time.Minute, 3*time.Hour)
	c.MaxPages = h.IntN(4)
	if h.oneIn(4) {
		c.Overlap += h.between(0, 5*time.Minute)
	}
	if h.oneIn(8) {
		h.behave()
	}
}

// document changes what no run expects to change. What is restored or deleted is
// no lease that somebody still holds: a person waits for that.
func (h *history) document() {
	w := h.w
	if w.state().Lease.Holder != "" {
		if !h.oneIn(4) {
			return
		}
		w.expire()
		if w.run(collect.Job{}); w.state().Lease.Holder != "" {
			return
		}
	}
	if c := w.state().Cursor; h.oneIn(4) && !c.Window.Open() {
		h.copy = c
	}
	n := h.IntN(24)
	if n < 7 {
		w.t.Log("document:", []string{"moved", "another account", "aged", "deleted", "set back", "backfill", "restored"}[n])
	}
	switch n {
	case 0:
		if w.state().Cursor.Places == nil && !w.state().Cursor.Watermark.IsZero() {
			return // it was lost: until the next run nobody knows the old place
		}
		h.moved = true
		w.move(fmt.Sprint("place", h.IntN(3)))
	case 1:
		h.stranger()
	case 2:
		if !h.moved && !w.state().Cursor.Watermark.IsZero() {
			w.age()
		}
	case 3:
		if !h.moved && !h.back {
			h.deleted()
		}
	case 4:
		if c := w.state().Cursor; !c.Watermark.IsZero() && !c.Window.Open() && c.Watermark.Sub(w.first()) > 2*time.Hour {
			h.back, w.reports = true, nil
			w.edit(func(c *store.Cursor) { c.Watermark = c.Watermark.Add(-h.between(time.Minute, time.Hour)) })
		}
	case 5:
		h.backfill()
	case 6:
		h.restored()
	}
}

// stranger sets the service to another account for one run.
func (h *history) stranger() {
	w := h.w
	before := w.state().Cursor
	if before.Account.Host == "" || before.Totals.Pages == 0 {
		return // nobody's yet, or open to whoever comes
	}
	w.config.Host = "api-other.duosecurity.com"
	r := w.collector().Run(w.t.Context(), collect.Job{Force: h.oneIn(2)})
	w.config.Host = host
	if after := w.state().Cursor; r.Outcome != collect.Failed || !after.Watermark.Equal(before.Watermark) || after.Account != before.Account {
		w.t.Fatalf("with another account the run is %s, the watermark %s", r.Outcome, after.Watermark)
	}
}

// deleted loses the document. The history tells the watermark, if there is one.
func (h *history) deleted() {
	w := h.w
	if runs, err := w.store.Runs(context.Background(), w.stream, 1); err != nil || len(runs) == 0 || runs[0].Watermark == nil || w.state().Cursor.Totals.Pages == 0 {
		return
	}
	w.reports = nil // what a run has committed that died is not in the history
	w.forget(w.stream)
}

// restored puts an older cursor back, as from a backup. The bucket is asked for what
// came after it where its watermark is more than an hour old: docs/operations.md
// promises nothing for a younger one, so a person waits. What arrived since then is owed
// by the later cursor's position alone, so the older one is none that is ahead of it, as
// after a watermark that was set back or in the middle of a window.
func (h *history) restored() {
	w := h.w
	if h.moved || h.copy.Watermark.IsZero() || h.copy.Watermark.After(w.state().Cursor.Watermark) {
		return
	}
	w.pass(max(0, h.copy.Watermark.Add(time.Hour+time.Second).Sub(w.clock())))
	h.back, w.reports = true, nil
	w.edit(func(c *store.Cursor) { *c = h.copy })
}

// backfill collects a range again, which delivers what came too late and nothing
// twice.
func (h *history) backfill() {
	w := h.w
	c := w.state().Cursor
	if c.Watermark.IsZero() || c.Totals.Pages == 0 {
		return
	}
	from := w.first().Add(h.duration(w.clock().Sub(w.first())))
	w.collector().Run(w.t.Context(), collect.Job{Backfill: &store.Backfill{From: from, To: from.Add(h.between(time.Minute, 3*time.Hour))}})
	w.check()
	if h.oneIn(3) {
		w.forget(w.backfills)
		w.pass(time.Minute)
	}
}

// behave gives Duo other manners. A walk in progress goes on with these.
func (h *history) behave() {
	m := duosim.Random(h.Rand)
	h.manners = append(h.manners, m)
	h.w.sim.Behave(m)
}

// arrivals adds records of the time that is not collected yet, and late ones.
func (h *history) arrivals() {
	n := h.IntN(12)
	if h.oneIn(h.w.page / 25) {
		n = h.w.page*9/10 + h.IntN(h.w.page*13/10) // more than a page
	}
	now, from := h.w.clock(), h.w.first()
	if c := h.w.state().Cursor; c.Window.Open() {
		from = c.Window.To
	} else if !c.Watermark.IsZero() {
		from = c.Watermark
	}
	at := from.Add(h.duration(now.Sub(from)))
	for range n {
		if !h.oneIn(3) { // one in three shares the time of the one before
			at = from.Add(h.duration(now.Sub(from)))
		}
		r := h.record(at)
		h.w.sim.Add(r)
		if h.oneIn(h.doubled) {
			h.w.sim.Add(r)
		}
	}
	for range h.IntN(4) {
		h.late(now, h.age())
	}
	h.meanwhile()
}

const (
	owed    = 9 * time.Minute  // so late a record is within the overlap's reach, whatever its settings
	notOwed = 80 * time.Minute // so late it is beyond: then it may come or not, but once
)

// age is how late a record is.
func (h *history) age() time.Duration {
	if h.oneIn(6) {
		return notOwed + h.duration(3*time.Hour)
	}
	return h.duration(owed)
}

func (h *history) late(now time.Time, age time.Duration) {
	at := now.Add(-age)
	if !at.After(h.w.first()) {
		return
	}
	r := h.record(at)
	r.VisibleAt = now
	h.w.sim.Add(r)
}

// meanwhile has a late record appear before one of the next requests, which may
// have passed its place already.
func (h *history) meanwhile() {
	if !h.oneIn(3) {
		return
	}
	r, first := h.record(h.w.clock().Add(-h.age())), h.w.first()
	var appears duosim.Fault = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		h.mu.Lock()
		defer h.mu.Unlock()
		r.VisibleAt = h.w.clock()
		age := r.VisibleAt.Sub(r.TS) // more than it was, if runs have passed
		if !h.over && r.TS.After(first) && (age <= owed || age >= notOwed) {
			h.w.sim.Add(r)
		}
		next.ServeHTTP(w, req)
	}
	h.w.sim.Script(append(passing(h.IntN(4)), appears)...)
}

// end lets nothing appear any more.
func (h *history) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

// record returns one that Duo's index has at that time, and that is another one
// than all before, for whoever compares ids with times, and bytes. In a log with
// twins the bytes alone may tell.
func (h *history) record(at time.Time) duosim.Record {
	h.records++
	w, ts := h.w, h.w.stamp(at)
	if all := w.strangeTimes(at); h.oneIn(h.untimed) {
		ts = all[h.IntN(len(all))]
	}
	if h.oneIn(h.nameless) {
		return w.shown(at, strangeIDs[h.IntN(len(strangeIDs))], ts, h.records)
	}
	id := `"` + w.newID(h.Int(), at) + `"`
	if len(h.ids) > 0 && h.oneIn(h.namesake) {
		other := h.ids[h.IntN(len(h.ids))]
		if w.twins && h.oneIn(2) {
			other = h.ids[len(h.ids)-1] // whose time it may share
		}
		if w.twins || !h.written[other+ts] {
			id = other
		}
	}
	h.ids, h.written[id+ts] = append(h.ids, id), true
	r := w.shown(at, id, ts, h.records)
	for n := 0; n < 2 && !w.twins && h.oneIn(h.edited); n++ {
		r.Edits = append(r.Edits, json.RawMessage(string(r.Raw[:len(r.Raw)-1])+fmt.Sprintf(`,"edit":%d}`, n)))
	}
	return r
}

// run does a run, of which one in three breaks.
func (h *history) run() {
	w := h.w
	switch {
	case h.oneIn(3):
		b := breakage{at: h.IntN(12), how: breaks[h.IntN(len(breaks))]}
		w.t.Logf("a run that breaks: %+v", b)
		w.breakRun(b)
		if h.oneIn(2) {
			w.expire()
		}
	case h.oneIn(6):
		w.collector().Run(w.t.Context(), collect.Job{DryRun: true})
		w.check()
	default:
		w.run(collect.Job{Force: h.oneIn(3)})
	}
}
