package handler

import (
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

const (
	// patience is how many runs may be missed before the stream is behind.
	patience = 3
	// leastInterval keeps a clock that ticks every few seconds, as server local
	// has, from being behind at the first hiccup.
	leastInterval = time.Minute
	// grace is what a stream without a known rhythm may lag beyond the delay.
	grace = time.Hour
)

// rhythm is how often runs come, as the last ones tell, and what follows from
// it for the lag.
type rhythm struct {
	Interval time.Duration // between two starts; 0 if there were too few
	Starts   int           // that it was seen from
	Limit    time.Duration // a greater lag is not on time
}

// rhythmOf takes the median, which outages, triggers by hand and repeated
// deliveries hardly move. Failed runs don't count: their redeliveries come
// sooner than the schedule.
func rhythmOf(runs []store.Run, delay time.Duration) rhythm {
	var starts []time.Time // the newest first, as the runs are
	for _, r := range runs {
		if r.Outcome != collect.Failed {
			starts = append(starts, r.StartedAt)
		}
	}
	if len(starts) < 3 {
		return rhythm{Starts: len(starts), Limit: delay + grace}
	}
	var between []time.Duration
	for i, start := range starts[1:] {
		between = append(between, starts[i].Sub(start))
	}
	slices.Sort(between)
	interval := between[len(between)/2].Round(time.Second)
	return rhythm{interval, len(starts), delay + patience*max(interval, leastInterval)}
}

// verdict says how the stream is: a word, a sentence that goes on from it, and
// why that is so.
type verdict struct {
	Tone     string // "well", "busy", "waiting", "behind" or "act": the mark beside the word
	Word     string
	Sentence prose
	Detail   prose
}

// judge finds the first of these that holds: nothing helps but a person; there
// is nothing to judge by; the lag is on time; somebody is at work on it.
func judge(s collect.Status, r rhythm) verdict {
	last := lastRun(s)
	switch {
	case s.Watermark != nil && s.Watermark.After(s.Now):
		return verdict{"act", "A person must act", say(s.Now, "the watermark lies in the future."),
			say(s.Now, "It is ", *s.Watermark, ". Was the cursor edited by hand? Set cursor.watermark to a time before now; every run fails until then.")}
	case last.Outcome == collect.Failed && last.Act:
		return verdict{"act", "A person must act", say(s.Now, "no run can succeed before that."),
			append(say(s.Now, "The last run failed: ", sentence(last.Reason), " "), delivered(s, "Until then only what lies before ", " is delivered.")...)}
	case s.Watermark == nil && last.ID == "" && s.Lease == nil:
		return verdict{"waiting", "Waiting for the first run", say(s.Now, "nothing is collected yet."),
			say(s.Now, "POST / or /run triggers one. If that was done, its answer and the log say why it could not begin.")}
	case s.Watermark != nil && s.Now.Sub(*s.Watermark) <= r.Limit:
		return verdict{"well", "Up to date", deliveredBut(s, "everything before ", "."), troubles(s)}
	case running(s):
		return verdict{"busy", "Catching up", deliveredBut(s, "everything before ", ", and a run is at work on the rest."), nil}
	case last.Outcome == collect.Partial && s.Cursor.NotBefore == nil && s.Now.Sub(last.StartedAt) <= patience*max(r.Interval, leastInterval):
		return verdict{"busy", "Catching up", deliveredBut(s, "everything before ", ", and the next run goes on."),
			say(s.Now, "The last run stopped with its work saved: "+sentence(last.Reason))}
	}
	return verdict{"behind", "Behind", deliveredBut(s, "only what lies before ", "."), cause(s, r)}
}

func lastRun(s collect.Status) store.Run {
	if len(s.Runs) == 0 {
		return store.Run{}
	}
	return s.Runs[0]
}

func running(s collect.Status) bool { return s.Lease != nil && !s.Lease.Expired }

func delivered(s collect.Status, before string, after ...any) prose {
	if s.Watermark == nil {
		return say(s.Now, "nothing is delivered yet.")
	}
	return say(s.Now, append([]any{before, *s.Watermark}, after...)...)
}

// deliveredBut says what is delivered, and what is missing from it: the gaps.
func deliveredBut(s collect.Status, before, after string) prose {
	aged, missing := false, 0
	for _, g := range gapsOf(s) {
		aged, missing = aged || g.Missing == 0, missing+g.Missing
	}
	var lost []string
	if aged {
		lost = append(lost, "what Duo had deleted before a run asked for it")
	}
	if missing > 0 {
		lost = append(lost, counted(missing, "record")+" that Duo counted and did not show")
	}
	if lost == nil {
		return delivered(s, before, " is delivered", after)
	}
	return delivered(s, before, " is delivered, except for ", strings.Join(lost, " and "), " (see ", name("docs/operations.md#gap"), ")", after)
}

// troubles is what a person should know although the lag is on time.
func troubles(s collect.Status) prose {
	if last := lastRun(s); last.Outcome == collect.Failed {
		return say(s.Now, "The last run failed, the next one tries again: "+sentence(last.Reason))
	}
	if longPause(s) {
		return pauseProse(s)
	}
	return nil
}

// pauseLeft is how long Duo is not asked, 0 where it may be.
func pauseLeft(s collect.Status) time.Duration {
	if s.Cursor.NotBefore == nil {
		return 0
	}
	return max(0, s.Cursor.NotBefore.Sub(s.Now))
}

// longPause reports whether Duo is not asked for longer than the pace that it
// taught, which is ordinary.
func longPause(s collect.Status) bool { return pauseLeft(s) > learnedPace(s)+time.Second }

func learnedPace(s collect.Status) time.Duration {
	return time.Duration(s.Cursor.Pace * float64(time.Second))
}

// pauseProse says until when Duo is not asked, and how to ask sooner.
func pauseProse(s collect.Status) prose {
	return say(s.Now, "Duo limits the rate and is not asked until ", *s.Cursor.NotBefore,
		". The first run after that goes on; POST /run with ", name(`{"force":true}`), " asks at once.")
}

// cause tells why nobody is at work on what is missing, as far as that can be
// seen from here.
func cause(s collect.Status, r rhythm) prose {
	last := lastRun(s)
	switch {
	case last.Outcome == collect.Failed && last.Token == 0: // it never had the lease, so what follows is older
		return say(s.Now, "The last run failed, the next one tries again: "+sentence(last.Reason))
	case pauseLeft(s) > 0:
		return pauseProse(s)
	case s.Lease != nil:
		return say(s.Now, "The run ", name(s.Lease.Holder), " ended without a word. Its lease has expired, so the next run takes over.")
	case last.ID != "" && s.Now.Sub(last.StartedAt) > patience*max(r.Interval, leastInterval):
		return say(s.Now, "No run has been recorded since ", last.StartedAt, ": look at the schedule, the push subscription and the log.")
	case last.Outcome == collect.Failed:
		return say(s.Now, "The last run failed, the next one tries again: "+sentence(last.Reason))
	}
	return say(s.Now, "The next run goes on.")
}

// sentence ends a reason with a full stop.
func sentence(reason string) string {
	if reason == "" || reason[len(reason)-1] == '.' {
		return reason
	}
	return reason + "."
}
