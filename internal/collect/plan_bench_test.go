package collect

import (
	"encoding/binary"
	"testing"
	"time"

	"duo-telephony-collector/internal/store"
)

// BenchmarkWindow plans what a run begins with: the next window of a stream
// that remembers an ordinary overlap, and of one that remembers all it may.
func BenchmarkWindow(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := live{Config: Config{Lookback: 24 * time.Hour, Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 24 * time.Hour}}
	cursor := store.Cursor{Watermark: now.Add(-time.Hour), Reach: now.Add(-2 * time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if c, err := plan.start(cursor, now); err != nil || !c.Window.Open() {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdvance moves a cursor over a page, with so many identities in it.
func BenchmarkAdvance(b *testing.B) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	page := entries(1000, at)
	for name, n := range map[string]int{"600": 600, "40000": maxSeen} {
		b.Run(name, func(b *testing.B) {
			c := store.Cursor{
				Window: store.Window{From: at.Add(-time.Hour), To: at.Add(time.Hour)},
			}
			for from := at.Add(-time.Duration(n) * time.Millisecond); from.Before(at); from = from.Add(time.Second) {
				c.Seen = c.Seen.With(entries(min(n, 1000), from), 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := advance(c, batch{entries: page, next: "1772366401000,x", reached: at.Add(time.Second).UnixMilli()}, 10*time.Minute); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// entries are n records a millisecond apart.
func entries(n int, from time.Time) []store.Entry {
	out := make([]store.Entry, n)
	for i := range out {
		out[i].At = from.UnixMilli() + int64(i)
		binary.BigEndian.PutUint64(out[i].ID[8:], uint64(out[i].At)*0x9e3779b97f4a7c15)
	}
	return out
}
