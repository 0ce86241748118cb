package page_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
	"duo-telephony-collector/internal/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// cases are the states that the browser looks at, and how each page's title
// begins.
var cases = map[string]struct {
	title string
	state func() page.State
}{
	"0-runs":  {"Waiting for the first run", func() page.State { return state(collect.Status{Stream: "telephony", Now: noon}) }},
	"1-run":   {"Up to date", func() page.State { return state(after(complete(1)...)) }},
	"50-runs": {"Up to date", func() page.State { return state(after(ordinary()...)) }},
	"first-run": {"Catching up", func() page.State {
		s := collect.Status{Stream: "telephony", Now: noon, Lease: &collect.Holder{Holder: "RUN1", Token: 1, AcquiredAt: noon, ExpiresAt: noon.Add(9 * time.Minute)}}
		s.Watermark = new(noon.Add(-24 * time.Hour))
		return state(s)
	}},
	"in-progress":     {"Catching up", func() page.State { return state(catchingUp()) }},
	"person-must-act": {"A person must act", func() page.State { return state(forbidden()) }},
	"behind":          {"Behind", func() page.State { return state(failing()) }},
	"gap": {"Up to date", func() page.State {
		s := after(complete(12)...)
		s.Cursor.Gap = &store.Gap{From: noon.AddDate(0, 0, -200), To: noon.AddDate(0, 0, -179), RunID: "RUN1"}
		s.Runs[3].Gap = &store.Gap{From: noon.Add(-4 * time.Hour), To: noon.Add(-3 * time.Hour), RunID: "RUN9", Missing: 7}
		p := state(s)
		p.Logs[0].Backfill = after(complete(1)...)
		p.Logs[0].Backfill.Cursor.Backfill = &store.Backfill{From: noon.Add(-50 * time.Minute), To: noon.Add(-40 * time.Minute)}
		return p
	}},
	"unrecorded": {"Behind", func() page.State {
		s := after(complete(5)...)
		s.Now = s.Now.Add(time.Hour)
		p := state(s)
		p.Unrecorded = []collect.Summary{{ID: "X", Stream: "telephony", Outcome: collect.Failed, StartedAt: s.Now.Add(-time.Minute), Reason: "no network"}}
		return p
	}},
	"unreadable": {"The state can’t be read", func() page.State {
		p := state(collect.Status{})
		p.Err = errors.New("opening state.db: is a directory")
		p.Unrecorded = []collect.Summary{{Stream: "telephony", StartedAt: noon, Reason: "opening state.db: is a directory"}}
		return p
	}},
	"4-well": {"Up to date", func() page.State {
		return several("", after(ordinary()...), after(complete(1)...), after(complete(9)...), after(ordinary()...))
	}},
	"4-mixed": {"A person must act (authentication)", func() page.State {
		p := several("", after(ordinary()...), forbidden(), failing(), catchingUp())
		p.Runbook = "https://git.example/duo/docs/operations.md"
		return p
	}},
	"3000-found": {"A person must act (telephony@api-2999", func() page.State { p := fleet(3000); p.Chosen = "api-01"; return p }},
	"3000-none":  {"A person must act (telephony@api-2999", func() page.State { p := fleet(3000); p.Chosen = "contosi"; return p }},
	"4-chosen": {"Behind, but retrying · activity", func() page.State {
		return several("activity", after(ordinary()...), forbidden(), failing(), collect.Status{Now: noon})
	}},
}

const delay = 150 * time.Second

func state(live collect.Status) page.State {
	return page.State{
		Version: "v1.2.3", Revision: "collector-00042", Delay: delay,
		Logs: []collect.LogStatus{{Status: live, Backfill: collect.Status{Stream: live.Stream + "-backfill", Now: live.Now}}},
	}
}

// several is these streams under the names of Duo's logs.
func several(chosen string, of ...collect.Status) page.State {
	p := state(collect.Status{})
	p.Chosen, p.Logs = chosen, nil
	for i, live := range of {
		live.Stream = []string{"telephony", "authentication", "activity", "trust-monitor"}[i]
		p.Logs = append(p.Logs, state(live).Logs...)
	}
	return p
}

// forbidden is a stream whose permission was taken away.
func forbidden() collect.Status {
	return after(append(complete(30), collect.Summary{Outcome: collect.Failed, Act: true, Reason: "fetching page 1: duo: HTTP 403 (40301 Access forbidden)", Requests: 1})...)
}

// failing is a stream that Duo has not answered for a while.
func failing() collect.Status {
	fails := slices.Repeat([]collect.Summary{{Outcome: collect.Failed, Reason: "fetching page 1: duo: HTTP 502: the next run tries again", Requests: 5, Retries: 4}}, 7)
	return after(append(complete(30), fails...)...)
}

// catchingUp is a stream after four hours without a run, during one.
func catchingUp() collect.Status {
	runs := complete(20)
	runs[0].Records = 9500 // the day before the first run
	s := after(runs...)
	s.Now = s.Now.Add(4 * time.Hour)
	s.Lease = &collect.Holder{Holder: "RUN21", Token: 21, AcquiredAt: s.Now.Add(-time.Minute), ExpiresAt: s.Now.Add(8 * time.Minute)}
	s.Cursor.Window = &store.Window{From: s.Watermark.Add(-10 * time.Minute), To: s.Now.Add(-delay), Page: 3, Last: s.Watermark.Add(150 * time.Minute)}
	return s
}

// after is a stream after these runs, the oldest first, five minutes apart. A
// complete one writes an object and moves the watermark.
func after(runs ...collect.Summary) collect.Status {
	s := collect.Status{Stream: "telephony", Now: noon.Add(100 * time.Second)}
	mark := noon.Add(-time.Duration(len(runs)) * 5 * time.Minute)
	for i, r := range runs {
		r.ID, r.Stream, r.Token = fmt.Sprintf("RUN%d", i+1), s.Stream, int64(i+1)
		r.StartedAt = noon.Add(time.Duration(i+1-len(runs)) * 5 * time.Minute)
		if r.Outcome == collect.Complete {
			const layout = "20060102T150405.000Z"
			from, to := mark.Add(-10*time.Minute), r.StartedAt.Add(-delay)
			r.Objects = []string{"gs://acme-secops/duo-telephony/" + from.Format("2006/01/02") + "/telephony_" + from.Format(layout) + "_" + to.Format(layout) + "_0001.ndjson"}
			s.Totals = store.Totals{Pages: s.Totals.Pages + 1, Objects: s.Totals.Objects + 1, Records: s.Totals.Records + int64(r.Records)}
			mark = to
		}
		watermark, reach := mark, mark.Add(-10*time.Minute)
		r.Watermark, r.LagSeconds = &watermark, new(int64(r.StartedAt.Sub(mark).Seconds()))
		s.Watermark, s.Cursor.Watermark, s.Cursor.ReachesTo, s.Cursor.Seen = &watermark, &watermark, &reach, r.Records+r.Duplicates
		s.Runs = slices.Insert(s.Runs, 0, r)
	}
	return s
}

// complete returns n runs that caught up.
func complete(n int) []collect.Summary {
	random := rand.New(rand.NewPCG(7, 7))
	var runs []collect.Summary
	for i := range n {
		runs = append(runs, collect.Summary{
			Outcome: collect.Complete, Records: 60 + int(40*math.Sin(float64(i)/9)) + random.IntN(45), Pages: 1, Requests: 1,
			Duplicates: 90 + random.IntN(60), Late: max(0, random.IntN(12)-9), DurationMS: 620 + random.Int64N(900),
		})
	}
	return runs
}

// ordinary is what some hours in production may look like.
func ordinary() []collect.Summary {
	runs := complete(50)
	for _, i := range []int{14, 15} {
		runs[i] = collect.Summary{Outcome: collect.Partial, Reason: "rate limited by Duo until 2026-11-22T09:20:00Z; the first run after that goes on", Requests: 15 - i}
	}
	runs[16].Records *= 3
	runs[33] = collect.Summary{
		Outcome: collect.Failed, Reason: "fetching page 1: duo: HTTP 502: the next run tries again; if it lasts, see https://status.duo.com",
		Requests: 5, Retries: 4, DurationMS: 15310,
	}
	return runs
}
