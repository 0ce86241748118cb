package collect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// positions returns a world of the log whose offsets are positions.
func positions(t *testing.T, cfg duosim.Config) *world {
	t.Helper()
	w := newWorld(t, cfg)
	for _, log := range duo.Logs {
		if shapeOf(t, log).shifts {
			return w.use(log)
		}
	}
	t.Fatal("no log is like that")
	return nil
}

// TestLastPageFull ends a log without an order, whose last page has no offset,
// at every number of records with which that page may look as if it were cut
// off.
func TestLastPageFull(t *testing.T) {
	t.Parallel()
	for _, n := range []int{49, 50, 60, 198, 199, 200, 201, 398, 399, 400, 597, 600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := positions(t, duosim.Config{})
			w.sim.Add(w.spread(n, w.start.Add(-12*time.Minute), 900*time.Millisecond)...)
			if r := w.complete(); r.Records != n {
				t.Errorf("%d of %d records", r.Records, n)
			}
			w.pass(time.Minute) // the overlap shows them again
			if r := w.complete(); r.Records != 0 || r.Duplicates < n {
				t.Errorf("%d came again, %d of %d were dropped", r.Records, r.Duplicates, n)
			}
		})
	}
}

// TestBegunAgain has a run fail that has begun its window again, before anything
// was shown: when Duo is healed the window is collected, though its page is one
// that is doubted.
func TestBegunAgain(t *testing.T) {
	t.Parallel()
	w := positions(t, duosim.Config{Manners: duosim.Manners{EmptyOneIn: 1, RefusedOneIn: 1}})
	w.sim.Add(w.spread(60, w.start.Add(-2*time.Hour), time.Second)...)
	r := w.run(collect.Job{})
	if r.Outcome != collect.Failed || !strings.Contains(r.Reason, "Duo Support") || w.state().Cursor.Window.Anchor.IsZero() {
		t.Fatalf("%s with the window %+v: %s", r.Outcome, w.state().Cursor.Window, r.Reason)
	}
	w.sim.Behave(duosim.Manners{})
	if r := w.complete(); r.Records != 60 {
		t.Errorf("%d of 60 records", r.Records)
	}
}
