package duosim

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"
)

// query is what a request asks for.
type query struct {
	min, max int64 // milliseconds, both inclusive
	limit    int
	desc     bool
	after    *offset
}

// offset is the place behind a record: its key and its position.
type offset struct {
	ms       int64
	id       string
	position int
	// before: it is the place before that record, see [Manners.EmptyOneIn].
	before bool
}

// shown yields what is shown at now of the milliseconds from to to, in order or
// newest first. The caller holds the lock.
func (l *Log) shown(from, to int64, now time.Time, newest bool) iter.Seq[Record] {
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
			records := append(l.generate.records(slot, now, l.id), l.addedIn(slot, now)...)
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
func (l *Log) addedIn(slot int64, now time.Time) []Record {
	since := func(ms int64) int {
		return sort.Search(len(l.added), func(i int) bool { return l.added[i].TS.UnixMilli() >= ms })
	}
	added := l.added[since(slot*slotMillis):since((slot+1)*slotMillis)]
	return slices.DeleteFunc(slices.Clone(added), func(r Record) bool {
		return r.TS.After(now.Add(-Delay)) || now.Before(r.VisibleAt)
	})
}

// total counts what shown yields, without ordering or writing it out.
func (l *Log) total(q query, now time.Time) int {
	n := 0
	for slot := q.min / slotMillis; slot <= min(q.max, now.UnixMilli())/slotMillis; slot++ {
		for e := range l.generate.events(slot) {
			if ms := e.micros / 1000; ms >= q.min && ms <= q.max && l.generate.shows(e, now.UnixMicro()) {
				n++
			}
		}
		for _, r := range l.addedIn(slot, now) {
			if ms := r.TS.UnixMilli(); ms >= q.min && ms <= q.max {
				n++
			}
		}
	}
	return n
}

// page is what an answer shows, and what it could have shown after that.
type page struct {
	start     int // its position, where the log counts
	records   []Record
	more      bool
	following Record // the next one, if there are more
}

// page returns the records that a query selects.
func (l *Log) page(q query, now time.Time) page {
	var p page
	size := l.size(q)
	records, inclusive := l.behind, l.manners.InclusiveCursor && size > 0
	if l.counts {
		p.start = q.start(inclusive)
		records = l.counted
	}
	for r := range records(q, now, inclusive) {
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
func (l *Log) size(q query) int {
	m, n := l.manners, q.limit
	if m.PageSize > 0 {
		n = min(n, m.PageSize)
	}
	if l.chance(m.ShortOneIn) {
		n = 1 + l.random.IntN(n)
	}
	if m.InclusiveCursor {
		n = max(n, min(2, q.limit)) // or it would never get on
	}
	if (q.after == nil || !q.after.before) && l.chance(m.EmptyOneIn) {
		n = 0
	}
	return n
}

// behind yields the records of a query, in its order, that follow its offset, or
// that begin with the one that an inclusive offset names.
func (l *Log) behind(q query, now time.Time, inclusive bool) iter.Seq[Record] {
	if q.after == nil {
		return l.shown(q.min, q.max, now, q.desc)
	}
	from, to := max(q.min, q.after.ms), q.max
	if q.desc {
		from, to = q.min, min(q.max, q.after.ms)
	}
	return func(yield func(Record) bool) {
		for r := range l.shown(from, to, now, q.desc) {
			if q.after.precedes(r, q.desc, inclusive) && !yield(r) {
				return
			}
		}
	}
}

// precedes reports whether a record follows the offset, or is an inclusive one's.
func (o offset) precedes(r Record, desc, inclusive bool) bool {
	d := cmp.Or(cmp.Compare(r.TS.UnixMilli(), o.ms), strings.Compare(r.ID, o.id))
	if desc {
		d = -d
	}
	return d > 0 || d == 0 && (inclusive || o.before)
}

// start returns the position of the first record of the page that is asked for.
func (q query) start(inclusive bool) int {
	switch {
	case q.after == nil:
		return 0
	case inclusive && !q.after.before:
		return max(0, q.after.position-1)
	}
	return q.after.position
}

// counted yields the records of a query from its offset's position on, in the
// manners' order. A record that comes in before that position moves all others.
func (l *Log) counted(q query, now time.Time, inclusive bool) iter.Seq[Record] {
	records, before := l.shown(q.min, q.max, now, q.desc), q.start(inclusive)
	if l.manners.Order == ByID {
		byID := func(a, b Record) int { return strings.Compare(a.ID, b.ID) }
		records = slices.Values(slices.SortedStableFunc(records, byID))
	}
	return func(yield func(Record) bool) {
		n := 0
		for r := range records {
			if n++; n > before && !yield(r) {
				return
			}
		}
	}
}

// knows reports whether an offset names a record. A position always may.
func (l *Log) knows(o offset, now time.Time) bool {
	if l.counts {
		return true
	}
	for r := range l.shown(o.ms, o.ms, now, false) {
		if r.ID == o.id {
			return true
		}
	}
	return false
}
