package audit

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// maxFaults is how many faults of a kind a report names; it counts all.
const maxFaults = 10_000

// Faults are all records with one kind of fault.
type Faults struct {
	Count   int     `json:"count"`
	Records []Fault `json:"records"` // at most 10,000 of them, by time

	named map[key]int // places in Records
}

// Fault is a record that is not as it should be. It tells the record's id and
// place, nothing of what it says.
type Fault struct {
	ID     string     `json:"id"`     // "" where the record has none
	TS     *time.Time `json:"ts"`     // nil where the record has no readable one
	Copies []Copy     `json:"copies"` // where the bucket holds it; of an altered or foreign one those copies
}

// Copy is a line of an object.
type Copy struct {
	Object string `json:"object"` // its URI
	Line   int    `json:"line"`   // the first is 1
}

// add counts a record and names it unless too many are named.
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

// extend names another copy of a record.
func (f *Faults) extend(k key, c Copy) {
	if i, ok := f.named[k]; ok {
		f.Records[i].Copies = append(f.Records[i].Copies, c)
	}
}

// sorted puts the records in order, those without a time first.
func (r Report) sorted() Report {
	at := func(f Fault) (t time.Time) {
		if f.TS != nil {
			t = *f.TS
		}
		return t
	}
	for _, f := range []*Faults{&r.Missing, &r.Doubled, &r.Altered, &r.Unknown, &r.Foreign} {
		slices.SortFunc(f.Records, func(a, b Fault) int { return cmp.Or(at(a).Compare(at(b)), strings.Compare(a.ID, b.ID)) })
		f.Records = append([]Fault{}, f.Records...) // [] in JSON, not null
		f.named = nil
	}
	return r
}
