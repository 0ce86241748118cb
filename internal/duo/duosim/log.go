package duosim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Log is one log of an account, with its own records, manners and rate limit.
type Log struct {
	kind
	sim *Sim

	// Under the account's lock.
	faults []Fault
	always Fault

	mu       sync.Mutex
	manners  Manners
	random   *rand.Rand // decides with the manners' seed
	generate Generator
	added    []Record       // in order
	admitted []time.Time    // requests of the last minute
	showings map[offset]int // how often an edited record was shown, by its place
}

// Behave changes the manners. What was shown stays as it is, and offsets stay
// good, but for positions in another order.
func (l *Log) Behave(m Manners) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts && m.Offset == ListOffset || !l.counts && m.Offset == NumberOffset {
		m.Offset = UsualOffset
	}
	m.Cursor = cmp.Or(m.Cursor, l.usual.Cursor)
	m.Offset = cmp.Or(m.Offset, l.usual.Offset)
	m.Total = cmp.Or(m.Total, l.usual.Total)
	l.manners, l.random = m, rand.New(rand.NewPCG(m.Seed, 0))
}

// chance decides about what happens one time in so many.
func (l *Log) chance(oneIn int) bool { return oneIn > 0 && l.random.IntN(oneIn) == 0 }

// Add puts records into the log, in any order.
func (l *Log) Add(records ...Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added = append(l.added, records...)
	slices.SortStableFunc(l.added, compare)
}

// Visible returns the records with from ≤ TS < to that are shown now, in order,
// each with its Raw and Edits: the truth about the log, whatever the manners.
func (l *Log) Visible(from, to time.Time) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var visible []Record
	for r := range l.shown(from.UnixMilli(), to.UnixMilli(), l.sim.cfg.Now(), false) {
		if !r.TS.Before(from) && r.TS.Before(to) {
			visible = append(visible, l.written(r))
		}
	}
	return visible
}

// Script gives the next requests for the log to faults, one each, in order.
func (l *Log) Script(faults ...Fault) {
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	l.faults = append(l.faults, faults...)
}

// Always gives every request for the log that is not scripted to a fault, until
// it is given another one, such as [Pass]. So a log is refused that the account's
// edition does not have, or that Duo has ended:
//
//	sim.Log("trust-monitor").Always(duosim.Refuse(40301, "Access forbidden"))
//	sim.Log("activity").Always(duosim.Refuse(41001, "Gone"))
func (l *Log) Always(fault Fault) {
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	l.always = fault
}

// Requests returns all requests for the log so far, in order.
func (l *Log) Requests() []Request {
	return slices.DeleteFunc(l.sim.Requests(), func(r Request) bool { return r.Log != l.name })
}
