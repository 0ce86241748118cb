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
	largest  int   // the most records that Duo gave in a page
	seed     maphash.Seed
	buckets  []collect.Bucket
	objects  []object
	trails   map[key]trail
	alike    map[key]bool // records whose line another record's has, too
}

// key is what a record's line is recognised by, or the record's identity.
type key = [16]byte

// trail is what is kept of each record.
type trail struct {
	id      key    // its identity
	others  uint32 // records that are written alike
	at      int64  // its time in milliseconds, 0 if unreadable
	name    string // its id, for people
	sent    uint64 // hash of what Duo showed last, see sum
	copies  uint32 // in the bucket
	first   place
	shown   shown
	odd     bool // its own time is outside the span in which Duo showed it
	altered bool // at least one copy is
	foreign bool // at least one copy is
}

// shown is where Duo shows a record.
type shown uint8

const (
	nowhere shown = iota
	beside        // not certainly within the range
	within        // within the range
)

// object can hold a record of the range.
type object struct {
	writer.Name
	bucket collect.Bucket
}

// place is a line, from 1, of an object, given by its index in objects.
type place struct{ object, line uint32 }

func newAuditor(c *collect.Collector, r Report, s collect.Settled, progress func(collect.Progress)) *auditor {
	if progress == nil {
		progress = func(collect.Progress) {}
	}
	return &auditor{
		Collector: c, report: r, progress: progress, session: c.Duo.Session(*c.Log, s.Pace), buckets: s.Buckets,
		from: r.From.UnixMilli(), to: r.To.UnixMilli(), reached: r.To.UnixMilli(),
		seed: maphash.MakeSeed(), trails: map[key]trail{}, alike: map[key]bool{},
	}
}

// sum hashes a line without what ENRICH adds, so that lines with and without it are
// equal. The line is a compacted record from Duo, or from an object.
func (a *auditor) sum(line []byte) uint64 {
	return maphash.Bytes(a.seed, record.Undo(line, *a.Log, a.Host))
}

// instant returns a record's time, nil if it is unreadable.
func instant(at int64) *time.Time {
	if at == 0 {
		return nil
	}
	return new(time.UnixMilli(at).UTC())
}

// addMissing reports what Duo shows and the bucket lacks, and the range for a backfill
// that collects it: the whole one if a record's own time is no guide.
func (a *auditor) addMissing() {
	from, to := a.to, a.from
	for k, t := range a.trails {
		if t.shown != within || t.copies > t.others {
			continue
		}
		a.report.Missing.add(k, Fault{ID: t.name, TS: instant(t.at), Copies: []Copy{}})
		if t.odd {
			from, to = a.from, a.to
		} else {
			from, to = min(from, t.at), max(to, t.at+1)
		}
	}
	if a.report.Missing.Count > 0 {
		a.report.Backfill = &store.Span{From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC()}
	}
}
