package store_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).UnixMilli()

// ids are n identities of a page, different ones for each page.
func ids(page, n int) []store.ID {
	ids := make([]store.ID, n)
	for i := range ids {
		binary.BigEndian.PutUint32(ids[i][:], uint32(page))
		binary.BigEndian.PutUint32(ids[i][4:], uint32(i))
	}
	return ids
}

func TestWith(t *testing.T) {
	t.Parallel()
	a, b, full := ids(1, 2), ids(2, 3), ids(3, 999)
	base := store.Seen(nil).With(a, 10, 5)
	for name, test := range map[string]struct {
		got, want store.Seen
	}{
		"the first":      {base, store.Seen{{1, 10, 5, a}}},
		"nothing":        {base.With(nil, 20, 15), base},
		"a few":          {base.With(b, 20, 15), store.Seen{{2, 20, 15, slices.Concat(a, b)}}},
		"without a time": {base.With(b, 20, 0), store.Seen{{2, 20, 5, slices.Concat(a, b)}}},
		"a page":         {base.With(full, 20, 15), store.Seen{{1, 10, 5, a}, {2, 20, 15, full}}},
		"after a page":   {base.With(full, 20, 15).With(ids(4, 1), 30, 0), store.Seen{{1, 10, 5, a}, {3, 30, 15, slices.Concat(full, ids(4, 1))}}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if want := (store.Seen{{1, 10, 5, a}}); !cmp.Equal(base, want) {
		t.Errorf("the receiver is now %v", base)
	}
}

// TestParts adds pages of several sizes. Each leaves all parts but the last as
// they are, and small pages don't make many parts.
func TestParts(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 333, 500, 501, 999, 1000} {
		var seen store.Seen
		for page := range 60 {
			next := seen.With(ids(page, size), int64(page), 0)
			if more := next.Without(seen); len(more) != 1 || len(seen.Without(next)) > 1 {
				t.Fatalf("%d a page: %d parts are new, %d gone", size, len(more), len(seen.Without(next)))
			}
			if n := len(next) - 1; n > 0 && next[n].Number <= next[n-1].Number {
				t.Fatalf("%d a page: part %d follows part %d", size, next[n].Number, next[n-1].Number)
			}
			seen = next
		}
		if seen.Len() != 60*size || len(seen) > 60*size/500+1 {
			t.Errorf("%d a page: %d identities in %d parts", size, seen.Len(), len(seen))
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	var seen store.Seen
	for page := range 5 {
		seen = seen.With(ids(page, 1000), int64(page), 0)
	}
	if diff := cmp.Diff(seen[2:], seen.Since(2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(seen) != 5 {
		t.Error("the receiver changed")
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	var seen store.Seen
	for page := range 5 {
		seen = seen.With(ids(page, 1000), 100, int64(10*page))
	}
	seen = seen.With(ids(9, 900), 100, 0) // without a time
	for limit, want := range map[int]struct {
		kept  store.Seen
		since int64
	}{
		5900: {seen, 0}, 5899: {seen[1:], 11}, 4900: {seen[1:], 11}, 4899: {seen[2:], 21}, 900: {seen[5:], 41}, 899: {store.Seen{}, 41},
	} {
		kept, since, dropped := seen.Bounded(limit)
		if diff := cmp.Diff(want.kept, kept); diff != "" || since != want.since || dropped != (len(kept) < len(seen)) {
			t.Errorf("limit %d: since %d, dropped is %v (-want +got):\n%s", limit, since, dropped, diff)
		}
	}
}

func TestPackRoundTrip(t *testing.T) {
	t.Parallel()
	for n := range 50 {
		want := store.Part{Number: 7, Until: rand.Int64(), Last: -rand.Int64(), IDs: ids(rand.Int(), n+1)}
		got, err := store.Unpack(want.Number, want.Pack())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestPackSize(t *testing.T) {
	t.Parallel()
	if size := len(store.Part{IDs: ids(1, 40_000)}.Pack()); size > 800_000 {
		t.Errorf("40,000 identities take %d bytes, want at most 800,000 of the 1 MiB of a document", size)
	}
}

func TestUnpackDamaged(t *testing.T) {
	t.Parallel()
	sound := store.Part{IDs: ids(1, 2)}.Pack()
	half := len(store.Part{IDs: ids(1, 1)}.Pack())
	for n := range sound {
		if _, err := store.Unpack(1, sound[:n]); (err == nil) != (n == half) {
			t.Errorf("%d of %d bytes: got error %v", n, len(sound), err)
		}
	}
}

func FuzzUnpackSeen(f *testing.F) {
	f.Add([]byte{})
	f.Add(store.Part{Until: 1, IDs: ids(1, 2)}.Pack())
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		part, err := store.Unpack(1, b)
		if err != nil {
			return
		}
		if packed := part.Pack(); !bytes.Equal(packed, b) {
			t.Errorf("%x is packed as %x", b, packed)
		}
	})
}
