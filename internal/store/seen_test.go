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

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func entry(millis int64, id byte) store.Entry {
	return store.Entry{At: noon.Add(time.Duration(millis) * time.Millisecond), ID: store.ID{id}}
}

func TestWith(t *testing.T) {
	t.Parallel()
	base := store.Seen{entry(1, 1), entry(5, 5)}
	for name, test := range map[string]struct {
		more []store.Entry
		want store.Seen
	}{
		"nothing":            {nil, base},
		"later":              {[]store.Entry{entry(9, 9)}, store.Seen{entry(1, 1), entry(5, 5), entry(9, 9)}},
		"earlier, unordered": {[]store.Entry{entry(3, 3), entry(0, 0)}, store.Seen{entry(0, 0), entry(1, 1), entry(3, 3), entry(5, 5)}},
		"known":              {[]store.Entry{entry(5, 5), entry(1, 1)}, base},
		"twice":              {[]store.Entry{entry(7, 7), entry(7, 7)}, store.Seen{entry(1, 1), entry(5, 5), entry(7, 7)}},
		"same time":          {[]store.Entry{entry(5, 4), entry(5, 6)}, store.Seen{entry(1, 1), entry(5, 4), entry(5, 5), entry(5, 6)}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, base.With(test.more)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if want := (store.Seen{entry(1, 1), entry(5, 5)}); !slices.Equal(base, want) {
		t.Errorf("the receiver is now %v", base)
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	seen := store.Seen{entry(1, 1), entry(5, 5), entry(5, 6), entry(9, 9)}
	for millis, want := range map[int64]store.Seen{
		0: seen, 1: seen, 2: seen[1:], 5: seen[1:], 6: seen[3:], 9: seen[3:], 10: {},
	} {
		if diff := cmp.Diff(want, seen.Since(entry(millis, 0).At)); diff != "" {
			t.Errorf("since %d ms (-want +got):\n%s", millis, diff)
		}
	}
}

func TestPackRoundTrip(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var entries []store.Entry
		for range random.IntN(50) {
			e := entry(random.Int64N(1<<random.IntN(40)+1)-1<<20, 0)
			binary.BigEndian.PutUint64(e.ID[:], random.Uint64())
			entries = append(entries, e)
		}
		want := store.Seen(nil).With(entries)
		got, err := store.UnpackSeen(want.Pack())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(want) != len(got) || !slices.Equal(want, got) {
			t.Fatalf("seed %d (-want +got):\n%s", seed, cmp.Diff(want, got))
		}
	}
}

func TestPackSize(t *testing.T) {
	t.Parallel()
	const entries = 40_000
	var seen store.Seen
	for n := range int64(entries) {
		seen = append(seen, entry(n*int64(10*time.Minute/time.Millisecond)/entries, 1))
	}
	if size := len(seen.Pack()); size > 800_000 {
		t.Errorf("%d entries take %d bytes, want at most 800,000 of the 1 MiB of a document", entries, size)
	}
}

func TestUnpackDamaged(t *testing.T) {
	t.Parallel()
	sound := store.Seen{entry(1, 1), entry(5, 5)}.Pack()
	whole := map[int]bool{0: true, len(store.Seen{entry(1, 1)}.Pack()): true}
	for n := range sound {
		if _, err := store.UnpackSeen(sound[:n]); (err == nil) != whole[n] {
			t.Errorf("%d of %d bytes: got error %v", n, len(sound), err)
		}
	}
	if _, err := store.UnpackSeen(bytes.Repeat([]byte{0xff}, 40)); err == nil {
		t.Error("a time without end was accepted")
	}
}

func FuzzUnpackSeen(f *testing.F) {
	f.Add([]byte{})
	f.Add(store.Seen{entry(1, 1), entry(5, 5)}.Pack())
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		seen, err := store.UnpackSeen(b)
		if err != nil {
			return
		}
		packed := seen.Pack()
		again, err := store.UnpackSeen(packed)
		if err != nil || !slices.Equal(seen, again) {
			t.Errorf("%x is read as %v, and again, with error %v, as %v", b, seen, err, again)
		}
		if !bytes.Equal(packed, again.Pack()) {
			t.Errorf("%x is packed as %x and then as %x", b, packed, again.Pack())
		}
	})
}
