package handler

import (
	"fmt"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// panel is a group of facts.
type panel struct {
	Title string
	Alarm bool // it holds something that a person should see
	Facts []fact
	Walk  *walk
}

// fact is a name, what it is, and what more there is to say.
type fact struct {
	Name  string
	Value prose
	Note  prose
}

// walk is how far a window in progress is walked.
type walk struct {
	Label   string
	Percent int
}

func leasePanel(s collect.Status) panel {
	if s.Lease == nil {
		return panel{Title: "Lease", Facts: []fact{{"Held by", say(s.Now, "nobody"), say(s.Now, "no run is in progress")}}}
	}
	l := s.Lease
	until := fact{"Until", say(s.Now, l.ExpiresAt), say(s.Now, span(l.ExpiresAt.Sub(s.Now)), " left")}
	if l.Expired {
		until.Note = say(s.Now, "expired: its run died, the next one takes over")
	}
	return panel{Title: "Lease", Alarm: l.Expired, Facts: []fact{
		{"Held by", say(s.Now, name(l.Holder)), say(s.Now, "token ", l.Token)},
		{"Since", say(s.Now, l.AcquiredAt), say(s.Now, "for ", span(s.Now.Sub(l.AcquiredAt)))}, until,
	}}
}

func cursorPanel(s collect.Status) panel {
	p := panel{Title: "Cursor", Facts: []fact{{"Watermark", say(s.Now, "none yet"), nil}}}
	if s.Watermark != nil {
		p.Facts[0].Value = say(s.Now, *s.Watermark)
	}
	if back := s.Cursor.ReachesTo; back != nil {
		p.Facts = append(p.Facts, fact{"Overlap may reach back to", say(s.Now, *back), say(s.Now, counted(s.Cursor.Seen, "record"), " remembered")})
	}
	facts, w := windowFacts(s)
	p.Facts, p.Walk = append(p.Facts, facts...), w
	return p
}

// lastRuns names the runs that something is told of, nothing if there are none.
func lastRuns(s collect.Status, before string) string {
	switch len(s.Runs) {
	case 0:
		return ""
	case 1:
		return before + "the only run"
	}
	return fmt.Sprintf("%sthe last %d runs", before, len(s.Runs))
}

func windowFacts(s collect.Status) ([]fact, *walk) {
	w := s.Cursor.Window
	if w == nil {
		return []fact{{"Window in progress", say(s.Now, "none"), nil}}, nil
	}
	bounds := say(s.Now, w.From, " to ", w.To)
	if !w.Last.After(w.From) {
		return []fact{{"Window in progress", bounds, say(s.Now, "no page is committed yet")}}, nil
	}
	percent := int(100 * w.Last.Sub(w.From) / max(1, w.To.Sub(w.From)))
	return []fact{{"Window in progress", bounds, say(s.Now, counted(w.Page, "page"), " committed, up to ", w.Last)}},
		&walk{fmt.Sprintf("%d%% of the window", percent), percent}
}

// pacePanel is what Duo allows.
func pacePanel(s collect.Status) panel {
	requests, retries, limited := 0, 0, say(s.Now, "none")
	for _, r := range s.Runs {
		requests, retries = requests+r.Requests, retries+r.Retries
	}
	pace := fact{"Pace", say(s.Now, "PAGE_INTERVAL"), say(s.Now, "Duo has refused nothing lately")}
	if learned := learnedPace(s); learned > 0 {
		pace = fact{"Pace", say(s.Now, "a request every ", took(learned)), say(s.Now, "learned from Duo’s refusals")}
	}
	var left prose
	if wait := pauseLeft(s); wait > 0 {
		limited = say(s.Now, "until ", *s.Cursor.NotBefore)
		left = say(s.Now, span(wait), " left; no request before that, unless a run is forced")
	}
	return panel{Title: "Duo’s rate limit", Alarm: longPause(s), Facts: []fact{
		{"Pause in force", limited, left},
		pace,
		{"Requests", say(s.Now, count(requests), lastRuns(s, " in ")), say(s.Now, count(retries), " of them repeated")},
	}}
}

// gapsOf returns the gaps that the cursor and the last runs know of, the newest
// first. Runs name one again until a complete one has.
func gapsOf(s collect.Status) []store.Gap {
	var gaps []store.Gap
	known := map[store.Gap]bool{}
	add := func(g *store.Gap) {
		if g == nil {
			return
		}
		if key := (store.Gap{From: g.From.UTC(), To: g.To.UTC(), Missing: g.Missing}); !known[key] {
			known[key] = true
			gaps = append(gaps, *g)
		}
	}
	add(s.Cursor.Gap)
	for _, r := range s.Runs {
		add(r.Gap)
	}
	return gaps
}

func gapPanel(s collect.Status) panel {
	p := panel{Title: "Gaps"}
	for _, g := range gapsOf(s) {
		p.Alarm = true
		why := say(s.Now, "Duo no longer had it when run ", name(g.RunID), " began")
		if g.Missing > 0 {
			why = say(s.Now, "Duo counted ", count(g.Missing), " more records than it showed run ", name(g.RunID), ", twice")
		}
		p.Facts = append(p.Facts, fact{"Lost", say(s.Now, g.From, " to ", g.To), why})
	}
	if len(p.Facts) == 0 {
		p.Facts = []fact{{"Lost", say(s.Now, "nothing"), say(s.Now, "as far as the last runs tell")}}
	}
	return p
}

func backfillPanel(s collect.Status) panel {
	p := panel{Title: "Backfill"}
	if b := s.Cursor.Backfill; b != nil {
		p.Facts = append(p.Facts, fact{"Range", say(s.Now, b.From, " to ", b.To), delivered(s, "done up to ", "")})
	}
	if running(s) {
		p.Facts = append(p.Facts, fact{"In progress since", say(s.Now, s.Lease.AcquiredAt), say(s.Now, "run ", name(s.Lease.Holder))})
		_, p.Walk = windowFacts(s)
	}
	if r := lastRun(s); r.ID != "" {
		p.Facts = append(p.Facts, fact{"Last run", say(s.Now, r.Outcome, ", ", r.StartedAt), say(s.Now, counted(r.Records, "record"), ". ", r.Reason)})
		p.Alarm = r.Outcome == collect.Failed
	}
	return p
}
