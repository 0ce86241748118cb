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

func entry(millis int64, id byte) store.Entry {
	return store.Entry{At: noon + millis, ID: store.ID{id}}
}

// minute is n entries a millisecond apart, the first at a minute after noon.
func minute(minute int64, n int) (entries []store.Entry) {
	for i := range n {
		e := entry(minute*60_000+int64(i), byte(minute))
		binary.BigEndian.PutUint32(e.ID[1:], uint32(i))
		entries = append(entries, e)
	}
	return entries
}

func TestWith(t *testing.T) {
	t.Parallel()
	const early = 0
	base := store.Seen(nil).With([]store.Entry{entry(1, 1), entry(5, 5)}, early)
	for name, test := range map[string]struct {
		more  []store.Entry
		since int64
		want  store.Seen
	}{
		"nothing":            {nil, early, base},
		"later":              {[]store.Entry{entry(9, 9)}, early, store.Seen{{2, []store.Entry{entry(1, 1), entry(5, 5), entry(9, 9)}}}},
		"earlier, unordered": {[]store.Entry{entry(3, 3), entry(0, 0)}, early, store.Seen{{2, []store.Entry{entry(0, 0), entry(1, 1), entry(3, 3), entry(5, 5)}}}},
		"an old one goes":    {[]store.Entry{entry(9, 9)}, noon + 2, store.Seen{{2, []store.Entry{entry(5, 5), entry(9, 9)}}}},
		"all old ones go":    {[]store.Entry{entry(9, 9)}, noon + 6, store.Seen{{2, []store.Entry{entry(9, 9)}}}},
		"one comes too late": {[]store.Entry{entry(0, 0), entry(9, 9)}, noon + 1, store.Seen{{2, []store.Entry{entry(1, 1), entry(5, 5), entry(9, 9)}}}},
		"all come too late":  {[]store.Entry{entry(0, 0)}, noon + 1, base},
		"nothing is left":    {[]store.Entry{entry(7, 7)}, noon + 8, store.Seen{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, base.With(test.more, test.since)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if want := (store.Seen{{1, []store.Entry{entry(1, 1), entry(5, 5)}}}); !cmp.Equal(base, want) {
		t.Errorf("the receiver is now %v", base)
	}
}

// TestParts adds pages of several sizes. Each leaves all parts but the last one
// as they are, and small ones do not make many.
func TestParts(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 333, 500, 501, 999, 1000} {
		var seen store.Seen
		parts, total := 0, 0
		for at := range int64(200) {
			next := seen.With(minute(at, size), noon+(at-20)*60_000)
			for i, p := range seen {
				if 0 < i && i < len(seen)-1 && !next.Has(p) {
					t.Fatalf("%d a page: a part in the middle did not stay", size)
				}
			}
			if n := len(next) - 1; n > 0 && next[n].Number <= next[n-1].Number {
				t.Fatalf("%d a page: part %d follows part %d", size, next[n].Number, next[n-1].Number)
			}
			seen = next
			parts, total = max(parts, len(seen)), seen.Len()
		}
		if want := 2*size*21/1000 + 2; parts > want {
			t.Errorf("%d a page: %d parts, want at most %d", size, parts, want)
		}
		if least, most := 20*size, 21*size+1000; total < least || total > most {
			t.Errorf("%d a page: %d entries of 20 minutes, want %d to %d", size, total, least, most)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	var seen store.Seen
	for at := range int64(5) {
		seen = seen.With(minute(at, 1000), 0)
	}
	seen = seen.With(minute(-1, 900), 0) // late ones, in a part of their own
	for limit, want := range map[int]store.Seen{5900: seen, 5899: seen[:5], 5000: seen[:5], 4999: seen[1:5], 1000: seen[4:5], 999: {}} {
		kept, since, dropped := seen.Bounded(limit)
		if diff := cmp.Diff(want, kept); diff != "" || dropped != (len(want) < len(seen)) {
			t.Errorf("limit %d: dropped is %v (-want +got):\n%s", limit, dropped, diff)
		}
		if first := noon - 60_000 + int64(6-len(want))*60_000; dropped && since > first || dropped && since <= first-60_000 {
			t.Errorf("limit %d: complete since %d, want %d at most", limit, since-noon, first-noon)
		}
	}
}

func TestPackRoundTrip(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var entries []store.Entry
		for range 1 + random.IntN(50) {
			e := entry(random.Int64N(1<<random.IntN(40)+1)-1<<20, 0)
			binary.BigEndian.PutUint64(e.ID[:], random.Uint64())
			entries = append(entries, e)
		}
		want := store.Seen(nil).With(entries, 0)[0]
		got, err := store.Unpack(want.Number, want.Pack())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestPackSize(t *testing.T) {
	t.Parallel()
	const entries = 40_000
	var part store.Part
	for n := range int64(entries) {
		part.Entries = append(part.Entries, entry(n*int64(10*time.Minute/time.Millisecond)/entries, 1))
	}
	if size := len(part.Pack()); size > 800_000 {
		t.Errorf("%d entries take %d bytes, want at most 800,000 of the 1 MiB of a document", entries, size)
	}
}

func TestUnpackDamaged(t *testing.T) {
	t.Parallel()
	sound := store.Part{Number: 1, Entries: []store.Entry{entry(1, 1), entry(5, 5)}}.Pack()
	half := len(store.Part{Number: 1, Entries: []store.Entry{entry(1, 1)}}.Pack())
	for n := range sound {
		if _, err := store.Unpack(1, sound[:n]); (err == nil) != (n == half) {
			t.Errorf("%d of %d bytes: got error %v", n, len(sound), err)
		}
	}
	backwards := store.Part{Number: 1, Entries: []store.Entry{entry(5, 5), entry(1, 1)}}.Pack()
	for _, damaged := range [][]byte{bytes.Repeat([]byte{0xff}, 40), backwards} {
		if _, err := store.Unpack(1, damaged); err == nil {
			t.Errorf("%x was accepted", damaged)
		}
	}
}

func FuzzUnpackSeen(f *testing.F) {
	f.Add([]byte{})
	f.Add(store.Part{Entries: []store.Entry{entry(1, 1), entry(5, 5)}}.Pack())
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		part, err := store.Unpack(1, b)
		if err != nil {
			return
		}
		packed := part.Pack()
		again, err := store.Unpack(1, packed)
		if err != nil || !slices.Equal(part.Entries, again.Entries) {
			t.Errorf("%x is read as %v, and again, with error %v, as %v", b, part, err, again)
		}
		if !bytes.Equal(packed, again.Pack()) {
			t.Errorf("%x is packed as %x and then as %x", b, packed, again.Pack())
		}
	})
}
