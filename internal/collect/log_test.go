package collect_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// source is one of Duo's logs. It shows its records as they are listed and gives
// positions as offsets, which is the worst that Duo may do where it has no order.
// It checks no signature.
type source struct {
	w   *world
	log duo.Log

	mu       sync.Mutex // a request that was given up may still be under way
	listed   []sourced
	cap      int                                           // most records in a page, 0 for what is asked for
	next     func(end int, more bool) string               // JSON of the offset after the first so many
	refuse   func(n int, q url.Values) (code int, is bool) // of request n
	requests []url.Values
}

type sourced struct {
	at  int64
	raw string
}

// newSource returns a world that collects the log from a source. Its windows
// begin where they would in a first run.
func newSource(t *testing.T, log duo.Log) *source {
	t.Helper()
	w := newWorld(t, duosim.Config{}).use(log)
	w.config.Overlap = log.Overlap
	s := &source{w: w, log: log}
	s.next = func(end int, more bool) string {
		if !more {
			return "null"
		}
		return strconv.Itoa(end)
	}
	w.connect(s)
	return s
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	s.requests = append(s.requests, q)
	if code, is := s.refusal(r, q); is {
		duosim.Refuse(code, "refused")(w, r, nil)
		return
	}
	number := func(name string) int { n, _ := strconv.Atoi(q.Get(name)); return n }
	size := number("limit")
	if s.cap > 0 {
		size = min(size, s.cap)
	}
	shown := []json.RawMessage{}
	for _, r := range s.listed {
		if int64(number("mintime")) <= r.at && r.at <= int64(number("maxtime")) {
			shown = append(shown, json.RawMessage(r.raw))
		}
	}
	start := min(number(s.log.OffsetParam), len(shown))
	end := min(start+size, len(shown))
	items, err := json.Marshal(shown[start:end])
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, `{"stat":"OK","response":{%q:%s,"metadata":{"next_offset":%s}}}`, s.log.List, items, s.next(end, end < len(shown)))
}

func (s *source) refusal(r *http.Request, q url.Values) (code int, is bool) {
	oldest := s.w.clock().Add(-duosim.Retention).UnixMilli()
	most := q.Get("limit") == strconv.Itoa(s.log.Limit) || !s.log.Ordered && s.less(q)
	switch mintime, err := strconv.ParseInt(q.Get("mintime"), 10, 64); {
	case r.URL.Path != s.log.Path:
		return 40401, true
	case err != nil || mintime < oldest || !most || q.Has("sort") != s.log.Ordered:
		return 40002, true
	case s.refuse != nil:
		return s.refuse(len(s.requests), q)
	}
	return 0, false
}

// less reports whether a page is asked for with one record less than the most.
func (s *source) less(q url.Values) bool { return q.Get("limit") == strconv.Itoa(s.log.Limit-1) }

// list adds n records of the hours before the start, in no order.
func (s *source) list(n int) {
	for i := range n {
		at := s.w.start.Add(-3*time.Hour + time.Duration(i)*time.Second)
		s.listed = append(s.listed, s.record(fmt.Sprintf("SE%018d", i+1), at, `"state":"new"`))
	}
	rand.New(rand.NewPCG(1, 0)).Shuffle(n, func(i, j int) { s.listed[i], s.listed[j] = s.listed[j], s.listed[i] })
}

// record is one of the log, with another member.
func (s *source) record(id string, at time.Time, member string) sourced {
	written := strconv.Quote(at.Format("2006-01-02T15:04:05.000000-07:00"))
	if s.log.TimeUnit != 0 {
		written = strconv.FormatInt(at.UnixMilli(), 10)
	}
	return sourced{at.UnixMilli(), fmt.Sprintf(`{%q:%q,%q:%s,%s}`, s.log.ID, id, s.log.Time, written, member)}
}

// delivered wants every record that was listed once, in its first version.
func (s *source) delivered(first []sourced) {
	s.w.t.Helper()
	lines := s.w.lines()
	for _, r := range first {
		line := s.w.line(json.RawMessage(r.raw))
		if len(lines[line]) != 1 {
			s.w.t.Errorf("%s is there %d times", line, len(lines[line]))
		}
	}
	if len(lines) != len(first) {
		s.w.t.Errorf("%d records are there, want %d", len(lines), len(first))
	}
}

// run runs once and wants an outcome.
func (s *source) run(outcome, reason string) collect.Report {
	s.w.t.Helper()
	r := s.w.collector().Run(s.w.t.Context(), collect.Job{})
	if r.Outcome != outcome || !strings.Contains(r.Reason, reason) {
		s.w.t.Fatalf("run %s: %s; want %s: %s", r.Outcome, r.Reason, outcome, reason)
	}
	return r
}

// asked returns the offset, the lower bound and the limit of each request so far,
// the bound as that of the first one or not, the limit as the log's or one less,
// and forgets them.
func (s *source) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, q := range s.requests {
		one := q.Get(s.log.OffsetParam)
		if q.Get("mintime") != s.requests[0].Get("mintime") {
			one += " from elsewhere"
		}
		if s.less(q) {
			one += " less"
		}
		all = append(all, one)
	}
	s.requests = nil
	return all
}

// wantAsked compares the offsets of the requests since the last time.
func (s *source) wantAsked(want ...string) {
	s.w.t.Helper()
	if diff := cmp.Diff(want, s.asked()); diff != "" {
		s.w.t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func trustMonitor(t *testing.T) *source {
	t.Helper()
	log, _ := duo.LogNamed("trust-monitor")
	return newSource(t, log)
}

// TestEveryLog collects each log with its own names. A record whose id and time
// come again with other bytes is another one where nobody says that its id is
// unique, and the first version counts where somebody does.
func TestEveryLog(t *testing.T) {
	t.Parallel()
	for _, log := range duo.Logs {
		t.Run(log.Name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, log)
			at := s.w.start.Add(-time.Hour)
			first, again := s.record("A1", at, `"n":1`), s.record("A1", at, `"n":2`)
			s.listed = []sourced{first, first, s.record("A2", at, `"n":1`), s.record("A1", at.Add(time.Second), `"n":1`)}
			want := append(slices.Clone(s.listed[1:]), again)
			if log.Unique {
				want = want[:3]
			}
			s.run(collect.Complete, "")
			s.listed[0] = again
			s.w.pass(time.Minute)
			if r := s.run(collect.Complete, ""); r.Records != len(want)-3 {
				t.Errorf("%d records came again", r.Records)
			}
			s.delivered(want)
		})
	}
}

// TestEveryLogOnBothStores collects what there is, what comes late, and nothing
// again when the document is lost or a range is asked for once more.
func TestEveryLogOnBothStores(t *testing.T) {
	t.Parallel()
	for name, open := range worlds {
		for _, log := range duo.Logs {
			t.Run(name+"/"+log.Name, func(t *testing.T) {
				t.Parallel()
				collectLog(t, open(t).use(log))
			})
		}
	}
}

func collectLog(t *testing.T, w *world) {
	old := w.lively(w.spread(2*w.page+10, w.start.Add(-2*time.Hour), time.Second))
	young := w.lively(w.spread(40, w.start.Add(-10*time.Minute), time.Second))
	w.sim.Add(old...)
	w.sim.Add(young...)
	if r := w.complete(); r.Records != len(old)+len(young) || r.Stream != w.name {
		t.Errorf("%d of %d records of %s", r.Records, len(old)+len(young), r.Stream)
	}
	late := w.plain(w.newID(1, w.start), w.start.Add(-6*time.Minute))
	late.VisibleAt = w.clock()
	w.sim.Add(late)
	w.pass(time.Minute)
	if r := w.complete(); r.Records != 1 || r.Late != 1 || r.Duplicates != len(young) {
		t.Errorf("%d records, %d late, and %d of %d dropped", r.Records, r.Late, r.Duplicates, len(young))
	}
	w.forget(w.stream)
	w.pass(time.Minute)
	if r := w.complete(); r.Records != 0 || r.Duplicates != len(young)+1 {
		t.Errorf("%d came again, %d of %d dropped", r.Records, r.Duplicates, len(young)+1)
	}
	r := w.collector().Run(t.Context(), w.again(3*time.Hour, 30*time.Minute))
	if r.Records != 0 || r.Duplicates != len(old) || r.Stream != w.name+"-backfill" {
		t.Errorf("the backfill of %s delivers %d, and drops %d of %d: %s", r.Stream, r.Records, r.Duplicates, len(old), r.Reason)
	}
	w.checkLate()
	for _, object := range w.objectNames() {
		if !strings.HasPrefix(object, w.name+"_") {
			t.Errorf("an object is named %s", object)
		}
	}
}

// TestEditedLater: events of trust monitor change while somebody works on them.
func TestEditedLater(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.list(450)
	first := slices.Clone(s.listed)
	s.run(collect.Complete, "")
	s.wantAsked("", "200", "400")
	for i := range s.listed {
		s.listed[i].raw = strings.Replace(s.listed[i].raw, "new", "processed", 1)
	}
	s.w.pass(time.Minute)
	if r := s.run(collect.Complete, ""); r.Duplicates != 450 {
		t.Errorf("%d of 450 are known", r.Duplicates)
	}
	s.delivered(first)
}

// TestUnorderedResumed ends a run between two pages. Until the next one the order
// has changed, which nobody says it can't: what is at the old position would leave
// out what has moved before it.
func TestUnorderedResumed(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.list(450)
	s.refuse = func(_ int, q url.Values) (int, bool) { return 40301, q.Has("offset") }
	if r := s.run(collect.Failed, "Grant read log"); r.Records != 200 {
		t.Fatalf("%d records before the refusal", r.Records)
	}
	s.asked()
	s.refuse = nil
	slices.Reverse(s.listed)
	if r := s.run(collect.Complete, ""); r.Records != 250 {
		t.Errorf("%d records in the second run", r.Records)
	}
	if got := s.asked(); !slices.Equal(got[:3], []string{"", "200", "400"}) {
		t.Errorf("asked for %q, want the window from its start", got)
	}
	s.delivered(s.listed)
}

// TestUnorderedResumedTotal ends a run between two pages, the second of which has
// nothing new to show: what the next run shows from the start is all that Duo counts.
func TestUnorderedResumedTotal(t *testing.T) {
	t.Parallel()
	row, _ := duo.LogNamed("trust-monitor")
	w := newWorld(t, duosim.Config{}).use(row)
	w.config.Overlap = 24 * time.Hour
	w.sim.Behave(duosim.Manners{Total: duosim.ExactTotal})
	w.sim.Add(w.spread(150, w.start.Add(-3*time.Hour), time.Second)...)
	w.complete()
	w.sim.Add(w.spread(150, w.start, time.Second)...)
	w.pass(time.Hour)
	refuse := duosim.Refuse(40301, "Access forbidden")
	w.sim.Always(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Has("offset") {
			refuse(rw, r, next)
			return
		}
		next.ServeHTTP(rw, r)
	})
	if r := w.run(collect.Job{}); r.Outcome != collect.Failed || r.Records != 150 {
		t.Fatalf("%s with %d records: %s", r.Outcome, r.Records, r.Reason)
	}
	w.sim.Always(duosim.Pass)
	if r := w.complete(); r.Records != 0 || strings.Contains(w.log.String(), "once more") {
		t.Errorf("%d records after %d requests:\n%s", r.Records, r.Requests, w.log)
	}
}

// TestUnorderedAged takes up a window whose start Duo no longer answers for.
func TestUnorderedAged(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.w.config.Lookback, s.w.config.MaxWindow = 179*24*time.Hour, 179*24*time.Hour
	s.list(450)
	s.refuse = func(_ int, q url.Values) (int, bool) { return 40301, q.Has("offset") }
	s.run(collect.Failed, "Grant read log")
	s.refuse = nil
	s.w.pass(48 * time.Hour)
	if r := s.run(collect.Complete, ""); r.Gap == nil {
		t.Error("no gap is recorded")
	}
	s.delivered(s.listed)
}

// TestUnorderedStuck has offsets that lead nowhere. A record's time is no place to
// go on from where there is no order: the window begins again, after a full page
// with one record less a page, and a second time the run fails. Healed, Duo gives
// the rest.
func TestUnorderedStuck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		astray func(*source)
		asked  [2][]string // by the first run, and by the next one
	}{
		"always the same offset": {
			func(s *source) { s.next = func(int, bool) string { return `"200"` } },
			[2][]string{{"", "200", " less"}, {"", "200", " less"}},
		},
		"every offset refused": {
			func(s *source) { s.refuse = func(_ int, q url.Values) (int, bool) { return 40002, q.Has("offset") } },
			[2][]string{{"", "200", "", "200"}, {"", "200"}},
		},
		"no offset after a full page": {
			func(s *source) { s.next = func(int, bool) string { return "null" } },
			[2][]string{{"", " less"}, {"", " less"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trustMonitor(t)
			s.list(650)
			next := s.next
			tt.astray(s)
			for _, want := range tt.asked {
				if r := s.run(collect.Failed, "Duo Support"); !r.Act {
					t.Error("nobody is told to act")
				}
				s.wantAsked(want...)
			}
			s.next, s.refuse = next, nil
			s.run(collect.Complete, "")
			s.delivered(s.listed)
		})
	}
}

// TestUnorderedStuckOnce has one offset refused: the window begins again, and
// goes on.
func TestUnorderedStuckOnce(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.list(450)
	s.refuse = func(n int, _ url.Values) (int, bool) { return 40002, n == 2 }
	s.run(collect.Complete, "")
	s.wantAsked("", "200", "", "200", "400")
	s.delivered(s.listed)
}

// TestUnorderedAgainNothing has a window begin again at its start, and show nothing
// there but what it had: that is no end, whatever a total of 0 seems to say.
func TestUnorderedAgainNothing(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.list(300)
	next := s.next
	sizes, offsets := []int{60, 100, 150, 90, 100, 0}, []string{"150", "150", "100", "100", "90", "90"}
	s.cap = 150
	s.next = func(int, bool) string {
		offset := offsets[0]
		s.cap, sizes, offsets = sizes[0], sizes[1:], offsets[1:]
		return fmt.Sprintf(`"%s","total_objects":0`, offset)
	}
	s.run(collect.Failed, "Duo Support")
	s.next, s.cap = next, 0
	s.run(collect.Complete, "")
	s.delivered(s.listed)
}

// TestUnorderedPageLimit has a limit of one page a run: a window that would begin
// again in the next run is finished nevertheless.
func TestUnorderedPageLimit(t *testing.T) {
	t.Parallel()
	s := trustMonitor(t)
	s.list(450)
	s.w.config.MaxPages = 1
	s.run(collect.Complete, "")
	s.delivered(s.listed)
}

// TestUnorderedShort has pages that are shorter than what is asked for, up to a
// last one that is as long as the others: it is asked for once more.
func TestUnorderedShort(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		records, cap int
		asked        []string
	}{
		"none":                           {0, 0, []string{""}},
		"few":                            {49, 0, []string{""}},
		"as many as Duo gives unasked":   {50, 0, []string{"", ""}},
		"more, and fewer than the limit": {199, 0, []string{"", ""}},
		"a smaller limit":                {130, 60, []string{"", "60", "120"}},
		"a smaller limit, the last full": {120, 60, []string{"", "60", "", "60"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trustMonitor(t)
			s.list(tt.records)
			s.cap = tt.cap
			s.run(collect.Complete, "")
			s.wantAsked(tt.asked...)
			s.delivered(s.listed)
		})
	}
}
