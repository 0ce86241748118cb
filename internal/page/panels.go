package page

// panel is a group of facts.
type panel struct {
	Title    string
	Alarm    bool // it holds something that a person should see
	Facts    []fact
	Progress *int // how much of the window is committed, in percent; nil before its first page
}

// fact is a name, a value, and what more there is to say.
type fact struct {
	Name        string
	Value, Note text
}

func (s stream) fact(name string, value any, note ...any) fact {
	return fact{name, s.say(value), s.say(note...)}
}

// figures are the facts at a glance.
func (s stream) figures() []fact {
	lag := s.fact("Lag now", "none yet", "the time since the watermark")
	if s.Watermark != nil {
		lag = s.fact("Lag now", duration(s.Now.Sub(*s.Watermark)), "up to ", duration(s.Limit), " is on time")
	}
	last := s.fact("Last run", "none yet")
	if r := s.Last; r.ID != "" {
		last = s.fact("Last run", r.Outcome, r.StartedAt, ", ", counted(r.Records, "record"), " in ", took(r.DurationMS))
	}
	interval := s.fact("Runs come", "too few to tell", "known after three runs")
	if s.Interval > 0 {
		interval = s.fact("Runs come", "every "+duration(s.Interval),
			"on time is the delay, ", duration(s.Delay), ", and ", duration(s.Limit-s.Delay), " for missed runs")
	}
	return []fact{lag, last, interval, s.fact("Delivered in all", counted(s.Totals.Records, "record"),
		"in ", counted(s.Totals.Objects, "object"), " and ", counted(s.Totals.Pages, "page"))}
}

func (s stream) leasePanel() panel {
	if s.Lease == nil {
		return panel{Title: "Lease", Facts: []fact{s.fact("Held by", "nobody", "no run is in progress")}}
	}
	l := s.Lease
	left := duration(l.ExpiresAt.Sub(s.Now)) + " left"
	if l.Expired {
		left = "expired: its run died, the next one takes over"
	}
	return panel{Title: "Lease", Alarm: l.Expired, Facts: []fact{
		s.fact("Held by", code(l.Holder), "token ", l.Token),
		s.fact("Since", l.AcquiredAt, "for ", duration(s.Now.Sub(l.AcquiredAt))),
		s.fact("Until", l.ExpiresAt, left),
	}}
}

func (s stream) cursorPanel() panel {
	facts := []fact{s.fact("Watermark", "none yet")}
	if s.Watermark != nil {
		facts[0] = s.fact("Watermark", *s.Watermark)
	}
	if back := s.Cursor.ReachesTo; back != nil {
		facts = append(facts, s.fact("Overlap may reach back to", *back, counted(s.Cursor.Seen, "record"), " remembered"))
	}
	window := s.fact("Window in progress", "none")
	progress := s.progress()
	if w := s.Cursor.Window; w != nil {
		window = s.fact("Window in progress", s.say(w.From, " to ", w.To), "no page is committed yet")
		if progress != nil {
			window.Note = s.say(counted(w.Page, "page"), " committed, up to ", w.Last)
		}
	}
	return panel{Title: "Cursor", Facts: append(facts, window), Progress: progress}
}

// progress is how much of the window is committed, in percent; nil before its
// first page.
func (s stream) progress() *int {
	w := s.Cursor.Window
	if w == nil || !w.Last.After(w.From) {
		return nil
	}
	return new(int(100 * w.Last.Sub(w.From) / w.To.Sub(w.From)))
}

// pacePanel is what Duo allows.
func (s stream) pacePanel() panel {
	requests, retries := 0, 0
	for _, r := range s.Runs {
		requests, retries = requests+r.Requests, retries+r.Retries
	}
	pause := s.fact("Pause in force", "none")
	if left := s.pause(); left > 0 {
		pause = s.fact("Pause in force", s.say("until ", *s.Cursor.NotBefore), duration(left), " left; no request before that, unless a run is forced")
	}
	pace := s.fact("Pace", "PAGE_INTERVAL", "Duo has refused nothing lately")
	if s.pace() > 0 {
		pace = s.fact("Pace", "a request every "+took(s.pace().Milliseconds()), "learned from Duo’s refusals")
	}
	return panel{Title: "Duo’s rate limit", Alarm: s.longPause(), Facts: []fact{
		pause, pace, s.fact("Requests", number(requests)+s.LastRuns(" in "), number(retries), " of them repeated"),
	}}
}

func (s stream) gapPanel() panel {
	gaps := s.gaps()
	if len(gaps) == 0 {
		return panel{Title: "Gaps", Facts: []fact{s.fact("Lost", "nothing", "as far as the last runs tell")}}
	}
	p := panel{Title: "Gaps", Alarm: true}
	for _, g := range gaps {
		why := s.say("Duo no longer had it when run ", code(g.RunID), " began")
		if g.Missing > 0 {
			why = s.say("Duo counted ", number(g.Missing), " more records than it showed run ", code(g.RunID), ", twice")
		}
		p.Facts = append(p.Facts, fact{"Lost", s.say(g.From, " to ", g.To), why})
	}
	return p
}

func (s stream) backfillPanel() panel {
	p := panel{Title: "Backfill", Alarm: s.failed()}
	if b := s.Cursor.Backfill; b != nil {
		p.Facts = append(p.Facts, s.fact("Range", s.say(b.From, " to ", b.To), s.delivered("done up to ")))
	}
	if s.running() {
		p.Facts = append(p.Facts, s.fact("In progress since", s.Lease.AcquiredAt, "run ", code(s.Lease.Holder)))
		p.Progress = s.progress()
	}
	if r := s.Last; r.ID != "" {
		p.Facts = append(p.Facts, s.fact("Last run", s.say(r.Outcome, ", ", r.StartedAt), counted(r.Records, "record"), ". ", r.Reason))
	}
	return p
}
