package collect_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

var (
	histories = flag.Int("histories", 100, "random histories to try")
	seed      = flag.Uint64("seed", 0, "try only the history of this seed")
)

// TestHistories lets random things happen to a stream in random order: records
// arrive in time and late, runs break at any step, settings change, time
// passes. After each run nothing is doubled and nothing lost that was shown in
// time; in the end the late records are there too.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		history(t, *seed)
		return
	}
	base := rand.Uint64()
	for i := range *histories {
		n := base + uint64(i)
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			history(t, n)
		})
	}
}

func history(t *testing.T, seed uint64) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with: go test -run Histories ./internal/collect -seed %d", seed)
		}
	})
	h := &chance{rand.New(rand.NewPCG(seed, 0))}
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{
		Cursor:          duosim.Cursor(h.IntN(3)),
		InclusiveCursor: h.oneIn(3), Offset: duosim.Offset(h.IntN(2)), TotalAs: duosim.TotalAs(h.IntN(4)),
	}})
	w.config.Lookback = h.between(10*time.Minute, 6*time.Hour)
	w.config.FirstMark = func(context.Context) (time.Time, error) { return w.first(), nil } // also if the first runs break
	for range 4 + h.IntN(8) {
		h.settings(w)
		h.arrivals(w)
		h.run(w)
		w.pass(h.between(time.Second, 8*time.Minute))
	}
	w.config.MaxPages = 0
	w.recover()
}

// chance is a source of decisions.
type chance struct{ *rand.Rand }

func (h *chance) oneIn(n int) bool { return h.IntN(n) == 0 }

// between returns whole milliseconds.
func (h *chance) between(least, most time.Duration) time.Duration {
	return (least + h.duration(most-least)).Truncate(time.Millisecond)
}

func (h *chance) duration(most time.Duration) time.Duration {
	return time.Duration(h.Int64N(int64(most)))
}

// settings change between two runs, as a new revision would change them. The
// overlap only grows: late records of before are owed as far as it reached.
func (h *chance) settings(w *world) {
	w.config.MaxWindow = h.between(20*time.Minute, 3*time.Hour)
	w.config.MaxPages = h.IntN(4)
	if h.oneIn(4) {
		w.config.Overlap += h.between(0, 5*time.Minute)
	}
}

// arrivals adds records of the time that is not collected yet, and late ones.
func (h *chance) arrivals(w *world) {
	n := h.IntN(12)
	if h.oneIn(60) {
		n = 900 + h.IntN(1300) // more than a page
	}
	now, from := w.clock(), w.first()
	if c := w.state().Cursor; c.Window.Open() {
		from = c.Window.To
	} else if !c.Watermark.IsZero() {
		from = c.Watermark
	}
	var records []duosim.Record
	at := from.Add(h.duration(now.Sub(from)))
	for range n {
		if !h.oneIn(3) { // one in three shares the time of the one before
			at = from.Add(h.duration(now.Sub(from)))
		}
		records = append(records, plain(uuid(h.Int(), at), at))
	}
	for range h.IntN(4) {
		if at := now.Add(-h.duration(9 * time.Minute)); at.After(w.first()) {
			late := plain(uuid(h.Int(), at), at)
			late.VisibleAt = now
			records = append(records, late)
		}
	}
	w.sim.Add(records...)
}

// run does a run, of which one in three breaks.
func (h *chance) run(w *world) {
	switch {
	case h.oneIn(3):
		w.breakRun(breakage{at: h.IntN(12), how: breaks[h.IntN(len(breaks))]})
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
