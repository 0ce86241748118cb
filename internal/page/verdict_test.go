package page

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
			ID: "RUN", Outcome: collect.Complete, StartedAt: *before(ago), Watermark: before(ago + 150*time.Second), LagSeconds: new(int64(150)), Records: 10,
		})
	}
	return s
}

// fail has the last run of a stream fail.
func fail(s *collect.Status, act bool) {
	s.Runs[0].Outcome, s.Runs[0].Reason, s.Runs[0].Act = collect.Failed, "it broke", act
}

// waits is what an hour's lag costs.
const waits = "Cost: 1 h behind. What is missing waits in Duo, which keeps it for another 179 d 23 h.\n"

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
			"Behind: only what lies before 11:42:29 UTC is delivered.\nWhy: The last run did not catch up, or ticks come too rarely.\n" +
				"Cost: 17 min 31 s behind. What is missing waits in Duo, which keeps it for another 179 d 23 h.\n" +
				"Do: Nothing: the next run goes on. If the lag grows, see docs/operations.md#lag."},
		"gap, aged": {func(s *collect.Status) { s.Runs[4].Gap = &store.Gap{From: noon, To: noon} }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered, except for what Duo had deleted before a run asked for it (see docs/operations.md#gap)."},
		"gap, not shown": {func(s *collect.Status) { s.Runs[4].Gap = &store.Gap{From: noon, To: noon, Missing: 1} }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered, except for 1 record that Duo counted and did not show (see docs/operations.md#gap)."},
		"gaps of both kinds, at work": {func(s *collect.Status) {
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN", AcquiredAt: *before(2 * time.Minute)}
			s.Cursor.Gap = &store.Gap{From: *before(time.Hour), To: noon, Missing: 1000}
			s.Runs[4].Gap, s.Runs[5].Gap = &store.Gap{From: noon, To: noon}, &store.Gap{From: noon, To: noon, Missing: 7}
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, except for what Duo had deleted before a run asked for it and " +
			"1,007 records that Duo counted and did not show (see docs/operations.md#gap), and a run is at work on the rest.\n" + waits +
			"Do: Nothing: a run has been at work since 11:58:00 UTC. If the lag grows, see docs/operations.md#lag."},
		"failed once": {func(s *collect.Status) { s.Now = noon.Add(-time.Minute); fail(s, false) }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered.\nWhy: Runs have failed since 11:55:00 UTC. The last one: it broke.\n" +
				"Do: Nothing for now: the next run, at about 12:00:00 UTC, tries again. If it goes on failing, see docs/operations.md#no-complete-run."},
		"fails": {func(s *collect.Status) {
			fail(s, false)
			s.Watermark, s.Runs[1].Outcome = before(time.Hour), collect.Failed
		}, "behind", "Behind, but retrying: only what lies before 11:00:00 UTC is delivered.\n" +
			"Why: Runs have failed since 11:50:00 UTC. The last one: it broke.\n" + waits +
			"Do: Nothing for now: the next run tries again. If it goes on failing, see docs/operations.md#no-complete-run."},
		"a person must act": {func(s *collect.Status) { fail(s, true); s.Watermark = before(time.Hour) }, "act",
			"A person must act: runs have failed since 11:55:00 UTC, and none can succeed until the cause is fixed.\nWhy: it broke.\n" + waits +
				"Do: Fix what the reason names, with the help of docs/operations.md#a-person-must-act. The next run then collects all that Duo still has."},
		"a person must act, too late for some": {func(s *collect.Status) { fail(s, true); s.Watermark = before(181 * day) }, "act",
			"A person must act: runs have failed since 11:55:00 UTC, and none can succeed until the cause is fixed.\nWhy: it broke.\n" +
				"Cost: 181 d behind. Records are being lost: Duo deletes them after 180 d.\n" +
				"Do: Fix what the reason names, with the help of docs/operations.md#a-person-must-act. The next run then collects all that Duo still has."},
		"too late for some, of an account": {func(s *collect.Status) {
			fail(s, true)
			s.Watermark, s.Stream = before(181*day), "telephony@api-0a1b2c3d.duosecurity.com"
		}, "act",
			"A person must act: runs have failed since 11:55:00 UTC, and none can succeed until the cause is fixed.\nWhy: it broke.\n" +
				"Cost: 181 d behind. Records are being lost: Duo deletes them after 180 d.\n" +
				"Do: Fix what the reason names, with the help of docs/operations.md#a-person-must-act. The next run then collects all that Duo still has."},
		"the log has ended": {func(s *collect.Status) {
			s.Runs[0].Outcome, s.Runs[0].Reason, s.Cursor.Ended = collect.Partial, "Duo has no such log", before(time.Hour)
		}, "act", "A person must act: Duo says that it does not have this log.\nWhy: Duo has no such log. A run last failed because of it 11:00:00 UTC; one does each day.\n" +
			"Cost: Whether Duo ever shows again what is missing is not known.\n" +
			"Do: If the log has ended for good, take it out of DUO_LOGS: docs/operations.md#add-or-remove-a-log. There is no hurry: every run asks, and goes on if Duo shows the log again."},
		"a person has acted": {func(s *collect.Status) { s.Runs[1].Outcome, s.Runs[1].Act = collect.Failed, true }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered."},
		"future": {func(s *collect.Status) { s.Watermark = before(-time.Minute) }, "act",
			"A person must act: the watermark lies in the future, so every run fails.\nWhy: It is 12:01:00 UTC. Was the cursor edited by hand?\n" +
				"Cost: Nothing is collected. Once that time has passed, runs go on from there, and leave out what is missing now.\n" +
				"Do: Set cursor.watermark to a time before now: docs/operations.md#reset-the-cursor."},
		"future, found by a run": {func(s *collect.Status) { fail(s, true); s.Watermark = before(-time.Minute) }, "act",
			"A person must act: the watermark lies in the future, so every run fails.\n" +
				"Why: It is 12:01:00 UTC. Was the cursor edited by hand? Runs have failed since 11:55:00 UTC.\n" +
				"Cost: Nothing is collected. Once that time has passed, runs go on from there, and leave out what is missing now.\n" +
				"Do: Set cursor.watermark to a time before now: docs/operations.md#reset-the-cursor."},
		"unreadable": {func(s *collect.Status) {
			fail(s, true)
			s.Watermark, s.Brief = nil, &collect.Brief{Unreadable: "it was edited"}
		}, "act", "A person must act: where the stream stands can’t be read.\nWhy: it was edited. Runs have failed since 11:55:00 UTC.\n" +
			"Cost: What is in the bucket is safe. Runs need the state, too, so probably nothing is collected.\n" +
			"Do: If it stays, do what the reason says, with the help of docs/operations.md#a-person-must-act. The next run then goes on where the stream stood."},
		"nothing yet": {func(s *collect.Status) { *s = collect.Status{Now: noon} }, "waiting",
			"Waiting for the first run: nothing is collected yet.\nCost: The first run reaches back by INITIAL_LOOKBACK, or to where STATE_KEY ends; what is older is left out.\n" +
				"Do: Wait for the schedule’s first tick, or trigger a run: docs/operations.md#trigger-by-hand. If that was done, its answer and the log say why it could not begin."},
		"first run": {func(s *collect.Status) {
			s.Runs, s.Watermark, s.Lease = nil, before(24*time.Hour), &collect.Holder{Holder: "RUN", AcquiredAt: *before(2 * time.Minute)}
		}, "busy", "Catching up: everything before 21 Nov 12:00:00 UTC is delivered, and a run is at work on the rest.\n" +
			"Cost: 1 d behind. What is missing waits in Duo, which keeps it for another 179 d.\n" +
			"Do: Nothing: a run has been at work since 11:58:00 UTC. If the lag grows, see docs/operations.md#lag."},
		"at work again after failures": {func(s *collect.Status) {
			fail(s, false)
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN", AcquiredAt: *before(2 * time.Minute)}
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, and a run is at work on the rest.\n" +
			"Why: Runs have failed since 11:55:00 UTC. The last one: it broke.\n" + waits +
			"Do: Nothing: a run has been at work since 11:58:00 UTC. If the lag grows, see docs/operations.md#lag."},
		"only failures": {func(s *collect.Status) { fail(s, false); s.Watermark = nil }, "behind",
			"Behind, but retrying: nothing is delivered yet.\nWhy: Runs have failed since 11:55:00 UTC. The last one: it broke.\nCost: Nothing is delivered yet.\n" +
				"Do: Nothing for now: the next run tries again. If it goes on failing, see docs/operations.md#no-complete-run."},
		"died": {func(s *collect.Status) {
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "RUN", Expired: true, AcquiredAt: *before(time.Hour), ExpiresAt: *before(50 * time.Minute)}
		}, "behind", "Behind, about to recover: only what lies before 11:00:00 UTC is delivered.\n" +
			"Why: The run RUN, begun 11:00:00 UTC, ended without a word. Its lease expired 11:10:00 UTC.\n" + waits +
			"Do: Nothing: the next run takes over. If runs go on dying, see docs/operations.md#no-complete-run."},
		"fails before its lease, after one died": {func(s *collect.Status) {
			fail(s, false)
			s.Watermark, s.Lease = before(time.Hour), &collect.Holder{Holder: "OTHER", Expired: true}
		}, "behind", "Behind, but retrying: only what lies before 11:00:00 UTC is delivered.\n" +
			"Why: Runs have failed since 11:55:00 UTC. The last one: it broke.\n" + waits +
			"Do: Nothing for now: the next run tries again. If it goes on failing, see docs/operations.md#no-complete-run."},
		"partial": {func(s *collect.Status) {
			s.Watermark, s.Runs[0].Outcome, s.Runs[0].Reason = before(time.Hour), collect.Partial, "RUN_BUDGET is used up"
			s.Runs[1].Outcome, s.Runs[2].Outcome = collect.Partial, collect.Failed
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, and the next run goes on.\n" +
			"Why: Runs have stopped early, with their work saved, since 11:50:00 UTC. The last one: RUN_BUDGET is used up.\n" + waits +
			"Do: Nothing: the next run goes on. If the lag grows, see docs/operations.md#lag."},
		"rate limited": {func(s *collect.Status) {
			s.Watermark, s.Runs[0].Outcome, s.Cursor.NotBefore = before(time.Hour), collect.Partial, before(-time.Minute)
		}, "behind", "Behind, waiting for Duo: only what lies before 11:00:00 UTC is delivered.\n" +
			"Why: Duo limits the rate and is not asked until 12:01:00 UTC. Runs have stopped early, with their work saved, since 11:55:00 UTC.\n" + waits +
			`Do: Nothing: the first run after that goes on. To ask at once, POST /run with {"force":true}; if Duo does this again and again, see docs/operations.md#lag.`},
		"rate limited, on time": {func(s *collect.Status) { s.Cursor.NotBefore = before(-time.Hour) }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered.\nWhy: Duo limits the rate and is not asked until 13:00:00 UTC.\n" +
				`Do: Nothing: the first run after that goes on. To ask at once, POST /run with {"force":true}; if Duo does this again and again, see docs/operations.md#lag.`},
		"rate limited a while ago": {func(s *collect.Status) {
			s.Watermark, s.Runs[0].Outcome, s.Runs[0].Reason, s.Cursor.NotBefore = before(time.Hour), collect.Partial, "rate limited", before(time.Second)
		}, "busy", "Catching up: everything before 11:00:00 UTC is delivered, and the next run goes on.\n" +
			"Why: Runs have stopped early, with their work saved, since 11:55:00 UTC. The last one: rate limited.\n" + waits +
			"Do: Nothing: the next run goes on. If the lag grows, see docs/operations.md#lag."},
		"pace": {func(s *collect.Status) { s.Cursor.NotBefore, s.Cursor.Pace = before(-30*time.Second), 30.3 }, "well",
			"Up to date: everything before 11:52:30 UTC is delivered."},
		"no run comes": {func(s *collect.Status) { s.Now, s.Runs = noon.Add(time.Hour), s.Runs[1:] }, "behind",
			"Behind, and nothing runs: only what lies before 11:52:30 UTC is delivered.\nWhy: No run has been recorded since 11:50:00 UTC.\n" +
				"Cost: 1 h 7 min behind. What is missing waits in Duo, which keeps it for another 179 d 22 h.\n" +
				"Do: Look at the schedule, the push subscription and the log: docs/operations.md#no-complete-run."},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			tt.change(&s)
			v := newStream(collect.LogStatus{Status: s}, State{Delay: delay}).Verdict
			got := strings.TrimSpace(v.Word + ": " + plain(v.Sentence) + "\n" + shown(v.Notes))
			if diff := cmp.Diff(tt.want, got); diff != "" || v.Tone != tt.tone {
				t.Errorf("%s, want %s (-want +got):\n%s", v.Tone, tt.tone, diff)
			}
			checkSections(t, got)
		})
	}
}

// checkSections expects the sections that a text sends people to.
func checkSections(t *testing.T, text string) {
	t.Helper()
	runbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for line := range strings.Lines(string(runbook)) {
		if heading, found := strings.CutPrefix(line, "## "); found {
			sections = append(sections, strings.ReplaceAll(strings.ToLower(strings.TrimSpace(heading)), " ", "-"))
		}
	}
	for _, m := range regexp.MustCompile(`docs/operations\.md#([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(sections, m[1]) {
			t.Errorf("there is no %s", m[0])
		}
	}
}

func TestUnreadableVerdict(t *testing.T) {
	v := unreadable(State{Err: errors.New("it is away"), Unrecorded: []collect.Summary{{Stream: "telephony", StartedAt: time.Now(), Reason: "it broke"}}})
	got := shown(v.Notes)
	if !strings.HasPrefix(got, "Why: it is away.\nLast run: This instance’s last run of telephony failed, ") || !strings.Contains(got, ": it broke.\nCost: ") {
		t.Error(got)
	}
	checkSections(t, got)
}

// TestBrief expects of a stream in short what a document tells: a schedule, since when
// runs have failed, and why it can't be read.
func TestBrief(t *testing.T) {
	began := []time.Time{*before(5 * time.Minute), *before(10 * time.Minute), *before(15 * time.Minute)}
	last := []collect.Summary{{ID: "RUN", Outcome: collect.Failed, StartedAt: *before(time.Minute), Reason: "it broke"}}
	for name, tt := range map[string]struct {
		change func(*collect.Status)
		tone   string
		says   string
	}{
		"late":         {func(s *collect.Status) { s.Watermark, s.Brief.Started = before(time.Hour), began }, "behind", "Why: The last run did not catch up"},
		"new":          {func(s *collect.Status) { s.Watermark = before(time.Hour) }, "well", ""},
		"failing":      {func(s *collect.Status) { s.Runs, s.Brief.Failing = last, *before(time.Hour) }, "well", "Runs have failed since 11:00:00 UTC. The last one: it broke."},
		"failed later": {func(s *collect.Status) { s.Runs = append(last, s.Runs[0]) }, "well", "Runs have failed since 11:59:00 UTC."},
		"stopped early": {func(s *collect.Status) {
			s.Watermark, s.Brief.Started = before(time.Hour), began
			s.Runs = []collect.Summary{{ID: "RUN", Outcome: collect.Partial, StartedAt: *before(time.Minute), Reason: "RUN_BUDGET is used up"}}
		}, "busy", "The last run, begun 11:59:00 UTC, stopped early, with its work saved."},
		"unreadable": {func(s *collect.Status) {
			*s = collect.Status{Now: noon, Brief: &collect.Brief{Unreadable: "it was edited"}}
		}, "act", "Why: it was edited."},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			s.Runs, s.Brief = s.Runs[:1], &collect.Brief{}
			tt.change(&s)
			v := newStream(collect.LogStatus{Status: s}, State{Delay: delay}).Verdict
			if got := shown(v.Notes); v.Tone != tt.tone || !strings.Contains(got, tt.says) || tt.says == "" && got != "" {
				t.Errorf("%s, %s; want %s, %s", v.Tone, got, tt.tone, tt.says)
			}
		})
	}
}

// TestFailedBackfill expects it to be told for a day, however well the live
// stream is.
func TestFailedBackfill(t *testing.T) {
	log := collect.LogStatus{Status: working(), Backfill: collect.Status{Runs: []collect.Summary{{Outcome: collect.Failed, StartedAt: *before(time.Hour), Reason: "it broke"}}}}
	v := newStream(log, State{Delay: delay}).Verdict
	want := "Backfill: Its last run failed, 11:00:00 UTC: it broke. What is new is collected all the same. Repeat the call: docs/operations.md#re-collect-a-range."
	if got := shown(v.Notes); v.Tone != "well" || got != want {
		t.Errorf("%s, %s; want well, %s", v.Tone, got, want)
	}
	checkSections(t, want)
	log.Now = noon.Add(day)
	if got := shown(newStream(log, State{Delay: delay}).Verdict.Notes); strings.Contains(got, "Backfill") {
		t.Errorf("a day later: %s", got)
	}
}

// TestLeft estimates how long catching up takes, three hours being missing.
func TestLeft(t *testing.T) {
	span := func(from time.Duration) *store.Span { return &store.Span{From: *before(from), To: noon} }
	for name, tt := range map[string]struct {
		change func(*collect.Status)
		want   time.Duration
	}{
		"no window":  {func(s *collect.Status) { s.Cursor.Window = nil }, 0},
		"not begun":  {func(s *collect.Status) { s.Cursor.Window.Last = time.Time{} }, 0},
		"nobody ran": {func(*collect.Status) {}, 0},
		// 3 h in 20 min are 9 times as fast as the clock: 3 h - 150 s at 8 times.
		"the run at work": {func(s *collect.Status) { s.Lease = &collect.Holder{AcquiredAt: *before(20 * time.Minute)} }, 22 * time.Minute},
		"runs before": {func(s *collect.Status) {
			s.Runs[0].Window, s.Runs[1].Window, s.Runs[2].Window = span(4*time.Hour), span(6*time.Hour), &store.Span{From: *before(9 * time.Hour), To: *before(6 * time.Hour)}
		}, 10 * time.Minute},
		"a failed one between": {func(s *collect.Status) { s.Runs[0].Window, s.Runs[2].Window = span(4*time.Hour), span(6*time.Hour) }, 16 * time.Minute},
		"slower than time":     {func(s *collect.Status) { s.Lease = &collect.Holder{AcquiredAt: *before(4 * time.Hour)} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			s.Runs[0].Watermark = before(6 * time.Hour)
			s.Cursor.Window = &store.Window{From: *before(6*time.Hour + 10*time.Minute), To: noon, Last: *before(3 * time.Hour), Page: 5}
			tt.change(&s)
			if got := newStream(collect.LogStatus{Status: s}, State{Delay: delay}).left(); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
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
			if interval, limit := schedule(newStream(collect.LogStatus{Status: collect.Status{Runs: runs}}, State{Delay: delay}).started(), delay); interval != tt.interval || limit != tt.limit {
				t.Errorf("every %v, on time up to %v; want %v, %v", interval, limit, tt.interval, tt.limit)
			}
		})
	}
}
