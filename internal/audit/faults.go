package audit

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

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

// extend adds another copy of a record, if it is named.
func (f *Faults) extend(k key, c Copy) {
	if i, ok := f.named[k]; ok {
		f.Records[i].Copies = append(f.Records[i].Copies, c)
	}
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
		slices.SortFunc(f.Records, func(a, b Fault) int { return cmp.Or(at(a).Compare(at(b)), strings.Compare(a.ID, b.ID)) })
		f.Records = append([]Fault{}, f.Records...) // [] in JSON, not null
		f.named = nil
	}
	return r
}
