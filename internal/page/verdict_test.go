package page

import (
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

const delay = 150 * time.Second

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// before is a time before noon.
func before(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

// working is a stream whose last run began at 11:55:00 and that is well.
func working() collect.Status {
	s := collect.Status{Stream: "telephony", Now: noon, Watermark: before(450 * time.Second)}
	for i := range 10 {
		ago := time.Duration(i+1) * 5 * time.Minute
		s.Runs = append(s.Runs, collect.Summary{
			ID: "RUN", Outcome: collect.Complete, StartedAt: *before(ago), Watermark: before(ago + 150*time.Second), LagSeconds: 150, Records: 10,
		})
	}
	return s
}

// fail has the last run of a stream fail.
func fail(s *collect.Status, act bool) {
	s.Runs[0].Outcome, s.Runs[0].Reason, s.Runs[0].Act = collect.Failed, "it broke", act
}

func TestVerdict(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(s *collect.Status)
		tone   string
		want   string
	}{
		"well": {func(*collect.Status) {}, "well", "Up to date: everything before 11:52:30 UTC is delivered."},
		"lag at the limit": {func(s *collect.Status) { s.Watermark = before(17*time.Minute + 30*time.Second) }, "well",
			"Up to date: everything before 11:42:30 UTC is delivered."},
		"lag beyond the limit": {func(s *collect.Status) { s.Watermark = before(17*time.Minute + 31*time.Second) }, "behind",
			"Behind: only what lies before 11:42:29 UTC is delivered. The next run goes on."},
		"yesterday's": {func(s *collect.Status) { s.Watermark = before(24 * time.Hour) }, "behind",
			"Behind: only what lies before 21 Nov 12:00:00 UTC is delivered. The next run goes on."},
		"gap, aged": {func(s *collect.Status) { s.Runs[4].Gap = &store.Gap{From: noon, To: noon} }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered, except for what Duo had deleted before a run asked for it (see docs/operations.md#gap)."},
		"gap, not shown": {func(s *collect.Status) { s.Runs[4].Gap = &store.Gap{From: noon, To: noon, Missing: 1} }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered, except for 1 record that Duo counted and did not show (see docs/operations.md#gap)."},
		"gaps of both kinds, at work": {func(s *collect.Status) {
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN"}
			s.Cursor.Gap = &store.Gap{From: *before(time.Hour), To: noon, Missing: 1000}
			s.Runs[4].Gap, s.Runs[5].Gap = &store.Gap{From: noon, To: noon}, &store.Gap{From: noon, To: noon, Missing: 7}
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, except for what Duo had deleted before a run asked for it and " +
			"1,007 records that Duo counted and did not show (see docs/operations.md#gap), and a run is at work on the rest."},
		"failed once": {func(s *collect.Status) { fail(s, false) }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered. The last run failed, the next one tries again: it broke."},
		"behind and a gap": {func(s *collect.Status) {
			s.Watermark, s.Cursor.Gap = before(time.Hour), &store.Gap{From: noon, To: noon, Missing: 2}
		}, "behind", "Behind: only what lies before 11:00:00 UTC is delivered, except for 2 records that Duo counted and did not show " +
			"(see docs/operations.md#gap). The next run goes on."},
		"fails": {func(s *collect.Status) { fail(s, false); s.Watermark = before(time.Hour) }, "behind",
			"Behind: only what lies before 11:00:00 UTC is delivered. The last run failed, the next one tries again: it broke."},
		"a person must act": {func(s *collect.Status) { fail(s, true) }, "act",
			"A person must act: no run can succeed before that. The last run failed: it broke. Until then only what lies before 11:52:30 UTC is delivered."},
		"a person has acted": {func(s *collect.Status) { s.Runs[1].Outcome, s.Runs[1].Act = collect.Failed, true }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered."},
		"future": {func(s *collect.Status) { s.Watermark = before(-time.Minute) }, "act",
			"A person must act: the watermark lies in the future. It is 12:01:00 UTC. Was the cursor edited by hand? " +
				"Set cursor.watermark to a time before now; every run fails until then."},
		"nothing yet": {func(s *collect.Status) { *s = collect.Status{Now: noon} }, "waiting",
			"Waiting for the first run: nothing is collected yet. POST / or /run triggers one. If that was done, its answer and the log say why it could not begin."},
		"first run": {func(s *collect.Status) {
			s.Runs, s.Watermark, s.Lease = nil, before(24*time.Hour), &collect.Holder{Holder: "RUN"}
		}, "busy",
			"Catching up: everything before 21 Nov 12:00:00 UTC is delivered, and a run is at work on the rest."},
		"only failures": {func(s *collect.Status) { fail(s, false); s.Watermark = nil }, "behind",
			"Behind: nothing is delivered yet. The last run failed, the next one tries again: it broke."},
		"at work": {func(s *collect.Status) { s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN"} }, "busy",
			"Catching up: everything before 11:00:00 UTC is delivered, and a run is at work on the rest."},
		"died": {func(s *collect.Status) {
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN", Expired: true}
		}, "behind",
			"Behind: only what lies before 11:00:00 UTC is delivered. The run RUN ended without a word. Its lease has expired, so the next run takes over."},
		"fails before its lease, after one died": {func(s *collect.Status) {
			fail(s, false)
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "OTHER", Expired: true}
		}, "behind", "Behind: only what lies before 11:00:00 UTC is delivered. The last run failed, the next one tries again: it broke."},
		"partial": {func(s *collect.Status) {
			s.Watermark, s.Runs[0].Outcome, s.Runs[0].Reason = before(time.Hour), collect.Partial, "RUN_BUDGET is used up"
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, and the next run goes on. " +
			"The last run stopped with its work saved: RUN_BUDGET is used up."},
		"rate limited": {func(s *collect.Status) {
			s.Watermark, s.Runs[0].Outcome, s.Cursor.NotBefore = before(time.Hour), collect.Partial, before(-time.Minute)
		}, "behind", "Behind: only what lies before 11:00:00 UTC is delivered. Duo limits the rate and is not asked until 12:01:00 UTC. " +
			`The first run after that goes on; POST /run with {"force":true} asks at once.`},
		"rate limited, on time": {func(s *collect.Status) { s.Cursor.NotBefore = before(-time.Hour) }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered. Duo limits the rate and is not asked until 13:00:00 UTC. " +
				`The first run after that goes on; POST /run with {"force":true} asks at once.`},
		"pace": {func(s *collect.Status) { s.Cursor.NotBefore, s.Cursor.Pace = before(-30*time.Second), 30.3 }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered."},
		"no run comes": {func(s *collect.Status) { s.Now, s.Runs = noon.Add(time.Hour), s.Runs[1:] }, "behind",
			"Behind: only what lies before 11:52:30 UTC is delivered. No run has been recorded since 11:50:00 UTC: " +
				"look at the schedule, the push subscription and the log."},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			tt.change(&s)
			v := newStream(collect.LogStatus{Status: s}, State{Delay: delay}).Verdict
			got := strings.TrimSpace(v.Word + ": " + plain(v.Sentence) + " " + plain(v.Detail))
			if v.Tone != tt.tone || got != tt.want {
				t.Errorf("%s\n%s\nwant %s\n%s", v.Tone, got, tt.tone, tt.want)
			}
		})
	}
}

func TestSchedule(t *testing.T) {
	for name, tt := range map[string]struct {
		minutes  []float64 // before noon, when runs began
		failed   int       // of these, the newest ones
		interval time.Duration
		limit    time.Duration
	}{
		"none":                      {nil, 0, 0, delay + time.Hour},
		"two":                       {[]float64{5, 10}, 0, 0, delay + time.Hour},
		"three":                     {[]float64{5, 10, 15}, 0, 5 * time.Minute, delay + 15*time.Minute},
		"an outage and one by hand": {[]float64{1, 5, 10, 15, 300, 305, 310}, 0, 5 * time.Minute, delay + 15*time.Minute},
		"redeliveries of failures":  {[]float64{.1, .2, .3, .4, .5, 10, 20, 30}, 5, 10 * time.Minute, delay + 30*time.Minute},
		"a fast clock":              {[]float64{.25, .5, .75, 1}, 0, 15 * time.Second, delay + 3*time.Minute},
		"hourly":                    {[]float64{60, 120, 180, 240}, 0, time.Hour, delay + 3*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var runs []collect.Summary
			for i, m := range tt.minutes {
				r := collect.Summary{Outcome: collect.Complete, StartedAt: *before(time.Duration(m * float64(time.Minute)))}
				if i < tt.failed {
					r.Outcome = collect.Failed
				}
				runs = append(runs, r)
			}
			if interval, limit := schedule(runs, delay); interval != tt.interval || limit != tt.limit {
				t.Errorf("every %v, on time up to %v; want %v, %v", interval, limit, tt.interval, tt.limit)
			}
		})
	}
}
