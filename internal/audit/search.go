package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/writer"
)

// widest is the widest possible window of an object: Duo shows 180 days.
const widest = 180 * day

// list finds the objects that can hold a record of the range. The window of a
// record without a readable time can be two milliseconds off: one by which the
// audit asks Duo for more than the range, and one by which the run did.
func (a *auditor) list(ctx context.Context) error {
	const around = 2 * time.Millisecond
	for _, b := range a.buckets {
		for info, err := range b.List(ctx, a.report.From.Add(-around), a.report.To.Add(around), widest) {
			if err != nil && !errors.Is(err, writer.ErrForeign) {
				return fmt.Errorf("listing what the bucket holds: %w", err)
			}
			if a.ours(info) {
				a.objects = append(a.objects, object{info.Name, b})
			}
		}
	}
	return nil
}

// ours reports whether an object is of the stream or its backfills. One that does not
// tell its account may be.
func (a *auditor) ours(o writer.Info) bool {
	return strings.EqualFold(cmp.Or(o.Meta.Account, a.Host), a.Host) &&
		(o.Name.Stream == a.Live().Name() || o.Name.Stream == a.Backfill().Name())
}

// search reads the bucket, object by object.
func (a *auditor) search(ctx context.Context) error {
	for i, object := range a.objects {
		o, err := object.bucket.Get(ctx, object.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted by a feed after it was listed
		}
		foreign := errors.Is(err, writer.ErrForeign)
		if err != nil && !foreign {
			return fmt.Errorf("reading what the bucket holds: %w", err)
		}
		a.report.Objects++
		here := place{object: uint32(i)}
		for line := range bytes.Lines(o.Data) {
			here.line++
			a.find(bytes.TrimSuffix(line, []byte("\n")), here, foreign)
		}
	}
	return nil
}

// find compares a line of an object.
func (a *auditor) find(line []byte, here place, foreign bool) {
	r := a.ReadLine(line)
	t, known := a.trails[r.Written]
	if t.shown == beside || !known && !a.belongs(r, a.objects[here.object].Name) {
		return
	}
	a.report.Bucket++
	t.copies++
	if t.copies == 1 {
		t.first = here
	}
	if t.shown == nowhere {
		a.note(&a.report.Unknown, t.copies == 1, r, here)
	} else if a.sum(a.Phones.Apply(line, *a.Log)) != t.sent && !a.Log.Mutable {
		a.note(&a.report.Altered, !t.altered, r, here)
		t.altered = true
	}
	if t.copies == 2+t.others {
		a.note(&a.report.Doubled, true, r, t.first)
	}
	if t.copies > 1+t.others {
		a.note(&a.report.Doubled, false, r, here)
	}
	if foreign {
		a.note(&a.report.Foreign, !t.foreign, r, here)
		t.foreign = true
	}
	a.trails[r.Written] = t
}

// belongs reports whether Duo would show this record if it had it. Of one whose own time
// is outside its object's window only Duo knows the time: that whole window must be in.
func (a *auditor) belongs(r record.Record, n writer.Name) bool {
	from, to := n.From.UnixMilli(), n.To.UnixMilli()
	if r.At == 0 || r.At < from-1 || r.At > to {
		return a.from <= from && to <= a.to
	}
	return a.from <= r.At && r.At < a.to
}

// note reports a faulty copy, the record's first as a new fault.
func (a *auditor) note(f *Faults, first bool, r record.Record, here place) {
	object := a.objects[here.object]
	c := Copy{Object: object.bucket.URI(object.Name), Line: int(here.line)}
	if first {
		f.add(r.Written, Fault{ID: record.Name(r.Line, *a.Log), TS: instant(r.At), Copies: []Copy{c}})
	} else if i, named := f.named[r.Written]; named {
		f.Records[i].Copies = append(f.Records[i].Copies, c)
	}
}
