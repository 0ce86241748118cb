package duosim

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// query is what a request asks for.
type query struct {
	min, max int64 // milliseconds, both inclusive
	limit    int
	desc     bool
	after    *Record // the next_offset, its TS and ID
}

// shown yields what is shown at now of the milliseconds from to to, in order.
// The caller holds the lock.
func (s *Sim) shown(from, to int64, now time.Time) iter.Seq[Record] {
	from = max(from, now.Add(-Retention).UnixMilli())
	to = min(to, now.UnixMilli()) // the walk must end
	return func(yield func(Record) bool) {
		for slot := from / slotMillis; slot <= to/slotMillis; slot++ {
			records := append(s.cfg.Generate.records(slot, now), s.addedIn(slot, now)...)
			slices.SortStableFunc(records, compare)
			for _, r := range records {
				if ms := r.TS.UnixMilli(); ms >= from && ms <= to && !yield(r) {
					return
				}
			}
		}
	}
}

// addedIn returns the added records of a minute that are shown at now.
func (s *Sim) addedIn(slot int64, now time.Time) []Record {
	start := func(slot int64) int {
		n, _ := slices.BinarySearchFunc(s.added, slot*slotMillis, func(r Record, ms int64) int {
			return cmp.Compare(r.TS.UnixMilli(), ms)
		})
		return n
	}
	var records []Record
	for _, r := range s.added[start(slot):start(slot+1)] {
		if !r.TS.After(now.Add(-Delay)) && !now.Before(r.VisibleAt) {
			records = append(records, r)
		}
	}
	return records
}

// total counts what shown yields, without ordering or writing it out.
func (s *Sim) total(q query, now time.Time) int {
	n := 0
	for slot := q.min / slotMillis; slot <= min(q.max, now.UnixMilli())/slotMillis; slot++ {
		for e := range s.cfg.Generate.events(slot) {
			if ms := e.micros / 1000; ms >= q.min && ms <= q.max && s.cfg.Generate.shows(e, now.UnixMicro()) {
				n++
			}
		}
		for _, r := range s.addedIn(slot, now) {
			if ms := r.TS.UnixMilli(); ms >= q.min && ms <= q.max {
				n++
			}
		}
	}
	return n
}

// page returns the records that a query selects, and whether more follow.
func (s *Sim) page(q query, now time.Time) (records []Record, more bool) {
	for r := range s.walk(q, now) {
		if q.after != nil && !s.follows(r, q) {
			continue
		}
		if len(records) == q.limit {
			return records, true
		}
		records = append(records, r)
	}
	return records, false
}

// walk yields the records of a query's range in the query's order.
func (s *Sim) walk(q query, now time.Time) iter.Seq[Record] {
	if !q.desc {
		from := q.min
		if q.after != nil {
			from = max(from, q.after.TS.UnixMilli())
		}
		return s.shown(from, q.max, now)
	}
	// Nobody who collects walks backwards: it need not be fast.
	records := slices.Collect(s.shown(q.min, q.max, now))
	slices.Reverse(records)
	return slices.Values(records)
}

// follows reports whether a record comes after the query's offset.
func (s *Sim) follows(r Record, q query) bool {
	d := compare(r, *q.after)
	if q.desc {
		d = -d
	}
	return d > 0 || d == 0 && s.cfg.InclusiveCursor
}

// knows reports whether an offset names a record.
func (s *Sim) knows(after *Record, now time.Time) bool {
	ms := after.TS.UnixMilli()
	for r := range s.shown(ms, ms, now) {
		if r.ID == after.ID {
			return true
		}
	}
	return false
}
