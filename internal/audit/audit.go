// Package audit compares what Duo shows with what the bucket holds: server
// verify.
//
// It reads Duo newest first, by UTC days that overlap, and has its own judgement
// of what the last page is, so that it sees what a run has passed by. From package
// collect it takes where the stream stands, and nothing of how a run reads. What
// makes two records one is for package record to say, for both.
package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// Report is how the bucket compares with what Duo shows of a range.
type Report struct {
	Log string `json:"log"` // that was compared
	// From and To bound the record times that were compared: the range that was
	// asked for, without what Cut tells of.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Cut  []string  `json:"cut"`

	Duo     int `json:"duo_records"`    // that Duo shows
	Bucket  int `json:"bucket_records"` // that the bucket holds, each copy counted
	Objects int `json:"objects"`        // that were read

	Missing Faults `json:"missing"` // Duo shows it, the bucket lacks it
	Doubled Faults `json:"doubled"` // the bucket holds it more than once
	Altered Faults `json:"altered"` // the bucket holds other bytes than Duo shows
	Unknown Faults `json:"unknown"` // the bucket holds it, Duo does not show it
	Foreign Faults `json:"foreign"` // it is in an object of ours that has lost its metadata

	// Backfill is the range to ask a backfill for, which writes what is
	// missing; nil if nothing is.
	Backfill *store.Span `json:"backfill"`
}

// Exact reports whether the bucket holds what Duo shows, each record once, in
// objects of ours.
func (r Report) Exact() bool {
	return r.Missing.Count+r.Doubled.Count+r.Altered.Count+r.Unknown.Count+r.Foreign.Count == 0
}

// errNothing is for a range of which nothing is left to compare.
var errNothing = errors.New("nothing is left of the range to compare")

// Run compares what Duo shows of the record times from ≤ ts < to with what c's
// live stream and its backfills have written. It only reads, so it can be done
// again at any time, and it takes no lease. A record whose own time lies
// elsewhere, or says nothing, is compared too if Duo shows it in the range.
//
// Of a record it keeps hashes, its id and where it is, about 200 bytes: a million
// records take 200 MB. Object by object, what a record holds is read and forgotten.
//
// Of the range only that is compared which Duo still shows and which the live
// stream has passed for good, its overlap included: the same that a backfill
// may collect again. Progress, which may be nil, is told of every page. The walk
// goes backwards: its From is later than its To.
func Run(ctx context.Context, c *collect.Collector, from, to time.Time, progress func(collect.Progress)) (Report, error) {
	settled, err := c.Settled(ctx)
	if err != nil {
		return Report{}, err
	}
	report := cut(from, to, settled)
	report.Log = c.Log.Name
	if !report.From.Before(report.To) {
		return report, fmt.Errorf("%w: %s", errNothing, strings.Join(report.Cut, "; "))
	}
	a := newAuditor(c, report, settled, progress)
	for _, step := range []func(context.Context) error{a.list, a.read, a.search} {
		if err := step(ctx); err != nil {
			return a.report, err
		}
	}
	a.lose()
	return a.report.sorted(), nil
}

// cut returns the report of a range, cut to what is settled.
func cut(from, to time.Time, s collect.Settled) Report {
	r := Report{From: from.Truncate(time.Millisecond).UTC(), To: to.Truncate(time.Millisecond).UTC(), Cut: []string{}}
	if r.From.Before(s.From) {
		r.From = s.From
		r.Cut = append(r.Cut, fmt.Sprintf("from is %s: Duo shows 180 days", s.From.Format(time.RFC3339)))
	}
	if s.To.Before(r.To) {
		r.To = s.To
		r.Cut = append(r.Cut, fmt.Sprintf("to is %s: %s", s.To.Format(time.RFC3339), s.Why))
	}
	return r
}
