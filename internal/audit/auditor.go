package audit

import (
	"hash/maphash"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// auditor is an audit in progress.
type auditor struct {
	*collect.Collector
	report   Report
	progress func(collect.Progress)
	session  *duo.Session
	from, to int64 // of the report, in milliseconds
	reached  int64 // how far back the walk has come
	largest  int   // most records that Duo gave in a page
	seed     maphash.Seed
	buckets  []collect.Bucket
	objects  []object
	trails   map[key]trail
}

// key is a record's identity.
type key = [16]byte

// trail is what is kept of a record, whatever its size.
type trail struct {
	at      int64  // its time in milliseconds, 0 where it is unreadable
	name    string // its id, for people
	sent    uint64 // hash of what Duo showed last, see sum
	copies  uint32 // in the bucket
	first   place
	duo     word
	odd     bool // Duo showed it where its own time does not belong
	altered bool // at least one of the copies is
	foreign bool // likewise
}

// word is what Duo says of a record.
type word uint8

const (
	none   word = iota // does not show it
	beside             // shows it, but not for sure within the range
	within             // shows it within the range
)

// object is one of those that can hold a record of the range.
type object struct {
	writer.Name
	bucket collect.Bucket
}

// place is a line of an object, which is the number of one of those listed.
type place struct{ object, line uint32 }

func newAuditor(c *collect.Collector, r Report, s collect.Settled, progress func(collect.Progress)) *auditor {
	if progress == nil {
		progress = func(collect.Progress) {}
	}
	return &auditor{
		Collector: c, report: r, progress: progress, session: c.Duo.Session(c.Log, s.Pace), buckets: s.Buckets,
		from: r.From.UnixMilli(), to: r.To.UnixMilli(), reached: r.To.UnixMilli(),
		seed: maphash.MakeSeed(), trails: map[key]trail{},
	}
}

// sum hashes a line without what a run adds where ENRICH is set, so that lines
// with and without that are equal. The line is a record as Duo sent it, without
// white space between its tokens, or as an object holds it.
func (a *auditor) sum(line []byte) uint64 {
	return maphash.Bytes(a.seed, record.Undo(line, a.Log, a.Host))
}

// instant is a record's time, nil where that is unreadable.
func instant(at int64) *time.Time {
	if at == 0 {
		return nil
	}
	t := time.UnixMilli(at).UTC()
	return &t
}

// lose notes what Duo shows and the search did not find.
func (a *auditor) lose() {
	for k, t := range a.trails {
		if t.duo != within || t.copies > 0 {
			continue
		}
		a.report.Missing.add(k, Fault{ID: t.name, TS: instant(t.at), Copies: []Copy{}})
		a.report.Backfill = a.widened(a.report.Backfill, t)
	}
}

// widened returns the range that a backfill has to cover to bring this one back
// too: all of it where the record's own time does not tell.
func (a *auditor) widened(s *store.Span, t trail) *store.Span {
	if t.odd {
		return &store.Span{From: a.report.From, To: a.report.To}
	}
	from, to := time.UnixMilli(t.at).UTC(), time.UnixMilli(t.at+1).UTC()
	if s == nil {
		return &store.Span{From: from, To: to}
	}
	if s.From.Before(from) {
		from = s.From
	}
	if s.To.After(to) {
		to = s.To
	}
	return &store.Span{From: from, To: to}
}
