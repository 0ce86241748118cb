package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"duo-telephony-collector/internal/store"
)

// BenchmarkGrowth is what a page costs where something is a hundred times as
// much: the time and the allocated bytes of a page there, as a multiple of those
// where it is little. 1 is flat.
func BenchmarkGrowth(b *testing.B) {
	const pages = 20
	sparse := backlog(fullPages(200))
	quiet := connect(b, servers{Duo: sparse}.start(b), 0)
	b.Run("pages", func(b *testing.B) {
		grow(b, load{quiet, nil, 0, 2}, load{quiet, nil, 0, 200})
	})
	b.Run("ids", func(b *testing.B) { // in the overlap, which the first pages fill
		busy := connect(b, servers{Duo: dense(fullPages(100), 15*time.Millisecond)}.start(b), 0)
		calm := connect(b, servers{Duo: dense(fullPages(100), 1500*time.Millisecond)}.start(b), 0)
		grow(b, load{calm, nil, 41, pages}, load{busy, nil, 41, pages})
	})
	b.Run("objects", func(b *testing.B) {
		grow(b, load{quiet, objects(20), 1, pages}, load{quiet, objects(2000), 1, pages})
	})
	b.Run("history", func(b *testing.B) {
		grow(b, load{quiet, history(10), 1, pages}, load{quiet, history(1000), 1, pages})
	})
}

// load is a run of so many pages in a place that is prepared, after a run of
// others that does not count.
type load struct {
	*cloud
	prepare     func(testing.TB, place)
	warm, pages int
}

// cost is what a page takes.
type cost struct {
	time  time.Duration
	bytes int64 // allocated
}

func (l load) measure(b testing.TB) cost {
	p := l.place(b)
	if l.prepare != nil {
		l.prepare(b, p)
	}
	if l.warm > 0 {
		runPages(b, p.collector(), l.warm)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took := timed(func() { runPages(b, p.collector(), l.pages) })
	runtime.ReadMemStats(&after)
	return cost{took / time.Duration(l.pages), int64(after.TotalAlloc-before.TotalAlloc) / int64(l.pages)}
}

func grow(b *testing.B, little, much load) {
	little.measure(b) // connects, and has what the emulator compiles compiled
	var time1, time2 []time.Duration
	var bytes1, bytes2 []int64
	for range repetitions {
		c1, c2 := little.measure(b), much.measure(b)
		time1, time2 = append(time1, c1.time), append(time2, c2.time)
		bytes1, bytes2 = append(bytes1, c1.bytes), append(bytes2, c2.bytes)
	}
	b.ReportMetric(ratio(median(time2), median(time1)), "x-time/page")
	b.ReportMetric(float64(median(bytes2))/float64(median(bytes1)), "x-bytes/page")
	b.ReportMetric(float64(median(time2).Microseconds())/1000, "ms/page")
	b.ReportMetric(float64(median(bytes2))/1e6, "MB/page")
	b.ReportMetric(0, "ns/op")
}

// objects puts so many into the bucket, beside the run's own.
func objects(n int) func(testing.TB, place) {
	return func(b testing.TB, p place) {
		folder := time.Now().Add(-170 * 24 * time.Hour).UTC().Format("2006/01/02")
		for i := range n {
			p.upload(b, sample{data: []byte("{}\n")}, fmt.Sprintf("duo/%s/telephony-backfill_%04d.ndjson", folder, i))
		}
	}
}

// history puts so many finished runs into the history.
func history(n int) func(testing.TB, place) {
	return func(b testing.TB, p place) {
		err := p.documents.RunTransaction(b.Context(), func(_ context.Context, tx *firestore.Transaction) error {
			for i := range n {
				run := store.Run{ID: fmt.Sprint(i), StartedAt: time.Now().Add(-time.Duration(i) * time.Minute)}
				if err := tx.Create(p.stream.Collection("runs").Doc(run.ID), run); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
