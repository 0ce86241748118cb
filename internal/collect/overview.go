package collect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
)

// maxInFull is how many streams an overview has in full: more would be megabytes,
// and thousands of requests to the store.
const maxInFull = 100

// sideReads is how many streams are read at once for an overview.
const sideReads = 25

// Overview is where the streams of a service stand.
type Overview struct {
	// Logs are all of the streams, in their order or, where they are too many,
	// those that most need to be seen.
	Logs  []LogStatus
	Total int
	// ByOutcome counts the streams by how their last run ended; "none" are
	// those without one.
	ByOutcome map[string]int
	// Vanished are the hosts of accounts that have documents and are no longer
	// among those to collect.
	Vanished []string
}

// Status reads where the streams stand. The wanted ones are in full in any case.
func (s *Streams) Status(ctx context.Context, wanted ...string) (Overview, error) {
	o := Overview{Total: len(s.Collectors), ByOutcome: map[string]int{}}
	full, many := s.Collectors, len(s.Collectors) > maxInFull
	if many || slices.ContainsFunc(s.Collectors, func(c *Collector) bool { return c.Account.Host != "" }) {
		all, now, err := s.Collectors[0].Store.Standings(ctx)
		if err != nil {
			return Overview{}, err
		}
		o.Vanished = s.vanished(all)
		if many {
			full = s.worst(all, now, wanted, o.ByOutcome)
		}
	}
	o.Logs = make([]LogStatus, len(full))
	errs := make([]error, len(full))
	sideBySide(len(full), sideReads, func(i int) { o.Logs[i], errs[i] = full[i].Status(ctx) })
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

// worst returns the collectors whose streams most need to be seen, the wanted ones
// first, and counts all of them.
func (s *Streams) worst(all []store.Standing, now time.Time, wanted []string, count map[string]int) []*Collector {
	of := map[string]store.Standing{}
	for _, standing := range all {
		of[standing.Stream] = standing
	}
	urgency := map[*Collector]int{} // the lower, the more a stream needs to be seen
	for _, c := range s.Collectors {
		standing := of[c.Live().String()]
		count[cmp.Or(standing.Last.Outcome, "none")]++
		switch {
		case slices.Contains(wanted, c.Live().String()), slices.Contains(wanted, c.Backfill().String()):
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
