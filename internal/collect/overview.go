package collect

import (
	"context"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
)

// maxInFull is how many streams an overview has in full. That takes up to six
// requests to the store a stream, and is up to a hundred runs.
const maxInFull = 20

// Overview is where the streams of a service stand.
type Overview struct {
	Logs []LogStatus // of all streams, in their order
	// Vanished are the hosts of accounts that have documents and are no longer
	// among those to collect.
	Vanished []string
}

// Status reads where the streams stand. Of more than maxInFull only the one with the
// chosen name is read in full; one query tells of all others, in short.
func (s *Streams) Status(ctx context.Context, chosen string) (Overview, error) {
	o := Overview{Logs: make([]LogStatus, len(s.Collectors))}
	many := len(s.Collectors) > maxInFull
	known := map[string]store.Standing{}
	var now time.Time
	if many || !s.part && slices.ContainsFunc(s.Collectors, func(c *Collector) bool { return c.Account.Host != "" }) {
		all, at, err := s.Collectors[0].Store.Standings(ctx)
		if err != nil {
			return Overview{}, err
		}
		o.Vanished, now = s.vanished(all), at
		for _, standing := range all {
			known[standing.Stream] = standing
		}
	}
	var full []int
	for i, c := range s.Collectors {
		if many && !c.called(chosen) {
			o.Logs[i] = c.brief(known, now)
		} else {
			full = append(full, i)
		}
	}
	errs := make([]error, len(full))
	sideBySide(len(full), len(full), func(n int) {
		o.Logs[full[n]], errs[n] = s.Collectors[full[n]].Status(ctx)
	})
	for n, err := range errs {
		c := s.Collectors[full[n]]
		switch readable := slices.Index(errs, nil); {
		case err == nil:
		case many: // the query tells what is wrong with it
			o.Logs[full[n]] = c.brief(known, now)
		case readable < 0: // the store, and not a document
			return Overview{}, err
		case o.Logs[full[n]].Stream != "":
			o.Logs[full[n]].Backfill = c.unreadable(c.Backfill(), err, o.Logs[full[n]].Now).Backfill
		default:
			o.Logs[full[n]] = c.unreadable(c.Live(), err, o.Logs[full[readable]].Now)
		}
	}
	return o, nil
}

// called reports whether one of the log's streams has the name.
func (c *Collector) called(stream string) bool {
	return stream == c.Live().String() || stream == c.Backfill().String()
}

// unreadable is the status in short where one of the streams can't be read.
func (c *Collector) unreadable(s Stream, err error, now time.Time) LogStatus {
	name := s.String()
	return c.brief(map[string]store.Standing{name: {State: store.State{Stream: name, Now: now}, Err: err}}, now)
}

// brief is Status in short. Without a document a stream has not begun.
func (c *Collector) brief(known map[string]store.Standing, now time.Time) LogStatus {
	of := func(stream string) Status {
		standing, there := known[stream]
		if !there {
			standing.State = store.State{Stream: stream, Now: now}
		}
		last := standing.Last
		s := c.status(standing.State, nil)
		s.Brief = &Brief{Failing: last.Failing, Started: last.Started}
		if standing.Err != nil {
			s.Brief.Unreadable = standing.Err.Error()
		}
		if last.ID != "" {
			s.Runs = append(s.Runs, Summary{
				Outcome: last.Outcome, ID: last.ID, Stream: stream, Reason: last.Reason, Act: last.Act,
				Gap: last.Gap, Token: last.Token, StartedAt: last.StartedAt,
			})
		}
		return s
	}
	return LogStatus{of(c.Live().String()), of(c.Backfill().String())}
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
