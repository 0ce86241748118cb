package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// listReach is how much older than a range the windows of its objects may
// begin, if MAX_WINDOW was never more.
const listReach = 31 * 24 * time.Hour

// shelf knows which records of a window the bucket holds. It loads an object
// when the walk gets to its records and forgets it when the walk is elsewhere, so
// memory does not grow with the range.
type shelf struct {
	objects []*heldObject
}

type heldObject struct {
	writer.Info
	bucket Bucket
	ids    map[store.ID]bool // nil while it is not loaded
}

// around is which objects a shelf lists.
type around struct {
	from, to time.Time
	reach    time.Duration // how much older than from their windows may begin
	account  string        // another one's are not listed
}

// openShelf lists the objects of the streams that can hold records of a time.
func openShelf(ctx context.Context, buckets []Bucket, a around, streams ...string) (*shelf, error) {
	s := &shelf{}
	for _, b := range buckets {
		for info, err := range b.List(ctx, a.from, a.to, a.reach) {
			if err != nil {
				return nil, fmt.Errorf("listing what the bucket holds: %w", err)
			}
			if slices.Contains(streams, info.Name.Stream) && (info.Meta.Account == "" || info.Meta.Account == a.account) {
				s.objects = append(s.objects, &heldObject{Info: info, bucket: b})
			}
		}
	}
	return s, nil
}

// turn loads the objects that can hold the records, which are a page's, and
// forgets the others.
func (s *shelf) turn(ctx context.Context, records []record.Record) error {
	times := make([]int64, 0, len(records))
	for _, r := range records {
		times = append(times, r.At)
	}
	slices.Sort(times)
	untimed := slices.Contains(times, 0)
	for _, o := range s.objects {
		if !o.mayHold(times) && !(untimed && o.Meta.Untimed != 0) {
			o.ids = nil
			continue
		}
		if err := o.load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mayHold reports whether one of the times, which are sorted, is among the
// object's. It can be where the object does not tell.
func (o *heldObject) mayHold(times []int64) bool {
	if o.Meta.First.IsZero() { // the year 1 is a time, too
		return o.Meta.Untimed < o.Meta.Records
	}
	i, _ := slices.BinarySearch(times, o.Meta.First.UnixMilli())
	return i < len(times) && times[i] <= o.Meta.Last.UnixMilli()
}

func (o *heldObject) load(ctx context.Context) error {
	if o.ids != nil {
		return nil
	}
	object, err := o.bucket.Get(ctx, o.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a feed may have deleted it since it was listed
		return fmt.Errorf("reading what the bucket holds: %w", err)
	}
	o.ids = make(map[store.ID]bool, o.Meta.Records)
	for line := range lines(object.Data) {
		o.ids[record.Read(line, "").ID] = true
	}
	return nil
}

// has reports whether an object that is loaded holds the record. A nil shelf
// holds nothing.
func (s *shelf) has(id store.ID) bool {
	return s != nil && slices.ContainsFunc(s.objects, func(o *heldObject) bool { return o.ids[id] })
}

// consult opens the shelf at the records' place where only what the bucket does
// not hold is to be written: in a backfill, and where Seen does not tell.
func (r *run) consult(ctx context.Context, records []record.Record) error {
	asked := r.cursor.Backfill != nil && !r.cursor.Backfill.Redeliver
	if !asked && !r.cursor.Window.From.Before(r.cursor.Recheck) {
		return nil
	}
	if r.shelf == nil {
		if err := r.besideBackfill(ctx); err != nil {
			return err
		}
		s, err := r.openShelf(ctx)
		if err != nil {
			return err
		}
		r.shelf = s
	}
	return r.shelf.turn(ctx, records)
}

// besideBackfill refuses a window that a backfill is writing to at this moment.
// That can only be if somebody has moved the watermark back or deleted the
// document, and not in a stream's first run.
func (r *run) besideBackfill(ctx context.Context) error {
	first := r.cursor.Totals.Pages == 0 && !r.cursor.Begun.IsZero()
	if r.cursor.Backfill != nil || first {
		return nil
	}
	s, err := r.Store.Load(ctx, r.Backfill().String())
	if err != nil {
		return err
	}
	if b := s.Cursor.Backfill; b != nil && s.Lease.Holder != "" && s.Now.Before(s.Lease.ExpiresAt()) && r.cursor.Window.From.Before(b.To) {
		return errBackfill
	}
	return nil
}

// openShelf lists what the bucket holds around the window, at all places where
// the stream's objects are.
func (r *run) openShelf(ctx context.Context) (*shelf, error) {
	places, widest := slices.Clone(r.cursor.Places), max(r.cursor.WidestMS, r.live.WidestMS)
	for _, p := range r.live.Places {
		if !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	var buckets []Bucket
	for _, p := range places {
		buckets = append(buckets, r.at(writer.Place(p)))
	}
	around := around{from: r.cursor.Window.From, to: r.cursor.Window.To, reach: max(r.MaxWindow, listReach, time.Duration(widest)*time.Millisecond), account: r.cursor.Account.Host}
	s, err := openShelf(ctx, buckets, around, r.Live().String(), r.Backfill().String())
	if err != nil {
		return nil, err
	}
	// What an earlier attempt has written of the pages to come is adopted.
	next := r.objectName()
	s.objects = slices.DeleteFunc(s.objects, func(o *heldObject) bool {
		return o.Name.Stream == next.Stream && o.Name.From.Equal(next.From) && o.Name.To.Equal(next.To) && o.Name.Page >= next.Page
	})
	return s, nil
}
