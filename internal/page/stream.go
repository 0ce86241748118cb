package page

import (
	"html/template"
	"slices"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

const (
	// maxMissed is how many runs may be missed before the stream is behind.
	maxMissed = 3
	// minInterval keeps a clock that ticks every few seconds, as server local
	// has, from being behind at the first hiccup.
	minInterval = time.Minute
	// grace is what a stream may lag beyond the delay while its interval is unknown.
	grace = time.Hour
	// maxNamed is how many objects of a stream the page names; GET /status has all.
	maxNamed = 10
)

// stream is a stream's status and what follows from it.
type stream struct {
	collect.LogStatus
	Last     collect.Summary // zero before the first run
	Delay    time.Duration
	Runbook  Runbook
	Interval time.Duration // between the starts of two runs; 0 if too few are known
	Limit    time.Duration // a lag above it is late
	Verdict  verdict
	Rank     int // lower for a stream that needs to be seen sooner
}

func newStream(log collect.LogStatus, of State) stream {
	s := stream{LogStatus: log, Delay: of.Delay, Runbook: of.Runbook}
	if len(s.Runs) > 0 {
		s.Last = s.Runs[0]
	}
	s.Interval, s.Limit = schedule(s.started(), s.Delay)
	s.Verdict = s.verdict()
	s.Rank = s.rank()
	if runs := s.Backfill.Runs; len(runs) > 0 && runs[0].Outcome == collect.Failed && s.Now.Sub(runs[0].StartedAt) < day {
		s.Verdict.Notes = append(s.Verdict.Notes, s.fact("Backfill", s.say("Its last run failed, ", runs[0].StartedAt, ": ", sentence(runs[0].Reason),
			" What is new is collected all the same. Repeat the call: ", s.Runbook.At("Re-collect a range"), ".")))
	}
	return s
}

// started is when the last runs began, the newest first, without failed ones, as
// Pub/Sub repeats them sooner.
func (s stream) started() []time.Time {
	if s.Brief != nil {
		return s.Brief.Started
	}
	var starts []time.Time
	for _, r := range s.Runs {
		if r.Outcome != collect.Failed {
			starts = append(starts, r.StartedAt)
		}
	}
	return starts
}

// schedule returns the interval between runs that began then, and the greatest lag
// that is on time. The interval is a median: outages, manual runs and repeated
// deliveries hardly move it.
func schedule(starts []time.Time, delay time.Duration) (interval, limit time.Duration) {
	if len(starts) < 3 {
		return 0, delay + grace
	}
	var between []time.Duration
	for i, earlier := range starts[1:] {
		between = append(between, starts[i].Sub(earlier))
	}
	slices.Sort(between)
	interval = between[len(between)/2].Round(time.Second)
	return interval, delay + maxMissed*max(interval, minInterval)
}

func (s stream) say(values ...any) template.HTML { return say(s.Now, values...) }

// lag is how far behind now the watermark is, 0 if there is none.
func (s stream) lag() time.Duration {
	if s.Watermark == nil {
		return 0
	}
	return s.Now.Sub(*s.Watermark)
}

// recent reports whether the last run began so lately that none is missed.
func (s stream) recent() bool {
	return s.Now.Sub(s.Last.StartedAt) <= maxMissed*max(s.Interval, minInterval)
}

func (s stream) failed() bool { return s.Last.Outcome == collect.Failed }

func (s stream) running() bool { return s.Lease != nil && !s.Lease.Expired }

// pause is how long Duo is not asked, 0 if it may be.
func (s stream) pause() time.Duration {
	if s.Cursor.NotBefore == nil {
		return 0
	}
	return max(0, s.Cursor.NotBefore.Sub(s.Now))
}

// pace is the time between two requests that Duo's refusals have taught.
func (s stream) pace() time.Duration { return time.Duration(s.Cursor.Pace * float64(time.Second)) }

// longPause reports whether the pause is more than the wait for the pace.
func (s stream) longPause() bool { return s.pause() > s.pace()+time.Second }

// gaps returns those of the cursor and the last runs, which repeat them, newest first.
func (s stream) gaps() []store.Gap {
	found := []*store.Gap{s.Cursor.Gap}
	for _, r := range s.Runs {
		found = append(found, r.Gap)
	}
	var gaps []store.Gap
	for _, g := range found {
		if g != nil && !slices.ContainsFunc(gaps, func(other store.Gap) bool {
			return g.From.Equal(other.From) && g.To.Equal(other.To) && g.Missing == other.Missing
		}) {
			gaps = append(gaps, *g)
		}
	}
	return gaps
}

// Objects names the objects of the last runs, the newest first, a backfill's last.
func (s stream) Objects() []string {
	var names []string
	for _, runs := range [][]collect.Summary{s.Runs, s.Backfill.Runs} {
		named := 0
		for _, r := range runs {
			for _, name := range slices.Backward(r.Objects) {
				if named++; named <= maxNamed {
					names = append(names, name)
				}
			}
		}
	}
	return names
}
