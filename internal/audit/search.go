package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/writer"
)

// widest is how wide the window of an object can be: Duo shows no more.
const widest = 180 * day

// list finds the objects that can hold a record of the range. One without a
// readable time can be off by the millisecond by which the range was asked for
// wider, and by that of its own window.
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

// ours reports whether an object is of the stream or its backfills, and not for
// sure another account's.
func (a *auditor) ours(o writer.Info) bool {
	if o.Meta.Account != "" && !strings.EqualFold(o.Meta.Account, a.Host) {
		return false
	}
	return o.Name.Stream == a.Live().String() || o.Name.Stream == a.Backfill().String()
}

// search reads the bucket's side, object by object.
func (a *auditor) search(ctx context.Context) error {
	for i, object := range a.objects {
		o, err := object.bucket.Get(ctx, object.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a feed deleted it since it was listed
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

// find notes a line of an object, which may be foreign.
func (a *auditor) find(line []byte, here place, foreign bool) {
	r := record.Read(line, a.Log, "")
	t, known := a.trails[r.ID]
	if t.duo == beside || !known && !a.belongs(r, a.objects[here.object].Name) {
		return
	}
	a.report.Bucket++
	t.copies++
	if t.copies == 1 {
		t.first = here
	}
	if t.duo == none {
		a.note(&a.report.Unknown, t.copies == 1, r, here)
	} else if a.sum(line) != t.sent && !a.Log.Mutable {
		a.note(&a.report.Altered, !t.altered, r, here)
		t.altered = true
	}
	if t.copies == 2 {
		a.note(&a.report.Doubled, true, r, t.first)
	}
	if t.copies > 1 {
		a.note(&a.report.Doubled, false, r, here)
	}
	if foreign {
		a.note(&a.report.Foreign, !t.foreign, r, here)
		t.foreign = true
	}
	a.trails[r.ID] = t
}

// belongs reports whether a record that Duo does not show would be shown if it
// were real. Where its own time does not belong to its object's window, all of
// that must lie in the range: only Duo knows when the record was.
func (a *auditor) belongs(r record.Record, n writer.Name) bool {
	from, to := n.From.UnixMilli(), n.To.UnixMilli()
	if r.At == 0 || r.At < from-1 || r.At > to {
		return a.from <= from && to <= a.to
	}
	return a.from <= r.At && r.At < a.to
}

// note adds a copy to the faults of a kind, to those of its record unless it is
// the first.
func (a *auditor) note(f *Faults, first bool, r record.Record, here place) {
	object := a.objects[here.object]
	c := Copy{Object: object.bucket.URI(object.Name), Line: int(here.line)}
	if first {
		f.add(r.ID, Fault{ID: record.Name(r.Line, a.Log), TS: instant(r.At), Copies: []Copy{c}})
		return
	}
	f.extend(r.ID, c)
}
