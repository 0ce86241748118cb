package collect_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

// account answers with the simulator's records, and with offsets and pages as
// a test wants them. It checks no signature.
type account struct {
	w   *world
	all []duosim.Record // in Duo's order

	// next returns the offset after the first n of all records, where the
	// request sent an offset or "".
	next func(sent string, n int) string
	// at returns how many records an offset leads past; false refuses it.
	at func(offset string) (int, bool)
	// items changes a page.
	items func([]json.RawMessage) []json.RawMessage
	// counts gives total_objects.
	counts bool

	mu       sync.Mutex // a request that was given up may still be under way
	requests int
}

// misbehave puts an account in the simulator's place, with proper offsets.
func (w *world) misbehave() *account {
	a := &account{w: w}
	a.next = func(_ string, n int) string { return a.proper(n) }
	a.at = a.position
	a.items = func(page []json.RawMessage) []json.RawMessage { return page }
	w.connect(a)
	return a
}

// proper is Duo's own offset after n records.
func (a *account) proper(n int) string {
	last := a.all[max(n, 1)-1]
	return fmt.Sprintf("%d,%s", last.TS.UnixMilli(), last.ID)
}

func (a *account) position(offset string) (int, bool) {
	for n := range a.all {
		if a.proper(n+1) == offset {
			return n + 1, true
		}
	}
	return 0, false
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	a.all = a.w.sim.Visible(a.w.start.Add(-48*time.Hour), a.w.clock())
	q := r.URL.Query()
	offset := q.Get("next_offset")
	n, ok := 0, true
	if offset != "" {
		n, ok = a.at(offset)
	}
	if !ok {
		duosim.Refuse(40002, "Invalid request parameters")(w, r, nil)
		return
	}
	from, to := a.index(q.Get("mintime"), 0), a.index(q.Get("maxtime"), 1)
	total := "null"
	if a.counts {
		total = strconv.Itoa(to - from)
	}
	from = max(from, n)
	to = max(from, min(to, from+1000))
	page := make([]json.RawMessage, 0, to-from)
	for _, r := range a.all[from:to] {
		page = append(page, r.Raw)
	}
	items, err := json.Marshal(a.items(page))
	if err != nil {
		panic(err)
	}
	next := "null"
	if to > from {
		next = strconv.Quote(a.next(offset, to))
	}
	fmt.Fprintf(w, `{"stat":"OK","response":{"items":%s,"metadata":{"next_offset":%s,"total_objects":%s}}}`, items, next, total)
}

// index is the first record at or after a time in milliseconds, plus some.
func (a *account) index(millis string, plus int64) int {
	ms, _ := strconv.ParseInt(millis, 10, 64)
	i, _ := slices.BinarySearchFunc(a.all, ms+plus, func(r duosim.Record, ms int64) int { return cmp.Compare(r.TS.UnixMilli(), ms) })
	return i
}

// TestOffsets walks through Duos whose offsets lead astray. All of it is
// delivered, once. Where an offset stays wrong on the last page and Duo gives no
// total, nothing tells that it is the last: the run fails, until Duo is healed.
func TestOffsets(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestCursors follows offsets")
	}
	opaque := func(a *account) {
		a.next = func(_ string, n int) string { return base64.StdEncoding.EncodeToString(fmt.Append(nil, n)) }
		a.at = func(offset string) (int, bool) {
			raw, _ := base64.StdEncoding.DecodeString(offset)
			n, err := strconv.Atoi(string(raw))
			return n, err == nil
		}
	}
	refusing := func(times int) func(*account) {
		return func(a *account) {
			left := times
			a.at = func(offset string) (int, bool) {
				if left--; left >= 0 {
					return 0, false
				}
				return a.position(offset)
			}
		}
	}
	tests := map[string]func(*account){
		"proper": func(*account) {},
		"opaque": opaque,
		"opaque, repeats": func(a *account) {
			opaque(a)
			next := a.next
			a.next = func(sent string, n int) string { return cmp.Or(sent, next("", n)) }
		},
		"repeats once": func(a *account) {
			a.next = func(sent string, n int) string {
				if a.requests == 2 {
					return sent
				}
				return a.proper(n)
			}
		},
		"repeats on each page": func(a *account) {
			a.next = func(sent string, n int) string { return cmp.Or(sent, a.proper(n)) }
		},
		"always the first":     func(a *account) { a.next = func(string, int) string { return a.proper(1000) } },
		"backwards":            func(a *account) { a.next = func(_ string, n int) string { return a.proper(n - 1500) } },
		"a record backwards":   func(a *account) { a.next = func(_ string, n int) string { return a.proper(n - 1) } },
		"refused once":         refusing(1),
		"refused twice":        refusing(2),
		"refused for ever":     refusing(1 << 30),
		"refused and no other": func(a *account) { refusing(1 << 30)(a); a.next = func(string, int) string { return "1666714065304,x" } },
	}
	endless := []string{"always the first", "backwards", "refused for ever", "refused and no other"}
	walk := func(t *testing.T, name string, n int, step time.Duration, counts bool) {
		w := newWorld(t, duosim.Config{})
		w.config.Overlap = 0 // what it remembers must do without
		w.sim.Add(w.spread(n, w.start.Add(-3*time.Hour), step)...)
		a := w.misbehave()
		a.counts = counts
		tests[name](a)
		if !counts && slices.Contains(endless, name) {
			if r := w.run(collect.Job{}); r.Outcome != collect.Failed || !strings.Contains(r.Reason, "Duo Support") {
				t.Errorf("%s: %s", r.Outcome, r.Reason)
			}
			w.connect(w.account)
			w.heal()
		} else if r := w.complete(); r.Records != n {
			t.Errorf("delivered %d of %d", r.Records, n)
		}
		w.pass(time.Minute)
		if r := w.complete(); r.Records != 0 || len(w.lines()) != n {
			t.Errorf("%d came again, %d of %d are there", r.Records, len(w.lines()), n)
		}
	}
	steps := map[time.Duration]int{time.Second: 2300, 10 * time.Microsecond: 1050}
	if testing.Short() {
		delete(steps, time.Second)
	}
	for name := range tests {
		for step, n := range steps {
			for _, counts := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d records %s apart/total %v", name, n, step, counts), func(t *testing.T) {
					t.Parallel()
					walk(t, name, n, step, counts)
				})
			}
		}
	}
}

// TestStuck can't get past a page's worth of records in one millisecond without
// an offset. It fails in the same place each time, until Duo is healed.
func TestStuck(t *testing.T) {
	t.Parallel()
	for _, overlap := range []time.Duration{0, 10 * time.Minute} {
		t.Run(overlap.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{})
			w.config.Overlap = overlap
			w.sim.Add(w.spread(10, w.start.Add(-3*time.Hour), time.Millisecond)...)
			w.sim.Add(w.spread(1500, w.start.Add(-2*time.Hour), 0)...)
			w.sim.Add(w.spread(10, w.start.Add(-time.Hour), time.Millisecond)...)
			a := w.misbehave()
			a.at = func(string) (int, bool) { return 0, false }
			for range 2 {
				r := w.run(collect.Job{})
				if r.Outcome != collect.Failed || !r.Act || !strings.Contains(r.Reason, "Duo Support") {
					t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
				}
				if s := w.state(); !s.Cursor.Watermark.Equal(w.start.Add(-24*time.Hour)) || s.Lease.Holder != "" {
					t.Errorf("watermark %s, held by %q", s.Cursor.Watermark, s.Lease.Holder)
				}
			}
			a.at = a.position
			w.heal()
			if got := len(w.lines()); got != 1520 {
				t.Errorf("%d records, want 1520", got)
			}
		})
	}
}

// TestRefusedThenFault ends, in two ways, right after an offset was refused.
func TestRefusedThenFault(t *testing.T) {
	t.Parallel()
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(1020, w.start.Add(-3*time.Hour), time.Second)...)
		w.config.Budget = 900 * time.Millisecond
		w.sim.Script(duosim.Pass, duosim.Refuse(40002, "Invalid request parameters"), duosim.HTML(502))
		if r := w.run(collect.Job{}); r.Outcome != collect.Failed || r.Act {
			t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
		}
		w.stays(1)
		w.sim.Script(duosim.Refuse(40002, "Invalid request parameters"), duosim.RateLimited(0))
		w.partial("rate limited")
		w.stays(1)
		w.pass(time.Minute)
		w.heal()
	})
}

// TestAheadOfIndex has records, at the end of a full page without an offset, that
// show a later time than that of Duo's index. With a few of them the walk goes on
// before them. With many it can't know where, and fails.
func TestAheadOfIndex(t *testing.T) {
	t.Parallel()
	for ahead, outcome := range map[int]string{1: collect.Complete, 90: collect.Complete, 200: collect.Failed} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{Manners: duosim.Manners{Cursor: duosim.NotOnFull, Total: duosim.NoTotal}})
			start := w.start.Add(-3 * time.Hour)
			for i := range 2300 {
				at := start.Add(time.Duration(i) * time.Second)
				ts := w.stamp(at)
				if 1000-ahead <= i && i < 1000 {
					ts = w.stamp(at.Add(20 * time.Minute))
				}
				w.sim.Add(w.shown(at, strconv.Quote(uuid(i, at)), ts, i))
			}
			r := w.run(collect.Job{})
			if r.Outcome != outcome || outcome == collect.Complete && r.Records != 2300 {
				t.Errorf("%s with %d of 2300 records: %s", r.Outcome, r.Records, r.Reason)
			}
			w.sim.Behave(duosim.Manners{})
			w.heal()
			if n := len(w.lines()); n != 2300 {
				t.Errorf("%d of 2300 records are there", n)
			}
		})
	}
}

// TestRefusedWithinTies refuses the offset after a page whose last records share their
// time with more than a page. The walk begins there again, and the next run would, too:
// so a limit of a page a run does not end it before.
func TestRefusedWithinTies(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	at := w.start.Add(-2 * time.Hour)
	w.sim.Add(w.spread(500, at.Add(-time.Hour), time.Second)...)
	w.sim.Add(w.spread(2500, at, 0)...)
	w.sim.Script(duosim.Pass, duosim.Refuse(40002, "Invalid request parameters"))
	w.config.MaxPages = 1
	r := w.run(collect.Job{})
	for n := 0; r.Outcome == collect.Partial && n < 10; n++ {
		r = w.run(collect.Job{})
	}
	if r.Outcome != collect.Complete {
		t.Errorf("%s after eleven runs: %s", r.Outcome, r.Reason)
	}
}

// TestProvenLater has no offset after a full page, and then an empty page, which shows
// no delivered record, but leads to one that does.
func TestProvenLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{EmptyOneIn: 1, Cursor: duosim.NotOnFull}})
	w.sim.Add(w.spread(2500, w.start.Add(-2*time.Hour), time.Second)...)
	w.complete()
}

// TestProvenBeforeEnd has Duo say that there is nothing from a time on of which it has
// shown records: an empty page with a total of 0, though it leads on.
func TestProvenBeforeEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{Cursor: duosim.NotOnFull, Total: duosim.NoTotal}})
	w.sim.Add(w.spread(2500, w.start.Add(-2*time.Hour), time.Second)...)
	w.sim.Script(duosim.Pass, duosim.Status(200, `{"stat":"OK","response":{"items":[],"metadata":{"next_offset":"1,x","total_objects":0}}}`))
	w.run(collect.Job{}) // it may fail, but loses nothing
	w.complete()
	if n := len(w.lines()); n != 2500 {
		t.Errorf("%d of 2500 records", n)
	}
}
