package page

import (
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// shown are facts as text, a line for each, with a mark on alarms.
func shown(facts []fact) string {
	var lines []string
	for _, f := range facts {
		line := strings.TrimSuffix(fmt.Sprintf("%s: %s (%s)", f.Name, strings.TrimSpace(plain(f.Value)), plain(f.Note)), " ()")
		if f.Alarm {
			line += " !"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

var tag = regexp.MustCompile(`<[^>]*>`)

// plain is what a person sees of HTML.
func plain(h template.HTML) string { return html.UnescapeString(tag.ReplaceAllString(string(h), "")) }

func one(f func(stream) fact) func(stream) []fact {
	return func(s stream) []fact { return []fact{f(s)} }
}

func TestFacts(t *testing.T) {
	gap := &store.Gap{From: noon.AddDate(0, 0, -200), To: noon.AddDate(0, 0, -179), RunID: "RUN"}
	held := &collect.Holder{Holder: "RUN", Token: 7, AcquiredAt: *before(time.Minute), ExpiresAt: *before(-8 * time.Minute)}
	dead := &collect.Holder{Holder: "RUN", Token: 7, AcquiredAt: *before(time.Hour), ExpiresAt: *before(50 * time.Minute), Expired: true}
	window := &store.Window{From: *before(4 * time.Hour), To: noon, Page: 2, Last: *before(time.Hour)}
	for name, tt := range map[string]struct {
		facts  func(stream) []fact
		change func(*collect.Status)
		want   string
	}{
		"lease free":    {one(stream.lease), func(*collect.Status) {}, "Lease: free (no run is in progress)"},
		"lease held":    {one(stream.lease), func(s *collect.Status) { s.Lease = held }, "Lease: held by RUN (since 11:59:00 UTC, 8 min left; token 7)"},
		"lease expired": {one(stream.lease), func(s *collect.Status) { s.Lease = dead }, "Lease: held by RUN (expired 11:10:00 UTC: its run died, the next one takes over) !"},
		"no window":     {one(stream.window), func(*collect.Status) {}, "Window in progress: none"},
		"window": {one(stream.window), func(s *collect.Status) { s.Cursor.Window = window },
			"Window in progress: 08:00:00 UTC to 12:00:00 UTC (2 pages committed, up to 11:00:00 UTC: 75%)"},
		"window just frozen": {one(stream.window), func(s *collect.Status) { s.Cursor.Window = &store.Window{From: *before(time.Hour), To: noon} },
			"Window in progress: 11:00:00 UTC to 12:00:00 UTC (no page is committed yet)"},
		"pace": {stream.limits, func(s *collect.Status) { s.Runs[0].Requests, s.Runs[1].Requests, s.Runs[1].Retries = 3, 1200, 2 },
			"Pace: PAGE_INTERVAL (Duo has refused nothing lately)\nRequests to Duo: 1,203 in 10 runs (2 of them repeated)"},
		"pause": {stream.limits, func(s *collect.Status) { s.Cursor.NotBefore = before(-90 * time.Second) },
			"Pace: PAGE_INTERVAL (Duo has refused nothing lately)\nPause: until 12:01:30 UTC (1 min 30 s left; no request before that, unless a run is forced) !"},
		"learned pace": {stream.limits, func(s *collect.Status) { s.Cursor.NotBefore, s.Cursor.Pace = before(-30*time.Second), 30.3 },
			"Pace: a request every 30 s (learned from Duo’s refusals)\nPause: until 12:00:30 UTC (30 s left; no request before that, unless a run is forced)"},
		"pause over": {stream.limits, func(s *collect.Status) { s.Cursor.NotBefore = &noon }, "Pace: PAGE_INTERVAL (Duo has refused nothing lately)"},
		"no gap":     {stream.lost, func(*collect.Status) {}, "Lost: nothing (as far as the last runs tell)"},
		"one gap": {stream.lost, func(s *collect.Status) { s.Cursor.Gap, s.Runs[2].Gap, s.Runs[3].Gap = gap, gap, gap },
			"Lost: 6 May 12:00:00 UTC to 27 May 12:00:00 UTC (Duo no longer had it when run RUN began) !"},
		"no backfill": {stream.Backfilled, func(*collect.Status) {}, ""},
		"backfill": {func(s stream) []fact { return stream{LogStatus: collect.LogStatus{Backfill: s.Status}}.Backfilled() }, func(s *collect.Status) {
			s.Lease, s.Cursor.Window, s.Cursor.Backfill = held, window, &store.Backfill{From: *before(4 * time.Hour), To: *before(time.Hour)}
			fail(s, false)
		}, "Backfill: 08:00:00 UTC to 11:00:00 UTC (everything before 11:52:30 UTC is done)\nBackfill runs: since 11:59:00 UTC (run RUN)\n" +
			"Window in progress: 08:00:00 UTC to 12:00:00 UTC (2 pages committed, up to 11:00:00 UTC: 75%)\n" +
			"Last backfill run: failed, 11:55:00 UTC (10 records. it broke.) !"},
		"at a glance": {stream.Glance, func(s *collect.Status) { s.Totals = store.Totals{Pages: 1300, Records: 123456, Objects: 1} },
			"Lag now: 7 min 30 s (up to 17 min 30 s is on time)\n" +
				"Last run: complete (11:55:00 UTC, 10 records)\n" +
				"Runs come: every 5 min (on time is the delay, 2 min 30 s, and 15 min for missed runs)\n" +
				"Delivered in all: 123,456 records (in 1 object and 1,300 pages)"},
		"details": {stream.Details, func(s *collect.Status) { s.Cursor.ReachesTo, s.Cursor.Seen = before(time.Hour), 1 },
			"Lease: free (no run is in progress)\nWindow in progress: none\nOverlap: back to 11:00:00 UTC (at most; 1 record remembered)\n" +
				"Pace: PAGE_INTERVAL (Duo has refused nothing lately)\nLost: nothing (as far as the last runs tell)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			tt.change(&s)
			if diff := cmp.Diff(tt.want, shown(tt.facts(newStream(collect.LogStatus{Status: s}, State{Delay: delay})))); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjects(t *testing.T) {
	s := working()
	for i := range s.Runs {
		s.Runs[i].Objects = []string{fmt.Sprintf("gs://b/p/a_%d", i), fmt.Sprintf("gs://b/p/b_%d", i)}
	}
	if got := newStream(collect.LogStatus{Status: s}, State{}).Objects(); len(got) != maxNamed || got[0] != "gs://b/p/b_0" || got[1] != "gs://b/p/a_0" || got[2] != "gs://b/p/b_1" {
		t.Errorf("objects %q", got)
	}
}
