package collect

import (
	"bytes"
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

// listBack is how much older than a range the windows of its objects may
// begin, if MAX_WINDOW was never more.
const listBack = 31 * 24 * time.Hour

// index knows which records of a window the bucket holds. It has an object loaded
// only while the walk is at its records, so memory does not grow with the range.
type index struct {
	config  Config
	objects []*indexed
}

type indexed struct {
	writer.Info
	bucket Bucket
	ids    map[store.ID]bool // nil while it is not loaded
}

// around is which objects an index lists.
type around struct {
	from, to time.Time
	lookback time.Duration // how much older than from their windows may begin
	account  string        // another one's are not listed
}

// newIndex lists the objects of a log's streams that can hold records of a time.
func newIndex(ctx context.Context, config Config, buckets []Bucket, a around, streams ...string) (*index, error) {
	x := &index{config: config}
	for _, b := range buckets {
		for info, err := range b.List(ctx, a.from, a.to, a.lookback) {
			if err != nil {
				return nil, fmt.Errorf("listing what the bucket holds: %w", err)
			}
			if slices.Contains(streams, info.Name.Stream) && (info.Meta.Account == "" || info.Meta.Account == a.account) {
				x.objects = append(x.objects, &indexed{Info: info, bucket: b})
			}
		}
	}
	return x, nil
}

// load reads the objects that can hold the records, which are a page's, and
// drops the others.
func (x *index) load(ctx context.Context, records []record.Record) error {
	times := make([]int64, 0, len(records))
	for _, r := range records {
		times = append(times, r.At)
	}
	slices.Sort(times)
	untimed := slices.Contains(times, 0)
	for _, o := range x.objects {
		if !o.mayHold(times) && !(untimed && o.Meta.Untimed != 0) {
			o.ids = nil
			continue
		}
		if err := o.load(ctx, x.config); err != nil {
			return err
		}
	}
	return nil
}

// mayHold reports whether one of the times, which are sorted, is among the
// object's. It can be where the object does not tell.
func (o *indexed) mayHold(times []int64) bool {
	if o.Meta.First.IsZero() { // the year 1 is a time, too
		return o.Meta.Untimed < o.Meta.Records
	}
	i, _ := slices.BinarySearch(times, o.Meta.First.UnixMilli())
	return i < len(times) && times[i] <= o.Meta.Last.UnixMilli()
}

func (o *indexed) load(ctx context.Context, config Config) error {
	if o.ids != nil {
		return nil
	}
	object, err := o.bucket.Get(ctx, o.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a feed may have deleted it since it was listed
		return fmt.Errorf("reading what the bucket holds: %w", err)
	}
	o.ids = make(map[store.ID]bool, o.Meta.Records)
	for line := range bytes.Lines(object.Data) {
		o.ids[config.ReadLine(line).Written] = true
	}
	return nil
}

// has reports whether an object that is loaded holds a line that is written so. A
// nil index has nothing.
func (x *index) has(written store.ID) bool {
	return x != nil && slices.ContainsFunc(x.objects, func(o *indexed) bool { return o.ids[written] })
}

// loadIndex loads the index for the records where only what the bucket does not
// hold is to be written: in a backfill, and where Seen does not tell.
func (r *run) loadIndex(ctx context.Context, records []record.Record) error {
	c := r.cursor()
	told := !c.Window.From.Before(c.Recheck) && !slices.ContainsFunc(records, func(one record.Record) bool { return dropped(c, one) })
	if b := c.Backfill; b == nil && told || b != nil && b.Redeliver {
		return nil
	}
	if r.cache.index == nil {
		if err := r.yieldToBackfill(ctx); err != nil {
			return err
		}
		x, err := r.newIndex(ctx)
		if err != nil {
			return err
		}
		r.cache.index = x
	}
	return r.cache.index.load(ctx, records)
}

// dropped reports whether a record is of a time of which Seen, which had too many, has
// lost some. The bucket tells of those, and they don't go into Seen again: others would
// have to leave it for them, which the next window's overlap needs.
func dropped(c store.Cursor, r record.Record) bool {
	return in(c.Window, r.At) && r.At < c.SeenFrom.UnixMilli()
}

// yieldToBackfill refuses a window that a backfill is writing to at this moment. That
// can only be if the watermark was moved back or the document deleted, and not in a
// stream's first run.
func (r *run) yieldToBackfill(ctx context.Context) error {
	first := r.committed.Totals.Pages == 0 && !r.committed.Begun.IsZero()
	if r.committed.Backfill != nil || first {
		return nil
	}
	s, err := r.Store.Load(ctx, r.Backfill().String())
	if err != nil {
		return err
	}
	if b := s.Cursor.Backfill; b != nil && s.Lease.Holder != "" && s.Now.Before(s.Lease.ExpiresAt()) && r.window.From.Before(b.To) {
		return stopBackfill
	}
	return nil
}

// newIndex lists what the bucket holds around the window, at all places where
// the stream's objects are.
func (r *run) newIndex(ctx context.Context) (*index, error) {
	widest := time.Duration(max(r.committed.WidestMS, r.plan.live.WidestMS)) * time.Millisecond
	x, err := newIndex(ctx, r.Config, r.buckets(r.committed.Places, r.plan.live.Places), around{
		from: r.window.From, to: r.window.To, lookback: max(r.MaxWindow, listBack, widest),
		account: r.committed.Account.Host,
	}, r.Live().Name(), r.Backfill().Name())
	if err != nil {
		return nil, err
	}
	// What an earlier attempt has written of the pages to come is adopted.
	next := r.objectName()
	x.objects = slices.DeleteFunc(x.objects, func(o *indexed) bool {
		return o.Name.Stream == next.Stream && o.Name.From.Equal(next.From) && o.Name.To.Equal(next.To) && o.Name.Page >= next.Page
	})
	return x, nil
}
