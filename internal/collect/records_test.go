package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// TestCrowdedOverlap has more records within the overlap than the cursor may
// remember: the next windows reach back less, and say so.
func TestCrowdedOverlap(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it collects 50,000 records")
	}
	w := embedded(t)
	w.config.Lookback = time.Hour
	w.sim.Add(w.spread(50_000, w.start.Add(-12*time.Minute), 11*time.Millisecond)...)
	r := w.collector().Run(t.Context(), collect.Job{}) // checked with the next one
	if n := w.state().Cursor.Seen.Len(); n > 40_000 || n < 39_000 {
		t.Errorf("the cursor remembers %d records", n)
	}
	if r.OverlapSeconds >= 600 || r.OverlapSeconds < 300 || !strings.Contains(w.log.String(), "overlap shortened") {
		t.Errorf("the overlap is %d s, the log:\n%s", r.OverlapSeconds, w.log)
	}
	w.pass(time.Minute)
	w.sim.Add(w.spread(10, w.start.Add(-2*time.Minute), time.Second)...)
	if r := w.complete(); r.Records != 10 || r.Duplicates == 0 {
		t.Errorf("%d records and %d duplicates", r.Records, r.Duplicates)
	}
}

// crowded is a world that has collected for a while, so that Seen alone tells what was
// delivered, and then gets more records of a log than the document can hold.
func crowded(t *testing.T, log string) (w *world, from time.Time) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it collects 45,000 records twice")
	}
	row, _ := duo.LogNamed(log)
	w = embedded(t).use(row)
	w.config.Overlap = 10 * time.Minute
	for range 2 {
		w.complete()
		w.pass(5 * time.Minute)
	}
	w.pass(45 * time.Minute)
	from = w.clock().Add(-45 * time.Minute)
	w.sim.Add(w.spread(45_000, from, 55*time.Millisecond)...)
	return w, from
}

// TestCrowdedAgain has a window with more records than the document can hold walked once
// more, because Duo counts some that it shows only then. What is no longer remembered
// is looked up in the bucket. The short pages make parts of Seen that differ in size.
func TestCrowdedAgain(t *testing.T) {
	t.Parallel()
	w, from := crowded(t, "telephony")
	w.sim.Behave(duosim.Manners{Total: duosim.TooMany, ShortOneIn: 3})
	c := w.collector()
	var once sync.Once
	c.Progress = func(collect.Progress) {
		once.Do(func() {
			w.sim.Add(w.spread(5, from.Add(50*time.Millisecond), time.Second)...)
			w.sim.Behave(duosim.Manners{Total: duosim.NoTotal, ShortOneIn: 3})
		})
	}
	if r := c.Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Records != 45_005 || r.Gap != nil {
		t.Errorf("%s with %d records and the gap %v: %s", r.Outcome, r.Records, r.Gap, r.Reason)
	}
	// What the second walk shows first has left Seen, and takes nothing's place there.
	if from, w := w.state().Cursor.SeenFrom, w.state().Cursor.Watermark; !from.Equal(w.Add(-10 * time.Minute)) {
		t.Errorf("of the window up to %s it is remembered from %s on", w, from)
	}
	w.check()
}

// TestCrowdedGap has pages begin with the last record of the one before, and Duo count
// three more than it ever shows: what is no longer remembered counts once, too.
func TestCrowdedGap(t *testing.T) {
	t.Parallel()
	w, _ := crowded(t, "telephony")
	w.sim.Behave(duosim.Manners{InclusiveCursor: true})
	total := regexp.MustCompile(`"total_objects":(\d+)`)
	w.sim.Always(altered(func(s string) string {
		return total.ReplaceAllStringFunc(s, func(member string) string {
			n, _ := strconv.Atoi(total.FindStringSubmatch(member)[1])
			return fmt.Sprintf(`"total_objects":%d`, n+3)
		})
	}))
	if r := w.complete(); r.Records != 45_000 || r.Gap == nil || r.Gap.Missing != 3 {
		t.Errorf("%d records, the gap is %+v", r.Records, r.Gap)
	}
}

// TestCrowdedResumed stops a run in a window of a log without an order, when the first
// records are no longer remembered: the next run begins the window again.
func TestCrowdedResumed(t *testing.T) {
	t.Parallel()
	w, _ := crowded(t, "trust-monitor")
	c := w.collector()
	ctx, stop := context.WithCancel(t.Context())
	c.Progress = func(p collect.Progress) {
		if p.Records > 43_000 {
			stop()
		}
	}
	first := c.Run(ctx, collect.Job{})
	if second := w.complete(); first.Outcome != collect.Partial || first.Records+second.Records != 45_000 {
		t.Errorf("%s with %d records, then %d more", first.Outcome, first.Records, second.Records)
	}
}

// TestDoubled has Duo show every record twice, next to each other and so also
// across the border of two pages.
func TestDoubled(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	records := w.spread(1503, w.start.Add(-2*time.Hour), time.Second)
	w.sim.Add(records...)
	w.sim.Add(records...)
	w.sim.Add(records[499])
	if r := w.complete(); r.Records != 1503 || r.Duplicates < 1503 {
		t.Errorf("%d records and %d duplicates", r.Records, r.Duplicates)
	}
}

// TestTies puts hundreds of records into the millisecond in which a page, and
// then a window, ends.
func TestTies(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.MaxWindow = time.Hour
	border := w.start.Add(-23 * time.Hour)
	w.sim.Add(w.spread(850, border.Add(-30*time.Minute), time.Second)...)
	w.sim.Add(w.spread(300, border.Add(-time.Millisecond), 3*time.Microsecond)...)
	w.sim.Add(w.spread(300, border, 3*time.Microsecond)...)
	if r := w.complete(); r.Records != 1450 {
		t.Errorf("%d records, want 1450", r.Records)
	}
}

// TestUntimed has records without a readable time, which any window's bounds
// may catch, at the borders of windows.
func TestUntimed(t *testing.T) {
	t.Parallel()
	for _, overlap := range []time.Duration{0, 10 * time.Minute} {
		t.Run(overlap.String(), func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.config.MaxWindow, w.config.Overlap = time.Hour, overlap
			for h := range 23 {
				for ms := -2; ms <= 2; ms++ {
					at := w.start.Add(-24*time.Hour + time.Duration(h)*time.Hour + time.Duration(ms)*time.Millisecond)
					raw := fmt.Sprintf(`{"telephony_id":"untimed %d %d","ts":"soon"}`, h, ms)
					w.sim.Add(duosim.Record{TS: at, ID: uuid(ms, at), Raw: json.RawMessage(raw)})
				}
			}
			w.complete()
			for range 3 {
				w.pass(time.Minute)
				w.complete()
			}
			if n := len(w.lines()); n < 22*5+3 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// TestLateWhileAdopted has a run die between its write and its commit, and then
// a record appear within its page: the object is adopted without that record,
// which the next object has, and nothing comes again.
func TestLateWhileAdopted(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(900, w.start.Add(-20*time.Minute), time.Second)...)
	w.complete()
	w.pass(50 * time.Second) // windows narrower than the overlap from here on
	w.sim.Add(w.spread(50, w.start.Add(-w.config.Delay), time.Second)...)
	w.breakRun(breakage{at: 2, how: diesAfter})
	late := w.plain(uuid(1, w.start), w.start.Add(-7*time.Minute))
	late.VisibleAt = w.clock()
	w.sim.Add(late)
	w.expire()
	if r := w.complete(); r.Pages != 3 || r.Records != 51 || r.Late != 1 {
		t.Errorf("the adopting run reports %d pages, %d records, %d of them late", r.Pages, r.Records, r.Late)
	}
	if !strings.Contains(w.log.String(), "object adopted") {
		t.Fatal("nothing was adopted")
	}
	for range 12 {
		w.pass(time.Minute)
		if r := w.complete(); r.Records != 0 {
			t.Errorf("%d records came again", r.Records)
		}
	}
	w.checkLate()
}

// TestPagesAfterAdoptedPart has a record appear within the first of three pages,
// whose object is there already: the walk goes on behind it.
func TestPagesAfterAdoptedPart(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(2500, w.start.Add(-2*time.Hour), time.Second)...)
	w.breakRun(breakage{at: 2, how: diesAfter})
	late := w.plain(uuid(1, w.start), w.start.Add(-119*time.Minute))
	w.sim.Add(late)
	w.expire()
	if r := w.complete(); r.Records != 2501 {
		t.Errorf("%d records", r.Records)
	}
}

// shows answers with these records and this metadata.
func shows(metadata string, records ...duosim.Record) duosim.Fault {
	var items []string
	for _, r := range records {
		items = append(items, string(r.Raw))
	}
	return duosim.Status(200, fmt.Sprintf(`{"stat":"OK","response":{"items":[%s],"metadata":{%s}}}`, strings.Join(items, ","), metadata))
}

// TestAdoptedAreCountedOnce adopts a page's object. The next page begins with that
// page's last record, which must not count as one more of the total.
func TestAdoptedAreCountedOnce(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	all := w.spread(4, w.start.Add(-2*time.Hour), time.Second)
	w.sim.Add(all...)
	w.sim.Script(shows("", all[:2]...))
	w.breakRun(breakage{at: 2, how: diesAfter})
	w.expire()
	same := `"next_offset":"on","total_objects":4`
	w.sim.Script(shows(same, all[:2]...), shows(same, all[1:3]...))
	if r := w.complete(); r.Records != 4 {
		t.Errorf("%d records", r.Records)
	}
}

// TestResumedCountsOnce has a second run take a window up in its middle. Its first
// page begins with the last record of the page before, which must not count as one
// more of the total: the last record would not be asked for.
func TestResumedCountsOnce(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	all := w.spread(4, w.start.Add(-2*time.Hour), time.Second)
	w.sim.Add(all...)
	w.config.MaxPages = 1
	w.sim.Script(shows(`"next_offset":"on","total_objects":4`, all[:2]...))
	w.run(collect.Job{})
	w.config.MaxPages = 0
	w.sim.Script(shows(`"total_objects":4`, all[1:3]...))
	if r := w.complete(); r.Records != 2 || r.Gap != nil || len(w.lines()) != 4 {
		t.Errorf("%d records, gap %v, %d lines; want 2, none, 4", r.Records, r.Gap, len(w.lines()))
	}
}

// TestDisorder has Duo return a page's records in the wrong order, with others
// among them that by their time were not asked for: these are kept, once.
func TestDisorder(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
	w.sim.Script(disordered(w), disordered(w))
	for _, want := range []int{1502, 0} {
		r := w.collector().Run(t.Context(), collect.Job{})
		if r.Outcome != collect.Complete || r.Records != want || len(w.lines()) != 1502 {
			t.Errorf("%s, %d records, %d lines; want complete, %d, 1502: %s", r.Outcome, r.Records, len(w.lines()), want, r.Reason)
		}
		w.pass(time.Minute)
	}
}

// disordered reverses all but the last record of a page, and puts two between
// them that lie outside of any window.
func disordered(w *world) duosim.Fault {
	return func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var page struct {
			Stat     string `json:"stat"`
			Response struct {
				Items    []json.RawMessage `json:"items"`
				Metadata json.RawMessage   `json:"metadata"`
			} `json:"response"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil {
			w.t.Error(err)
		}
		items := page.Response.Items
		slices.Reverse(items[:len(items)-1])
		old, young := w.plain("x", w.start.Add(-30*24*time.Hour)), w.plain("y", w.start.Add(time.Hour))
		page.Response.Items = slices.Insert(items[:len(items)-2:len(items)-2], 0, old.Raw, young.Raw)
		page.Response.Items = append(page.Response.Items, items[len(items)-2:]...)
		json.NewEncoder(rw).Encode(page)
	}
}
