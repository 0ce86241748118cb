package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
)

// maxFaults is how many faults of a kind an audit names; it counts all.
const maxFaults = 10_000

// Audit is how the bucket compares with what Duo shows of a range.
type Audit struct {
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

	// Backfill is the range to ask a backfill for, which writes what is
	// missing; nil if nothing is.
	Backfill *store.Span `json:"backfill"`
}

// Exact reports whether the bucket holds what Duo shows, each record once.
func (a Audit) Exact() bool {
	return a.Missing.Count+a.Doubled.Count+a.Altered.Count+a.Unknown.Count == 0
}

// Faults are all records with one kind of fault.
type Faults struct {
	Count   int     `json:"count"`
	Records []Fault `json:"records"` // at most 10,000 of them, by time

	named map[store.ID]int // places in Records
}

// Fault is a record that is not as it should be. It tells the record's id and
// place, nothing of what it says.
type Fault struct {
	ID     string     `json:"id"`     // "" where the record has none
	TS     *time.Time `json:"ts"`     // nil where the record has no readable one
	Copies []Copy     `json:"copies"` // where the bucket holds it; of an altered one the altered copies
}

// Copy is a line of an object.
type Copy struct {
	Object string `json:"object"` // its URI
	Line   int    `json:"line"`   // the first is 1
}

// errNothing is for a range of which nothing is left to compare.
var errNothing = errors.New("nothing is left of the range to compare")

// Audit compares what Duo shows of the record times from ≤ ts < to with what
// the live stream and backfills have written. It only reads, so it can be done
// again at any time, and it takes no lease.
//
// Of a record it keeps two hashes and where it is, 130 bytes at most: a million
// records take 130 MB. Object by object, what a record holds is read and
// forgotten.
//
// Of the range only that is compared which Duo still shows and which the live
// stream has passed for good, its overlap included: the same that a backfill
// may collect again. Progress, which may be nil, is called after every page.
func (c *Collector) Audit(ctx context.Context, from, to time.Time, progress func(Progress)) (Audit, error) {
	s, err := c.Store.Load(ctx, c.Stream)
	if err != nil {
		return Audit{}, err
	}
	audit := c.auditRange(s, from, to)
	if !audit.From.Before(audit.To) {
		return audit, fmt.Errorf("%w: %s", errNothing, strings.Join(audit.Cut, "; "))
	}
	a := c.newAuditor(audit, learned(s.Cursor.Pace, s.Now), progress)
	for _, step := range []func(context.Context) error{a.list, a.walk, a.search} {
		if err := step(ctx); err != nil {
			return a.audit, err
		}
	}
	a.lose()
	return a.audit.sorted(), nil
}

// auditRange cuts a range to what can be judged at the state.
func (c *Collector) auditRange(s store.State, from, to time.Time) Audit {
	a := Audit{From: floor(from), To: floor(to), Cut: []string{}}
	if limit := floor(s.Now.Add(-oldest)); a.From.Before(limit) {
		a.From = limit
		a.Cut = append(a.Cut, fmt.Sprintf("from is %s: Duo shows 180 days", limit.Format(time.RFC3339)))
	}
	limit, why := floor(s.Now.Add(-c.Delay)), "Duo holds newer records back (INGEST_DELAY)"
	if settled := c.settled(s.Cursor); !s.Cursor.Watermark.IsZero() && settled.Before(limit) {
		limit, why = settled, "later records the service has yet to deliver, or may (watermark - OVERLAP)"
	}
	if limit.Before(a.To) {
		a.To = limit
		a.Cut = append(a.Cut, fmt.Sprintf("to is %s: %s", limit.Format(time.RFC3339), why))
	}
	return a
}

// add counts a record and names it unless too many are named.
func (f *Faults) add(id store.ID, fault Fault) {
	f.Count++
	if len(f.Records) == maxFaults {
		return
	}
	if f.named == nil {
		f.named = map[store.ID]int{}
	}
	f.named[id] = len(f.Records)
	f.Records = append(f.Records, fault)
}

// extend names another copy of a record.
func (f *Faults) extend(id store.ID, c Copy) {
	if i, ok := f.named[id]; ok {
		f.Records[i].Copies = append(f.Records[i].Copies, c)
	}
}

// sorted puts the records in order, those without a time first.
func (a Audit) sorted() Audit {
	at := func(f Fault) (t time.Time) {
		if f.TS != nil {
			t = *f.TS
		}
		return t
	}
	for _, f := range []*Faults{&a.Missing, &a.Doubled, &a.Altered, &a.Unknown} {
		slices.SortFunc(f.Records, func(a, b Fault) int { return cmp.Or(at(a).Compare(at(b)), strings.Compare(a.ID, b.ID)) })
		f.Records = append([]Fault{}, f.Records...) // [] in JSON, not null
		f.named = nil
	}
	return a
}
