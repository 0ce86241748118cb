package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// listReach is how much older than a range the windows of its objects may
// begin, if MAX_WINDOW was never more.
const listReach = 31 * 24 * time.Hour

// shelf knows which records of a window the bucket holds. It loads an object
// when the walk gets to its records and forgets it when the walk has passed
// them, so memory does not grow with the range.
type shelf struct {
	bucket  Bucket
	objects []writer.Info // not loaded yet
	loaded  []heldObject
}

type heldObject struct {
	last time.Time // zero: unknown, never forgotten
	ids  map[store.ID]bool
}

// openShelf lists the objects of the streams that can hold records of the window.
func openShelf(ctx context.Context, b Bucket, w store.Window, reach time.Duration, streams ...string) (*shelf, error) {
	s := &shelf{bucket: b}
	for info, err := range b.List(ctx, w.From, w.To, max(reach, listReach)) {
		if err != nil {
			return nil, fmt.Errorf("listing what the bucket holds: %w", err)
		}
		if slices.Contains(streams, info.Name.Stream) {
			s.objects = append(s.objects, info)
		}
	}
	return s, nil
}

// turn loads the objects that can hold the records, which are a page's, and
// forgets those that lie behind. Without a time a record can be anywhere.
func (s *shelf) turn(ctx context.Context, records []record) error {
	from, to := span(records)
	s.loaded = slices.DeleteFunc(s.loaded, func(h heldObject) bool {
		return !h.last.IsZero() && h.last.UnixMilli() < from
	})
	var rest []writer.Info
	for _, info := range s.objects {
		if m := info.Meta; !m.First.IsZero() && to != 0 && (m.First.UnixMilli() > to || m.Last.UnixMilli() < from) {
			rest = append(rest, info)
			continue
		}
		if err := s.load(ctx, info); err != nil {
			return err
		}
	}
	s.objects = rest
	return nil
}

func (s *shelf) load(ctx context.Context, info writer.Info) error {
	o, err := s.bucket.Get(ctx, info.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a feed deleted it since it was listed
	}
	if err != nil {
		return fmt.Errorf("reading what the bucket holds: %w", err)
	}
	h := heldObject{last: info.Meta.Last, ids: make(map[store.ID]bool, info.Meta.Records)}
	for line := range lines(o.Data) {
		h.ids[parseRecord(line).id] = true
	}
	s.loaded = append(s.loaded, h)
	return nil
}

// span is the range of the records' times; 0, 0 if one has none.
func span(records []record) (from, to int64) {
	for i, r := range records {
		if r.at == 0 {
			return 0, 0
		}
		if i == 0 {
			from = r.at
		}
		from, to = min(from, r.at), max(to, r.at)
	}
	return from, to
}

// has reports whether an object that is loaded holds the record. A nil shelf
// holds nothing.
func (s *shelf) has(id store.ID) bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(s.loaded, func(h heldObject) bool { return h.ids[id] })
}
