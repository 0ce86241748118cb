package collect

import (
	"encoding/binary"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

// BenchmarkWindow plans what a run begins with: the next window of a stream
// that remembers an ordinary overlap, and of one that remembers all it may.
func BenchmarkWindow(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := live{Config: Config{Log: &duo.Logs[0], Lookback: 24 * time.Hour, Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 24 * time.Hour}}
	cursor := store.Cursor{Totals: store.Totals{Pages: 1}, Watermark: now.Add(-time.Hour), SeenFrom: now.Add(-2 * time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if c, err := plan.start(store.State{Cursor: cursor, Now: now}); err != nil || !c.Window.Open() {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdvance looks a page up among so many identities, and moves the cursor
// over it.
func BenchmarkAdvance(b *testing.B) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, n := range map[string]int{"600": 600, "40000": maxSeen} {
		b.Run(name, func(b *testing.B) {
			w := store.Window{From: at.Add(-time.Hour), To: at.Add(time.Hour)}
			c := store.Cursor{Window: w}
			for i := 0; i < n; i += 1000 {
				c.Seen = c.Seen.With(identities(i, min(n, 1000)), w.To.UnixMilli(), 0)
			}
			m, records := cache{}, make([]record.Record, 1000)
			for i, id := range identities(maxSeen, len(records)) {
				records[i] = record.Record{ID: id, Written: id, At: w.From.UnixMilli()}
			}
			b.ReportAllocs()
			for b.Loop() {
				m.walk = walk{}
				page := m.selectNew(page{records: records}, c)
				m.follow(advance(c, batch{ids: page.ids, window: w}, 10*time.Minute).Seen, page)
			}
		})
	}
}

// identities are n, the first with the number from.
func identities(from, n int) []store.ID {
	out := make([]store.ID, n)
	for i := range out {
		binary.BigEndian.PutUint64(out[i][:], uint64(from+i)*0x9e3779b97f4a7c15)
	}
	return out
}
