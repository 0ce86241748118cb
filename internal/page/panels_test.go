package page

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// facts is a panel as text, a line for each fact.
func facts(p panel) string {
	var lines []string
	for _, f := range p.Facts {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %s (%s)", f.Name, f.Value, f.Note), " ()"))
	}
	if p.Progress != nil {
		lines = append(lines, fmt.Sprintf("%d%% of the window", *p.Progress))
	}
	return strings.Join(lines, "\n")
}

func TestPanels(t *testing.T) {
	gap := &store.Gap{From: noon.AddDate(0, 0, -200), To: noon.AddDate(0, 0, -179), RunID: "RUN"}
	held := &collect.Holder{Holder: "RUN", Token: 7, AcquiredAt: *before(time.Minute), ExpiresAt: *before(-8 * time.Minute)}
	dead := &collect.Holder{Holder: "RUN", Token: 7, AcquiredAt: *before(time.Hour), ExpiresAt: *before(50 * time.Minute), Expired: true}
	window := &store.Window{From: *before(4 * time.Hour), To: noon, Page: 2, Last: *before(time.Hour)}
	for name, tt := range map[string]struct {
		panel  func(stream) panel
		change func(*collect.Status)
		alarm  bool
		want   string
	}{
		"lease free": {stream.leasePanel, func(*collect.Status) {}, false, "Held by: nobody (no run is in progress)"},
		"lease held": {stream.leasePanel, func(s *collect.Status) { s.Lease = held }, false,
			"Held by: RUN (token 7)\nSince: 11:59:00 UTC (for 1 min)\nUntil: 12:08:00 UTC (8 min left)"},
		"lease expired": {stream.leasePanel, func(s *collect.Status) { s.Lease = dead }, true,
			"Held by: RUN (token 7)\nSince: 11:00:00 UTC (for 1 h)\nUntil: 11:10:00 UTC (expired: its run died, the next one takes over)"},
		"cursor":    {stream.cursorPanel, func(*collect.Status) {}, false, "Watermark: 11:52:30 UTC\nWindow in progress: none"},
		"no cursor": {stream.cursorPanel, func(s *collect.Status) { *s = collect.Status{} }, false, "Watermark: none yet\nWindow in progress: none"},
		"window": {stream.cursorPanel, func(s *collect.Status) {
			s.Cursor.Window, s.Cursor.ReachesTo, s.Cursor.Seen = window, before(time.Hour), 1
		}, false,
			"Watermark: 11:52:30 UTC\nOverlap may reach back to: 11:00:00 UTC (1 record remembered)\n" +
				"Window in progress: 08:00:00 UTC to 12:00:00 UTC (2 pages committed, up to 11:00:00 UTC)\n75% of the window"},
		"window just frozen": {stream.cursorPanel, func(s *collect.Status) { s.Cursor.Window = &store.Window{From: *before(time.Hour), To: noon} }, false,
			"Watermark: 11:52:30 UTC\nWindow in progress: 11:00:00 UTC to 12:00:00 UTC (no page is committed yet)"},
		"pace": {stream.pacePanel, func(s *collect.Status) { s.Runs[0].Requests, s.Runs[1].Requests, s.Runs[1].Retries = 3, 1200, 2 }, false,
			"Pause in force: none\nPace: PAGE_INTERVAL (Duo has refused nothing lately)\nRequests: 1,203 in the last 10 runs (2 of them repeated)"},
		"pause": {stream.pacePanel, func(s *collect.Status) { s.Cursor.NotBefore, s.Runs = before(-90*time.Second), s.Runs[:1] }, true,
			"Pause in force: until 12:01:30 UTC (1 min 30 s left; no request before that, unless a run is forced)\nPace: PAGE_INTERVAL (Duo has refused nothing lately)\nRequests: 0 in the only run (0 of them repeated)"},
		"learned pace": {stream.pacePanel, func(s *collect.Status) {
			s.Cursor.NotBefore, s.Cursor.Pace, s.Runs = before(-30*time.Second), 30.3, nil
		}, false,
			"Pause in force: until 12:00:30 UTC (30 s left; no request before that, unless a run is forced)\nPace: a request every 30 s (learned from Duo’s refusals)\nRequests: 0 (0 of them repeated)"},
		"pause over": {stream.pacePanel, func(s *collect.Status) { s.Cursor.NotBefore, s.Runs = &noon, nil }, false,
			"Pause in force: none\nPace: PAGE_INTERVAL (Duo has refused nothing lately)\nRequests: 0 (0 of them repeated)"},
		"no gap": {stream.gapPanel, func(*collect.Status) {}, false, "Lost: nothing (as far as the last runs tell)"},
		"one gap": {stream.gapPanel, func(s *collect.Status) { s.Cursor.Gap, s.Runs[2].Gap, s.Runs[3].Gap = gap, gap, gap }, true,
			"Lost: 6 May 12:00:00 UTC to 27 May 12:00:00 UTC (Duo no longer had it when run RUN began)"},
		"backfill": {stream.backfillPanel, func(s *collect.Status) {
			s.Lease, s.Cursor.Window, s.Cursor.Backfill = held, window, &store.Backfill{From: *before(4 * time.Hour), To: *before(time.Hour)}
			fail(s, false)
		}, true, "Range: 08:00:00 UTC to 11:00:00 UTC (done up to 11:52:30 UTC)\nIn progress since: 11:59:00 UTC (run RUN)\n" +
			"Last run: failed, 11:55:00 UTC (10 records. it broke)\n75% of the window"},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			tt.change(&s)
			p := tt.panel(newStream(s, State{Delay: delay}))
			if diff := cmp.Diff(tt.want, facts(p)); diff != "" || p.Alarm != tt.alarm {
				t.Errorf("alarm %v, facts (-want +got):\n%s", p.Alarm, diff)
			}
		})
	}
}

func TestView(t *testing.T) {
	live, backfill := working(), collect.Status{Stream: "telephony-backfill", Now: noon}
	live.Totals = store.Totals{Pages: 1300, Records: 123456, Objects: 1}
	for i := range live.Runs {
		live.Runs[i].Objects = []string{fmt.Sprintf("gs://b/p/a_%d", i), fmt.Sprintf("gs://b/p/b_%d", i)}
	}
	v := newView(State{Delay: delay, Log: collect.LogStatus{Status: live, Backfill: backfill}})
	want := "Lag now: 7 min 30 s (up to 17 min 30 s is on time)\n" +
		"Last run: complete (11:55:00 UTC, 10 records in 0 ms)\n" +
		"Runs come: every 5 min (on time is the delay, 2 min 30 s, and 15 min for missed runs)\n" +
		"Delivered in all: 123,456 records (in 1 object and 1,300 pages)"
	if diff := cmp.Diff(want, facts(panel{Facts: v.Figures})); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if len(v.Panels) != 4 || v.Unnamed != 10 || len(v.Objects) != maxNamed {
		t.Errorf("%d panels, %d objects and %d more", len(v.Panels), len(v.Objects), v.Unnamed)
	}
	if got := pieces(v.Objects[0].Name); !slices.Equal(got, []string{"gs:/", "/", "b/", "p/", "b_", "0"}) {
		t.Errorf("the newest object is %q", got)
	}
	backfill.Runs = live.Runs[:1]
	v = newView(State{Log: collect.LogStatus{Status: live, Backfill: backfill}})
	if len(v.Panels) != 5 || len(v.Objects) != maxNamed+2 {
		t.Errorf("with a backfill: %d panels, %d objects", len(v.Panels), len(v.Objects))
	}
}
