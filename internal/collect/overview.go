package collect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
)

const (
	// maxInFull is how many streams an overview has: more would be megabytes, and
	// thousands of requests to the store.
	maxInFull = 100
	// briefRuns is how many runs each of them has where there are more.
	briefRuns = 5
)

// Overview is where the streams of a service stand.
type Overview struct {
	// Logs are all of the streams, in their order or, where they are too many,
	// those that most need to be seen, each with its last runs alone.
	Logs  []LogStatus
	Total int
	// ByOutcome counts the streams by how their last run ended; "none" are
	// those without one.
	ByOutcome map[string]int
	// Vanished are the hosts of accounts that have documents and are no longer
	// among those to collect.
	Vanished []string
}

// Status reads where the streams stand. The wanted ones are among them in any case,
// with all runs.
func (s *Streams) Status(ctx context.Context, wanted ...string) (Overview, error) {
	o := Overview{Total: len(s.Collectors), ByOutcome: map[string]int{}}
	shown, many := s.Collectors, len(s.Collectors) > maxInFull
	var known map[string]store.Standing
	if many || slices.ContainsFunc(s.Collectors, func(c *Collector) bool { return c.Account.Host != "" }) {
		all, now, err := s.Collectors[0].Store.Standings(ctx)
		if err != nil {
			return Overview{}, err
		}
		o.Vanished = s.vanished(all)
		if many {
			known = byStream(all)
			shown = s.worst(known, now, wanted, o.ByOutcome)
		}
	}
	o.Logs = make([]LogStatus, len(shown))
	errs := make([]error, len(shown))
	sideBySide(len(shown), len(shown), func(i int) {
		if c := shown[i]; many && !c.among(wanted) {
			o.Logs[i], errs[i] = c.brief(ctx, known)
		} else {
			o.Logs[i], errs[i] = c.Status(ctx)
		}
	})
	for i, err := range errs {
		if err != nil { // one store: the others say the same
			return Overview{}, err
		}
		if runs := o.Logs[i].Runs; !many && len(runs) > 0 {
			o.ByOutcome[runs[0].Outcome]++
		} else if !many {
			o.ByOutcome["none"]++
		}
	}
	return o, nil
}

func byStream(all []store.Standing) map[string]store.Standing {
	of := make(map[string]store.Standing, len(all))
	for _, standing := range all {
		of[standing.Stream] = standing
	}
	return of
}

// among reports whether one of the log's streams has one of the names.
func (c *Collector) among(streams []string) bool {
	return slices.Contains(streams, c.Live().String()) || slices.Contains(streams, c.Backfill().String())
}

// brief is Status with the last runs alone. Of a stream without a document nothing is
// read.
func (c *Collector) brief(ctx context.Context, known map[string]store.Standing) (LogStatus, error) {
	live, err := c.statusOf(ctx, c.Live().String(), briefRuns)
	if err != nil {
		return LogStatus{}, err
	}
	backfill := Status{Stream: c.Backfill().String(), Account: live.Account, Now: live.Now, Runs: []Summary{}}
	if _, there := known[backfill.Stream]; there {
		backfill, err = c.statusOf(ctx, backfill.Stream, briefRuns)
	}
	return LogStatus{live, backfill}, err
}

// worst returns the collectors whose streams most need to be seen, the wanted ones
// first, and counts all of them.
func (s *Streams) worst(of map[string]store.Standing, now time.Time, wanted []string, count map[string]int) []*Collector {
	urgency := map[*Collector]int{} // the lower, the more a stream needs to be seen
	for _, c := range s.Collectors {
		standing := of[c.Live().String()]
		count[cmp.Or(standing.Last.Outcome, "none")]++
		switch {
		case c.among(wanted):
			urgency[c] = 0
		case standing.Last.Act:
			urgency[c] = 1
		case standing.Last.Outcome == Failed:
			urgency[c] = 2
		case standing.NotBefore.After(now): // it lags because Duo asked for that
			urgency[c] = 4
		default:
			urgency[c] = 3
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(s.Collectors), func(a, b *Collector) int {
		return cmp.Or(cmp.Compare(urgency[a], urgency[b]), of[a.Live().String()].Watermark.Compare(of[b.Live().String()].Watermark))
	})
	return sorted[:maxInFull]
}

// vanished returns the accounts of documents whose streams are nobody's now.
func (s *Streams) vanished(all []store.Standing) []string {
	known := map[string]bool{}
	for _, c := range s.Collectors {
		known[c.Account.Host] = true
	}
	var gone []string
	for _, standing := range all {
		if _, account, named := strings.Cut(standing.Stream, atAccount); named && !known[account] {
			gone = append(gone, account)
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}
