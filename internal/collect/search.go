package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"duo-telephony-collector/internal/store"
)

// list finds the objects that can hold a record of the range. One without a
// readable time can be off by the millisecond by which the range was asked for
// wider, and by that of its own window.
func (a *auditor) list(ctx context.Context) error {
	around := around{from: a.audit.From.Add(-2 * time.Millisecond), to: a.audit.To.Add(2 * time.Millisecond), reach: max(a.MaxWindow, listReach), account: a.Host}
	listed, err := openShelf(ctx, []Bucket{a.Bucket}, around, a.Stream, BackfillStream(a.Stream))
	if err != nil {
		return err
	}
	for _, info := range listed.objects {
		a.objects = append(a.objects, info.Name)
	}
	return nil
}

// search reads the bucket's side, object by object.
func (a *auditor) search(ctx context.Context) error {
	for i, name := range a.objects {
		o, err := a.Bucket.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a feed deleted it since it was listed
		}
		if err != nil {
			return fmt.Errorf("reading what the bucket holds: %w", err)
		}
		a.audit.Objects++
		here := place{object: uint32(i)}
		for line := range lines(o.Data) {
			here.line++
			a.find(line, here)
		}
	}
	return nil
}

// find notes a line of an object.
func (a *auditor) find(line []byte, here place) {
	_, r := a.normal(line)
	t, known := a.trails[r.id]
	if !t.shown && !known && !a.within(r, here) {
		return
	}
	a.audit.Bucket++
	t.copies++
	if t.copies == 1 {
		t.first = here
	}
	if !t.shown {
		a.note(&a.audit.Unknown, t.copies == 1, line, here)
	}
	if sum := a.sum(line); t.shown && sum != t.enriched && sum != t.sent {
		a.note(&a.audit.Altered, !t.altered, line, here)
		t.altered = true
	}
	if t.copies == 2 {
		a.note(&a.audit.Doubled, true, line, t.first)
	}
	if t.copies > 1 {
		a.note(&a.audit.Doubled, false, line, here)
	}
	a.trails[r.id] = t
}

// within reports whether a record that Duo does not show would be shown if it
// were real. One without a time may belong before or after the range, unless
// all of its object's window lies in it.
func (a *auditor) within(r record, here place) bool {
	from, to := a.audit.From, a.audit.To
	if r.at == 0 {
		name := a.objects[here.object]
		return !name.From.Before(from) && !name.To.After(to)
	}
	return r.at == 0 || in(store.Window{From: from, To: to}, r.at)
}

// note adds a copy to the faults of a kind, to those of its record unless it is
// the first.
func (a *auditor) note(f *Faults, first bool, line []byte, here place) {
	_, r := a.normal(line)
	c := Copy{Object: a.Bucket.URI(a.objects[here.object]), Line: int(here.line)}
	if !first {
		f.extend(r.id, c)
		return
	}
	fault := Fault{ID: idOf(line), TS: orNil(timeOf(r.at)), Copies: []Copy{c}}
	if t := a.trails[r.id]; t.shown {
		fault.TS = t.time()
	}
	f.add(r.id, fault)
}

// lose notes what Duo shows and the search did not find.
func (a *auditor) lose() {
	for id, t := range a.trails {
		if t.copies > 0 {
			continue
		}
		name, ok := a.names[id]
		if !ok {
			name = formatUUID(id)
		}
		a.audit.Missing.add(id, Fault{ID: name, TS: t.time(), Copies: []Copy{}})
		a.audit.Backfill = a.widened(a.audit.Backfill, t)
	}
}

// widened returns the range that a backfill has to cover to bring this one back
// too.
func (a *auditor) widened(s *store.Span, t trail) *store.Span {
	at := t.time()
	if at == nil {
		return &store.Span{From: a.audit.From, To: a.audit.To}
	}
	if s == nil {
		s = &store.Span{From: *at, To: *at}
	}
	return &store.Span{From: earliest(s.From, *at), To: latest(s.To, at.Add(time.Millisecond))}
}
