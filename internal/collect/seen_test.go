package collect

import (
	"runtime"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// TestSeenKeepsItsSize follows a walk for so many pages that a map which is never
// made anew doubles. It measures the heap, so it is not parallel.
func TestSeenKeepsItsSize(t *testing.T) {
	const pages = 300
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := store.Window{From: at, To: at.Add(time.Hour)}
	c := store.Cursor{Window: w}
	m := cache{config: Config{Log: duo.Logs[0]}, seen: seenSet{}}
	for page := range pages {
		b := batch{ids: identities(page*1000, 1000), window: w}
		for _, id := range b.ids {
			m.seen[id] = page
		}
		last := c.Seen
		c = advance(c, b, 10*time.Minute)
		m.follow(last, c.Seen, b)
	}
	if len(m.seen) != maxSeen || c.Seen.Len() != maxSeen {
		t.Errorf("%d identities, and %d in the cursor, want %d", len(m.seen), c.Seen.Len(), maxSeen)
	}
	for page := pages - maxSeen/1000; page < pages; page++ {
		if got := m.seen[identities(page*1000, 1)[0]]; got != page {
			t.Errorf("an identity of page %d is of page %d", page, got)
		}
	}
	with := heap()
	m.seen = nil
	kept := with - heap()
	m.seen = newSeenSet(c.Seen, 1000)
	if fresh := heap() - with + kept; kept > fresh*5/4 {
		t.Errorf("%d bytes after %d pages, %d made anew", kept, pages, fresh)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(c)
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
