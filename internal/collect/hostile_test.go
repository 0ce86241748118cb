package collect_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

const body = `{"stat":"OK","response":%s}`

// faults are answers that are no page, what a run makes of them for good, and
// a word of the remedy that its reason names.
var faults = map[string]struct {
	script []duosim.Fault
	act    bool
	remedy string
}{
	"500":                 {one(duosim.Status(500, `{"stat":"FAIL","code":50000,"message":"about +1 (212) 5550101"}`)), false, "status.duo.com"},
	"502 from a proxy":    {one(duosim.HTML(502)), false, "status.duo.com"},
	"503 without a body":  {one(duosim.Status(503, "")), false, "status.duo.com"},
	"408":                 {one(duosim.HTML(408)), false, "status.duo.com"},
	"reset":               {one(duosim.Reset), false, "port 443"},
	"truncated":           {one(duosim.Truncate), false, "port 443"},
	"endless":             {one(duosim.Endless), false, "longer than 32 MiB"},
	"empty":               {one(duosim.Status(200, "")), false, "no proxy"},
	"garbage":             {one(duosim.Status(200, "skey +12125550101 <html>")), false, "no proxy"},
	"null":                {one(duosim.Status(200, "null")), false, "no proxy"},
	"no response":         {one(duosim.Status(200, fmt.Sprintf(body, "null"))), false, "no list of items"},
	"no items":            {one(duosim.Status(200, fmt.Sprintf(body, `{"metadata":{"next_offset":null,"total_objects":0}}`))), false, "no list of items"},
	"null items":          {one(duosim.Status(200, fmt.Sprintf(body, `{"items":null,"metadata":{"next_offset":null}}`))), false, "no list of items"},
	"null items, offset":  {one(duosim.Status(200, fmt.Sprintf(body, `{"items":null,"metadata":{"next_offset":"1666714065304,a"}}`))), false, "no list of items"},
	"no items, offset":    {one(duosim.Status(200, fmt.Sprintf(body, `{"metadata":{"next_offset":"1666714065304,a"}}`))), false, "no list of items"},
	"items no list":       {one(duosim.Status(200, fmt.Sprintf(body, `{"items":{"0":{"phone":"+12125550101"}}}`))), false, "not the JSON of a log page"},
	"FAIL without a code": {one(duosim.Status(200, `{"stat":"FAIL","code":"","message":null}`)), false, "no proxy"},
	"400 without a code":  {one(duosim.Status(400, `{"stat":"FAIL","code":""}`)), true, "report it"},
	"40001":               {one(duosim.Refuse(40001, "Missing required request parameters")), true, "report it"},
	"integration key":     {one(duosim.Refuse(40102, "Invalid integration key")), true, "DUO_IKEY"},
	"signature":           {one(duosim.Refuse(40103, "Invalid signature")), true, "DUO_SKEY"},
	"clock, twice":        {[]duosim.Fault{duosim.Refuse(40105, "Bad request timestamp"), duosim.Refuse(40105, "Bad request timestamp")}, true, "clock"},
	"permission":          {one(duosim.Refuse(40301, "Access forbidden")), true, "Grant read log"},
	"404":                 {one(duosim.Refuse(40401, "Resource not found")), true, "ended the telephony log"},
}

func one(f duosim.Fault) []duosim.Fault { return []duosim.Fault{f} }

// TestFaults meets each fault, on the first page and on the second, with no time
// to ask again: the run fails, keeps what it has committed, and the next one
// goes on from there.
func TestFaults(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestFaultsPass has faults")
	}
	for name, tt := range faults {
		for pages := range 2 {
			if pages > 0 && !slices.Contains(inTheMiddle, name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/after %d pages", name, pages), func(t *testing.T) {
				t.Parallel()
				bubble(t, duosim.Config{}, func(w *world) {
					w.sim.Add(w.spread(1000*pages+20, w.start.Add(-20*time.Minute), time.Second)...)
					w.sim.Script(slices.Concat(passing(pages), tt.script)...)
					w.config.Budget = 900 * time.Millisecond
					r := w.run(collect.Job{})
					if r.Outcome != collect.Failed || r.Act != tt.act || r.Err == nil || !strings.Contains(r.Reason, tt.remedy) {
						t.Errorf("%s, act %v, %s; want failed, act %v, with %q", r.Outcome, r.Act, r.Reason, tt.act, tt.remedy)
					}
					if r.Pages != pages {
						t.Errorf("%d pages, want %d", r.Pages, pages)
					}
					w.stays(pages)
					w.leaksNothing()
					w.heal()
				})
			})
		}
	}
}

// inTheMiddle are the faults that are tried on the second page too: one of each
// kind, as a page takes a thousand records.
var inTheMiddle = []string{"502 from a proxy", "truncated", "null items, offset", "signature", "permission"}

func passing(n int) []duosim.Fault { return slices.Repeat(one(duosim.Pass), n) }

// stays checks that a run which ended in the first window has moved nothing but
// its pages.
func (w *world) stays(pages int) {
	w.t.Helper()
	s := w.state()
	if first := w.start.Add(-w.config.Lookback); !s.Cursor.Watermark.Equal(first) || s.Cursor.Window.Page != pages || len(w.objects()) != pages {
		w.t.Errorf("watermark %s, page %d, %d objects; want %s, %d, %d", s.Cursor.Watermark, s.Cursor.Window.Page, len(w.objects()), first, pages, pages)
	}
	if s.Lease.Holder != "" {
		w.t.Error("the lease is still held")
	}
}

// heal checks that ordinary runs deliver all of it, once.
func (w *world) heal() {
	w.t.Helper()
	w.config.Budget = 9 * time.Minute
	w.complete()
	w.pass(time.Minute)
	if r := w.complete(); r.Records != 0 {
		w.t.Errorf("%d records came again", r.Records)
	}
	w.checkLate()
	w.checkReports()
}

// private is what must be in no log and no reason: the secret, and the
// simulator's phone numbers.
var private = regexp.MustCompile(`\bskey\b|\+1\d{3}55501|5550101`)

func (w *world) leaksNothing() {
	w.t.Helper()
	texts := []string{w.log.String()}
	for _, r := range w.reports {
		texts = append(texts, r.Reason, fmt.Sprint(r.Err))
	}
	for _, text := range texts {
		if private.MatchString(text) {
			w.t.Errorf("private: %s", text)
		}
	}
}

// TestFaultsPass meets each temporary fault once, with time to ask again.
func TestFaultsPass(t *testing.T) {
	t.Parallel()
	for name, tt := range faults {
		if tt.act {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, duosim.Config{}, func(w *world) {
				w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
				w.sim.Script(tt.script[0])
				if r := w.complete(); r.Retries != 1 || r.Records != 20 {
					t.Errorf("%d retries, %d records; want 1 and 20", r.Retries, r.Records)
				}
				w.leaksNothing()
			})
		})
	}
}

// TestOutage asks as often as it may and then fails, however long the budget.
func TestOutage(t *testing.T) {
	t.Parallel()
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
		w.sim.Script(slices.Repeat(one(duosim.HTML(502)), 5)...)
		if r := w.run(collect.Job{}); r.Outcome != collect.Failed || r.Act || r.Requests != 5 {
			t.Errorf("%s, act %v, %d requests: %s", r.Outcome, r.Act, r.Requests, r.Reason)
		}
		w.stays(0)
		w.heal()
	})
}

// TestHang ends with the budget, in real time.
func TestHang(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
	w.sim.Script(duosim.Hang)
	w.config.Budget = 300 * time.Millisecond
	if r := w.run(collect.Job{}); r.Outcome != collect.Failed || !strings.Contains(r.Reason, "RUN_BUDGET") {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
	w.stays(0)
	w.heal()
}

// TestRedirect follows no redirect: what the request is signed with must not
// reach another host.
func TestRedirect(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r.URL.Path }))
	t.Cleanup(other.Close)
	for pages := range 2 {
		bubble(t, duosim.Config{}, func(w *world) {
			w.sim.Add(w.spread(1000*pages+20, w.start.Add(-2*time.Hour), time.Second)...)
			w.sim.Script(append(passing(pages), duosim.Redirect(other.URL+"/admin/v2/logs/telephony?key=skey"))...)
			r := w.run(collect.Job{})
			if r.Outcome != collect.Failed || !r.Act || !strings.Contains(r.Reason, "DUO_API_HOST") {
				t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
			}
			w.stays(pages)
			w.leaksNothing()
			w.heal()
		})
	}
	if len(requests) > 0 {
		t.Errorf("the other host was asked for %s", <-requests)
	}
}

// retryAfter answers 429 with a header as it is.
func retryAfter(value func() string) duosim.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Retry-After", value())
		duosim.RateLimited(0)(w, r, next)
	}
}

// TestRateLimited is refused by Duo with no time to wait: the run ends with its
// cursor kept, no run asks before the time that Duo gave, and the one that
// follows asks for the same page.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	waits := map[string]struct {
		value string
		wait  time.Duration
	}{
		"nothing said": {"", time.Minute},
		"seconds":      {"200", 200 * time.Second},
		"date":         {"date", 5 * time.Minute},
		"nonsense":     {"soon", time.Minute},
		"ten years":    {"315360000", time.Hour},
	}
	for name, tt := range waits {
		for pages := range 2 {
			if pages > 0 && name != "seconds" {
				continue
			}
			t.Run(fmt.Sprintf("%s/after %d pages", name, pages), func(t *testing.T) {
				t.Parallel()
				bubble(t, duosim.Config{}, func(w *world) {
					w.sim.Add(w.spread(1000*pages+20, w.start.Add(-2*time.Hour), time.Second)...)
					w.sim.Script(append(passing(pages), retryAfter(func() string {
						if tt.value == "date" {
							return w.clock().Add(tt.wait).Format(http.TimeFormat)
						}
						return tt.value
					}))...)
					w.config.Budget = 30 * time.Second
					w.partial("rate limited")
					w.stays(pages)
					asked := len(w.sim.Requests())

					w.pass(tt.wait - 40*time.Second)
					w.partial("rate limited")
					if n := len(w.sim.Requests()); n != asked {
						t.Errorf("%d requests before the time that Duo gave", n-asked)
					}
					w.stays(pages)

					w.pass(40 * time.Second)
					w.config.Budget = 9 * time.Minute // the pace is kept, half a minute a request
					w.complete()
					all := w.sim.Requests()
					if was, is := all[asked-1].Query.Encode(), all[asked].Query.Encode(); was != is {
						t.Errorf("asked for %s after it was refused %s", is, was)
					}
					w.heal()
				})
			})
		}
	}
}

// partial runs once and expects it to stop for the reason.
func (w *world) partial(reason string) collect.Report {
	w.t.Helper()
	r := w.run(collect.Job{})
	if r.Outcome != collect.Partial || r.Err != nil || r.Act || !strings.Contains(r.Reason, reason) {
		w.t.Fatalf("run %s (%v), act %v: %s; want partial, %s", r.Outcome, r.Err, r.Act, r.Reason, reason)
	}
	return r
}

// TestRateLimitedOnce waits where the budget lasts: for Duo's answer within a
// run, and for the time that an earlier run was given.
func TestRateLimitedOnce(t *testing.T) {
	t.Parallel()
	for pages := range 2 {
		t.Run(fmt.Sprintf("after %d pages", pages), func(t *testing.T) {
			t.Parallel()
			bubble(t, duosim.Config{}, func(w *world) {
				w.sim.Add(w.spread(1000*pages+20, w.start.Add(-2*time.Hour), time.Second)...)
				w.sim.Script(append(passing(pages), duosim.RateLimited(0))...)
				start := time.Now()
				if r := w.complete(); r.Records != 1000*pages+20 || r.Retries != 1 || time.Since(start) < time.Minute {
					t.Errorf("%d records, %d retries, after %s", r.Records, r.Retries, time.Since(start))
				}
			})
		})
	}
	t.Run("of an earlier run", func(t *testing.T) {
		t.Parallel()
		bubble(t, duosim.Config{}, func(w *world) {
			w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
			w.sim.Script(duosim.RateLimited(50*time.Second), duosim.Pass)
			w.config.Budget = 20 * time.Second
			w.partial("rate limited")
			w.config.Budget = 9 * time.Minute
			start := time.Now()
			if r := w.complete(); r.Requests > 2 || time.Since(start) < 50*time.Second {
				t.Errorf("%d requests after %s", r.Requests, time.Since(start))
			}
		})
	})
	t.Run("a long one", func(t *testing.T) {
		t.Parallel()
		bubble(t, duosim.Config{}, func(w *world) {
			w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
			w.sim.Script(duosim.RateLimited(3 * time.Minute))
			start := time.Now()
			w.partial("rate limited")
			w.partial("rate limited") // which another run finds
			if took := time.Since(start); took > time.Second {
				t.Errorf("the runs have held their requests for %s", took)
			}
			if r := w.run(collect.Job{Force: true}); r.Outcome != collect.Complete || r.Records != 20 {
				t.Errorf("forced, it is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
			}
		})
	})
}

// TestRateLimitedForGood never gets past the second page in a run, which asks for
// it five times and does not hold its caller for the whole budget.
func TestRateLimitedForGood(t *testing.T) {
	t.Parallel()
	bubble(t, duosim.Config{}, func(w *world) {
		w.sim.Add(w.spread(2020, w.start.Add(-2*time.Hour), time.Second)...)
		w.sim.Script(append(passing(1), slices.Repeat(one(duosim.RateLimited(55*time.Second)), 10)...)...)
		if r := w.partial("rate limited"); r.Pages != 1 || r.Requests != 6 {
			t.Errorf("%d pages, %d requests", r.Pages, r.Requests)
		}
		w.pass(10 * time.Minute)
		if r := w.partial("rate limited"); r.Pages != 0 || r.Requests != 5 {
			t.Errorf("%d pages, %d requests", r.Pages, r.Requests)
		}
		w.pass(10 * time.Minute)
		w.heal()
	})
}

// altered answers with what the simulator says, changed.
func altered(change func(string) string) duosim.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		io.WriteString(w, change(answer.Body.String()))
	}
}

// TestTotals has Duo count other records than it shows, always or once. Where it
// counts more, the window is walked once more. What it still counts more then is
// recorded as a gap.
func TestTotals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		total   string // what is written for N more than there are
		more    int
		missing int
	}{
		"right":         {`N`, 0, 0},
		"more":          {`N`, 5, 5},
		"fewer":         {`N`, -3, 0},
		"none":          {`0`, 0, 0},
		"object":        {`{"relation":"eq","value":N}`, 1, 1},
		"a lower bound": {`{"relation":"gte","value":10000}`, 0, 0},
		"null":          {`null`, 0, 0},
		"text":          {`"many"`, 0, 0},
		"list":          {`[7]`, 0, 0},
		"fraction":      {`1e400`, 0, 0},
		"negative":      {`-7`, 0, 0},
	}
	total := regexp.MustCompile(`"total_objects":(\d+)`)
	for name, tt := range tests {
		for _, times := range []int{1, 20} {
			t.Run(fmt.Sprintf("%s/%d times", name, times), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, duosim.Config{})
				w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
				change := altered(func(s string) string {
					n, _ := strconv.Atoi(total.FindStringSubmatch(s)[1])
					return total.ReplaceAllString(s, `"total_objects":`+strings.ReplaceAll(tt.total, "N", strconv.Itoa(n+tt.more)))
				})
				w.sim.Script(slices.Repeat(one(change), times)...)
				r := w.complete()
				if r.Records != 20 {
					t.Errorf("%d records, want all", r.Records)
				}
				missing := 0
				if r.Gap != nil {
					missing = r.Gap.Missing
				}
				if want := tt.missing; times == 1 && missing != 0 || times > 1 && missing != want {
					t.Errorf("missing %d, want %d if it is always said", missing, want)
				}
				if told := strings.Contains(w.log.String(), "records lost"); told != (missing > 0) {
					t.Errorf("told: %v", told)
				}
			})
		}
	}
}

// TestTotalResumed has an overlap of many pages, which several runs walk through: what
// each shows of it counts, so that no second walk is needed.
func TestTotalResumed(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.Overlap = 3 * time.Hour
	w.sim.Add(w.spread(3500, w.start.Add(-2*time.Hour), time.Second)...)
	w.complete()
	w.pass(10 * time.Minute)
	w.sim.Add(w.spread(300, w.start, time.Second)...)
	w.config.MaxPages = 1
	pages := 0
	for r := w.run(collect.Job{}); ; r = w.run(collect.Job{}) {
		if pages += r.Pages; r.Outcome != collect.Partial {
			break
		}
	}
	if strings.Contains(w.log.String(), "once more") || pages > 5 {
		t.Errorf("%d pages, want 5 at most:\n%s", pages, w.log)
	}
}

// TestGapsOfOneRun has Duo count a record more than it shows in each of two windows
// of one run, whose report has both.
func TestGapsOfOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.config.MaxWindow, w.config.Overlap = 13*time.Hour, 0
	w.sim.Add(w.spread(1, w.start.Add(-20*time.Hour), time.Second)...)
	w.sim.Add(w.spread(1, w.start.Add(-2*time.Hour), time.Second)...)
	w.sim.Always(altered(func(s string) string { return strings.ReplaceAll(s, `"total_objects":1`, `"total_objects":2`) }))
	r := w.complete()
	if g := r.Gap; g == nil || g.Missing != 2 || !g.From.Equal(w.start.Add(-24*time.Hour)) || !g.To.Equal(*r.Watermark) {
		t.Errorf("the gap is %+v", g)
	}
	from := *r.Watermark
	w.pass(time.Hour)
	w.sim.Add(w.spread(1, w.start, time.Second)...)
	if g := w.complete().Gap; g == nil || g.Missing != 1 || !g.From.Equal(from) {
		t.Errorf("the next run's gap is %+v", g)
	}
}

// TestTotalBeforeAnchor has Duo count a record that it does not show, and the walk go
// on from a later time, from which the count is right: the window is walked once more.
func TestTotalBeforeAnchor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ pages, records, missing int }{
		"shown then":            {0, 21, 0},
		"shown then, many runs": {1, 21, 0},
		"never shown":           {0, 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{Manners: duosim.Manners{Cursor: duosim.AbsentAtEnd}})
			w.config.MaxPages = tt.pages
			first, from := w.start.Add(-2*time.Hour), fmt.Sprint(w.start.Add(-w.config.Lookback-time.Millisecond).UnixMilli())
			w.sim.Add(w.spread(20, first, time.Second)...)
			tooMany := altered(func(s string) string { return strings.ReplaceAll(s, `"total_objects":20`, `"total_objects":21`) })
			requests := 0
			w.sim.Always(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if requests++; requests == 3 && tt.missing == 0 {
					w.sim.Add(w.spread(1, first.Add(time.Millisecond), 0)...)
				}
				if r.FormValue("mintime") == from {
					tooMany(rw, r, next)
				} else {
					next.ServeHTTP(rw, r)
				}
			})
			r := w.collector().Run(t.Context(), collect.Job{})
			for r.Outcome == collect.Partial {
				r = w.collector().Run(t.Context(), collect.Job{})
			}
			missing := 0
			if r.Gap != nil {
				missing = r.Gap.Missing
			}
			if n := len(w.check()); r.Outcome != collect.Complete || n != tt.records || missing != tt.missing {
				t.Errorf("%s with %d records and %d missing, want %d and %d: %s", r.Outcome, n, missing, tt.records, tt.missing, r.Reason)
			}
		})
	}
}
