package page

import (
	"html/template"

	"duo-telephony-collector/internal/collect"
)

// fact is a name, a value, and what more there is to say.
type fact struct {
	Name        string
	Value, Note template.HTML
	Alarm       bool // a person should see it
}

func (s stream) fact(name string, value any, note ...any) fact {
	return fact{Name: name, Value: s.say(value), Note: s.say(note...)}
}

// Glance is what matters first.
func (s stream) Glance() []fact {
	lag := s.fact("Lag now", "none yet", "the time since the watermark")
	if s.Watermark != nil && s.lag() >= 0 {
		lag = s.fact("Lag now", duration(s.lag()), "up to ", duration(s.Limit), " is on time")
	}
	last := s.fact("Last run", "none yet")
	if r := s.Last; r.ID != "" {
		last = s.fact("Last run", r.Outcome, r.StartedAt, ", ", counted(r.Records, "record"))
	}
	interval := s.fact("Runs come", "too few to tell", "known after three runs")
	if s.Interval > 0 {
		interval = s.fact("Runs come", "every "+duration(s.Interval),
			"on time is the delay, ", duration(s.Delay), ", and ", duration(s.Limit-s.Delay), " for missed runs")
	}
	return []fact{lag, last, interval, s.fact("Delivered in all", counted(s.Totals.Records, "record"),
		"in ", counted(s.Totals.Objects, "object"), " and ", counted(s.Totals.Pages, "page"))}
}

// Details are the lease, the cursor, Duo's limit and the gaps.
func (s stream) Details() []fact {
	facts := []fact{s.lease(), s.window()}
	if back := s.Cursor.ReachesTo; back != nil {
		facts = append(facts, s.fact("Overlap", s.say("back to ", *back), "at most; ", counted(s.Cursor.Seen, "record"), " remembered"))
	}
	return append(append(facts, s.limits()...), s.lost()...)
}

func (s stream) lease() fact {
	l := s.Lease
	switch {
	case l == nil:
		return s.fact("Lease", "free", "no run is in progress")
	case l.Expired:
		return fact{"Lease", s.say("held by ", code(l.Holder)),
			s.say("expired ", l.ExpiresAt, ": its run died, the next one takes over"), true}
	}
	return s.fact("Lease", s.say("held by ", code(l.Holder)), "since ", l.AcquiredAt, ", ", duration(l.ExpiresAt.Sub(s.Now)), " left; token ", l.Token)
}

func (s stream) window() fact {
	w := s.Cursor.Window
	if w == nil {
		return s.fact("Window in progress", "none")
	}
	span := s.say(w.From, " to ", w.To)
	if !w.Last.After(w.From) {
		return s.fact("Window in progress", span, "no page is committed yet")
	}
	percent := int(100 * w.Last.Sub(w.From) / w.To.Sub(w.From))
	return s.fact("Window in progress", span, counted(w.Page, "page"), " committed, up to ", w.Last, ": ", percent, "%")
}

// limits are what Duo allows.
func (s stream) limits() []fact {
	pace := s.fact("Pace", "PAGE_INTERVAL", "Duo has refused nothing lately")
	if s.pace() > 0 {
		pace = s.fact("Pace", "a request every "+duration(s.pace()), "learned from Duo’s refusals")
	}
	facts := []fact{pace}
	if s.pause() > 0 {
		facts = append(facts, fact{"Pause", s.say("until ", *s.Cursor.NotBefore),
			s.say(duration(s.pause()), " left; no request before that, unless a run is forced"), s.longPause()})
	}
	requests, retries := 0, 0
	for _, r := range s.Runs {
		requests, retries = requests+r.Requests, retries+r.Retries
	}
	if requests > 0 {
		facts = append(facts, s.fact("Requests to Duo", number(requests)+" in "+counted(len(s.Runs), "run"), number(retries), " of them repeated"))
	}
	return facts
}

func (s stream) lost() []fact {
	var facts []fact
	for _, g := range s.gaps() {
		why := s.say("Duo no longer had it when run ", code(g.RunID), " began")
		if g.Missing > 0 {
			why = s.say("Duo counted ", number(g.Missing), " more records than it showed run ", code(g.RunID), ", twice")
		}
		facts = append(facts, fact{"Lost", s.say(g.From, " to ", g.To), why, true})
	}
	if facts == nil {
		return []fact{s.fact("Lost", "nothing", "as far as the last runs tell")}
	}
	return facts
}

// Backfilled is how the log's backfill stands; nil before the first.
func (s stream) Backfilled() []fact {
	var facts []fact
	b := newStream(collect.LogStatus{Status: s.Backfill}, State{})
	if asked := b.Cursor.Backfill; asked != nil {
		facts = append(facts, b.fact("Backfill", b.say(asked.From, " to ", asked.To), b.delivered("everything before ", " is done")))
	}
	if b.running() {
		facts = append(facts, b.fact("Backfill runs", b.say("since ", b.Lease.AcquiredAt), "run ", code(b.Lease.Holder)), b.window())
	}
	if r := b.Last; r.ID != "" {
		last := b.fact("Last backfill run", b.say(r.Outcome, ", ", r.StartedAt), counted(r.Records, "record"), ". ", sentence(r.Reason))
		last.Alarm = b.failed()
		facts = append(facts, last)
	}
	return facts
}
