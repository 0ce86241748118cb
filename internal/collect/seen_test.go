package collect

import (
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

// TestSeenKeepsItsSize has a walk show each page twice, and more records than Seen
// can hold. What a run remembers of them stays as small as Seen.
func TestSeenKeepsItsSize(t *testing.T) {
	const pages = 100
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := store.Cursor{Window: store.Window{From: at, To: at.Add(time.Hour)}}
	c.Seen = c.Seen.With(identities(pages*1000, 1000), at.UnixMilli(), 0) // of the window before
	m := cache{config: Config{Log: &duo.Logs[0]}}
	for n := range 2 * pages {
		records := make([]record.Record, 1000)
		for i, id := range identities(n/2*1000, len(records)) {
			records[i] = record.Record{ID: id, Written: id, At: at.UnixMilli()}
		}
		b := m.selectNew(page{records: records}, c)
		if want := len(records) * (1 - n%2); b.shown != want || len(b.ids) != want || b.duplicates != len(records)-want {
			t.Fatalf("page %d: %d are shown for the first time, %d are new, %d not, want %d", n, b.shown, len(b.ids), b.duplicates, want)
		}
		b.window = c.Window
		b.window.Offset = "next"
		c = advance(c, b, 10*time.Minute)
		m.follow(c.Seen, b)
	}
	if n := c.Seen.Len(); n != maxSeen || len(m.walk.shown) != n || len(m.seen) > 3000 || cap(m.places) > 6000 {
		t.Errorf("of %d in the cursor, %d are marked as shown, and the last page was compared with %d", n, len(m.walk.shown), len(m.seen))
	}
}
