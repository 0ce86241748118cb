// Package audit compares what Duo shows with what the bucket holds, for server
// verify.
//
// It reads Duo newest first, by overlapping UTC days, and decides on its own which
// page is the last, so that it finds what a run has missed. From package collect
// it takes only where the stream stands, nothing of how a run reads. Package
// record decides for both which records are the same.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// Report compares the bucket with what Duo shows of a range.
type Report struct {
	Log     string `json:"log"`
	Account string `json:"account,omitempty"` // whose, by its API host; "" for the application's own
	// From and To bound the record times that were compared: the requested range
	// without what was cut off. Cut says why, one line for each end.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Cut  []string  `json:"cut"`

	Duo     int `json:"duo_records"`    // shown by Duo
	Bucket  int `json:"bucket_records"` // in the bucket, counting each copy
	Objects int `json:"objects"`        // read

	Missing Faults `json:"missing"` // shown by Duo, not in the bucket
	Doubled Faults `json:"doubled"` // in the bucket more than once
	Altered Faults `json:"altered"` // in the bucket with other bytes than Duo shows
	Unknown Faults `json:"unknown"` // in the bucket, not shown by Duo
	Foreign Faults `json:"foreign"` // in an object of ours that has lost its metadata

	Backfill *store.Span `json:"backfill"` // writes what is missing; nil if nothing is
}

// Exact reports whether the bucket holds what Duo shows, each record once, in our objects.
func (r Report) Exact() bool {
	return r.Missing.Count+r.Doubled.Count+r.Altered.Count+r.Unknown.Count+r.Foreign.Count == 0
}

// Run compares what Duo shows of the record times from ≤ ts < to with what c's
// live stream and its backfills have written. It only reads and takes no lease, so
// it can be repeated at any time. If Duo shows a record in the range, it is
// compared even if its own time is outside or unreadable.
//
// For each record it keeps hashes, the id and the place, about 200 bytes: a million
// records take 200 MB. Objects are read one at a time.
//
// It compares only what Duo still shows and the live stream is past for good, overlap
// included: the range that a backfill may collect again. It calls progress, which may
// be nil, for every page; the walk goes backwards, from From to an earlier To.
func Run(ctx context.Context, c *collect.Collector, from, to time.Time, progress func(collect.Progress)) (Report, error) {
	settled, err := c.Settled(ctx)
	if err != nil {
		return Report{}, err
	}
	report := cut(from, to, settled)
	report.Log, report.Account = c.Log.Name, c.Account.Host
	if !report.From.Before(report.To) {
		return report, fmt.Errorf("nothing is left of the range to compare: %s", strings.Join(report.Cut, "; "))
	}
	a := newAuditor(c, report, settled, progress)
	for _, step := range []func(context.Context) error{a.list, a.read, a.search} {
		if err := step(ctx); err != nil {
			return a.report, err
		}
	}
	a.addMissing()
	return a.report.sorted(), nil
}

// cut starts the report of a range, cut to what is settled.
func cut(from, to time.Time, s collect.Settled) Report {
	r := Report{From: from.Truncate(time.Millisecond).UTC(), To: to.Truncate(time.Millisecond).UTC(), Cut: []string{}}
	if r.From.Before(s.From) {
		r.From = s.From
		r.Cut = append(r.Cut, fmt.Sprintf("from is %s: Duo may no longer show what is before", s.From.Format(time.RFC3339)))
	}
	if s.To.Before(r.To) {
		r.To = s.To
		r.Cut = append(r.Cut, fmt.Sprintf("to is %s: %s", s.To.Format(time.RFC3339), s.Why))
	}
	return r
}

// maxFaults is how many faults of each kind a report names. It counts all.
const maxFaults = 10_000

// Faults are all records with one kind of fault.
type Faults struct {
	Count   int     `json:"count"`
	Records []Fault `json:"records"` // at most 10,000 of them, by time

	named map[key]int // indices in Records
}

// Fault is a record with a fault. It has nothing of the record but id and time.
type Fault struct {
	ID     string     `json:"id"`     // "" if the record has none
	TS     *time.Time `json:"ts"`     // nil if the record has no readable time
	Copies []Copy     `json:"copies"` // in the bucket; only the faulty ones if altered or foreign
}

// Copy is a line of an object.
type Copy struct {
	Object string `json:"object"` // a URI
	Line   int    `json:"line"`   // from 1
}

// add counts a record, and names it unless maxFaults are named.
func (f *Faults) add(k key, fault Fault) {
	f.Count++
	if len(f.Records) == maxFaults {
		return
	}
	if f.named == nil {
		f.named = map[key]int{}
	}
	f.named[k] = len(f.Records)
	f.Records = append(f.Records, fault)
}

// sorted sorts the records by time, those without one first.
func (r Report) sorted() Report {
	at := func(f Fault) (t time.Time) {
		if f.TS != nil {
			t = *f.TS
		}
		return t
	}
	for _, f := range []*Faults{&r.Missing, &r.Doubled, &r.Altered, &r.Unknown, &r.Foreign} {
		slices.SortStableFunc(f.Records, func(a, b Fault) int {
			return cmp.Or(at(a).Compare(at(b)), strings.Compare(a.ID, b.ID))
		})
		f.Records = append([]Fault{}, f.Records...) // [] in JSON, not null
		f.named = nil
	}
	return r
}
