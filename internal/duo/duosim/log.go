package duosim

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// query is what a request asks for.
type query struct {
	min, max int64 // milliseconds, both inclusive
	limit    int
	desc     bool
	after    *Record // the next_offset, its TS and ID
}

// shown yields what is shown at now of the milliseconds from to to, in order or
// newest first. The caller holds the lock.
func (s *Sim) shown(from, to int64, now time.Time, newest bool) iter.Seq[Record] {
	from = max(from, now.Add(-Retention).UnixMilli())
	to = min(to, now.UnixMilli()) // the walk must end
	first, last, step := from/slotMillis, to/slotMillis, int64(1)
	if newest {
		first, last, step = last, first, -1
	}
	return func(yield func(Record) bool) {
		if from > to {
			return
		}
		for slot := first; slot != last+step; slot += step {
			records := append(s.cfg.Generate.records(slot, now), s.addedIn(slot, now)...)
			slices.SortStableFunc(records, compare)
			if newest {
				slices.Reverse(records)
			}
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

// page is what an answer shows, and what it could have shown after that.
type page struct {
	records   []Record
	more      bool
	following Record // the next one, if there are more
}

// page returns the records that a query selects.
func (s *Sim) page(q query, now time.Time) page {
	var p page
	size := s.size(q)
	for r := range s.walk(q, now) {
		if q.after != nil && !follows(r, q, s.cfg.InclusiveCursor && size > 0) {
			continue
		}
		if len(p.records) == size {
			p.more, p.following = true, r
			break
		}
		p.records = append(p.records, r)
	}
	return p
}

// size is the most that a page holds. An empty one in the middle leads to the
// place where it is, and from there the next one has records.
func (s *Sim) size(q query) int {
	n := q.limit
	if s.cfg.PageSize > 0 {
		n = min(n, s.cfg.PageSize)
	}
	if s.chance(s.cfg.ShortOneIn) {
		n = 1 + s.random.IntN(n)
	}
	if s.cfg.InclusiveCursor {
		n = max(n, min(2, q.limit)) // or it would never get on
	}
	if (q.after == nil || !q.after.precedes()) && s.chance(s.cfg.EmptyOneIn) {
		n = 0
	}
	return n
}

// lead returns the offset that an empty page comes with: where more follow the
// place before them, else the one that was asked with, or none.
func (p page) lead(q query, repeat bool) *Record {
	switch {
	case p.more:
		return &Record{TS: p.following.TS, ID: before + p.following.ID}
	case repeat:
		return q.after
	}
	return nil
}

// walk yields the records of a query's range in the query's order, as far as an
// offset's millisecond tells not before it.
func (s *Sim) walk(q query, now time.Time) iter.Seq[Record] {
	from, to := q.min, q.max
	if q.after != nil && q.desc {
		to = min(to, q.after.TS.UnixMilli())
	} else if q.after != nil {
		from = max(from, q.after.TS.UnixMilli())
	}
	return s.shown(from, to, now, q.desc)
}

// follows reports whether a record comes after the query's offset, or is the
// one that an inclusive offset names.
func follows(r Record, q query, inclusive bool) bool {
	after := *q.after
	after.ID = strings.TrimPrefix(after.ID, before)
	d := compare(r, after)
	if q.desc {
		d = -d
	}
	return d > 0 || d == 0 && (inclusive || q.after.precedes())
}

// precedes reports whether an offset names the record that follows it.
func (r Record) precedes() bool { return strings.HasPrefix(r.ID, before) }

// knows reports whether an offset names a record.
func (s *Sim) knows(offset *Record, now time.Time) bool {
	ms := offset.TS.UnixMilli()
	for r := range s.shown(ms, ms, now, false) {
		if r.ID == strings.TrimPrefix(offset.ID, before) {
			return true
		}
	}
	return false
}
