//go:build unix

package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// BenchmarkGrowth is what a page costs with a hundred times as much of something:
// time, time on a core of this process, and allocated bytes, as multiples of the
// cost with little of it. 1 is flat. What a run costs once, up to its first commit,
// is reported separately.
func BenchmarkGrowth(b *testing.B) {
	const pages = 20
	sparse := backlog(fullPages(300))
	sparse.Keep = true
	quiet := connect(b, servers{Duo: sparse}.start(b), 0)
	runPages(b, quiet.place(b).collector(), 300) // has the pages rendered
	b.Run("pages", func(b *testing.B) {
		grow(b, load{quiet, nil, 0, 3}, load{quiet, nil, 0, 300})
	})
	b.Run("ids", func(b *testing.B) { // in the overlap, which the first pages fill
		busy := connect(b, servers{Duo: dense(fullPages(100), 15*time.Millisecond)}.start(b), 0)
		calm := connect(b, servers{Duo: dense(fullPages(100), 1500*time.Millisecond)}.start(b), 0)
		grow(b, load{calm, nil, 41, pages}, load{busy, nil, 41, pages})
	})
	b.Run("objects", func(b *testing.B) {
		few, many := load{quiet, objects(20), 1, pages}, load{quiet, objects(2000), 1, pages}
		grow(b, few, many)
		b.ReportMetric(ratio(many.upload(b), few.upload(b)), "x-upload")
	})
	b.Run("history", func(b *testing.B) {
		grow(b, load{quiet, history(10), 1, pages}, load{quiet, history(1000), 1, pages})
	})
}

// load is a run of that many pages in a prepared place, after a run of other pages
// that does not count.
type load struct {
	*cloud
	prepare     func(testing.TB, place)
	warm, pages int
}

// cost is what something costs.
type cost struct {
	time, core time.Duration
	bytes      int64 // allocated
}

// spent is the cost of this process so far.
func spent(b testing.TB) cost {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return cost{time.Since(began), time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), int64(memory.TotalAlloc)}
}

var began = time.Now()

// since is a share of the cost from before to c.
func (c cost) since(before cost, share int) cost {
	n := time.Duration(share)
	return cost{(c.time - before.time) / n, (c.core - before.core) / n, (c.bytes - before.bytes) / int64(share)}
}

func (l load) place(b testing.TB) place {
	p := l.cloud.place(b)
	if l.prepare != nil {
		l.prepare(b, p)
	}
	return p
}

// measure returns the cost of the run up to its first commit, and of each page
// after that.
func (l load) measure(b testing.TB) (once, page cost) {
	c := l.place(b).collector()
	if l.warm > 0 {
		runPages(b, c, l.warm)
	}
	var first cost
	c.Progress = func(collect.Progress) {
		if first == (cost{}) {
			first = spent(b)
		}
	}
	start := spent(b)
	runPages(b, c, l.pages)
	return first.since(start, 1), spent(b).since(first, l.pages-1)
}

// upload is the time of a bare upload, with as much in the bucket.
func (l load) upload(b testing.TB) time.Duration {
	p := l.place(b)
	var all []time.Duration
	for i := range l.pages {
		all = append(all, timed(func() { p.upload(b, sample{data: make([]byte, 280*pageSize)}, fmt.Sprint(i)) }))
	}
	return median(all)
}

func grow(b *testing.B, little, much load) {
	little.measure(b) // connects, and has what the emulator compiles compiled
	var page1, page2, once1, once2 []cost
	for range repetitions {
		once, page := little.measure(b)
		once1, page1 = append(once1, once), append(page1, page)
		once, page = much.measure(b)
		once2, page2 = append(once2, once), append(page2, page)
	}
	wall := func(c cost) float64 { return float64(c.time) }
	core := func(c cost) float64 { return float64(c.core) }
	bytes := func(c cost) float64 { return float64(c.bytes) }
	b.ReportMetric(middle(page2, wall)/middle(page1, wall), "x-time/page")
	b.ReportMetric(middle(page2, core)/middle(page1, core), "x-core/page")
	b.ReportMetric(middle(page2, bytes)/middle(page1, bytes), "x-bytes/page")
	b.ReportMetric((middle(once2, core)-middle(once1, core))/1e6, "core-ms/run-more")
	b.ReportMetric((middle(once2, bytes)-middle(once1, bytes))/1e6, "MB/run-more")
	b.ReportMetric(middle(page2, wall)/1e6, "ms/page")
	b.ReportMetric(0, "ns/op")
}

// middle is the median of a figure.
func middle(all []cost, figure func(cost) float64) float64 {
	var figures []float64
	for _, c := range all {
		figures = append(figures, figure(c))
	}
	return median(figures)
}

// objects puts that many into the bucket, besides the run's own.
func objects(n int) func(testing.TB, place) {
	return func(b testing.TB, p place) {
		folder := time.Now().Add(-170 * 24 * time.Hour).UTC().Format("2006/01/02")
		for i := range n {
			p.upload(b, sample{data: []byte("{}\n")}, fmt.Sprintf("duo/%s/telephony-backfill_%04d.ndjson", folder, i))
		}
	}
}

// history puts that many finished runs into the history.
func history(n int) func(testing.TB, place) {
	return func(b testing.TB, p place) {
		err := p.documents.RunTransaction(b.Context(), func(_ context.Context, tx *firestore.Transaction) error {
			for i := range n {
				run := store.Run{ID: fmt.Sprint(i), StartedAt: time.Now().Add(-time.Duration(i) * time.Minute)}
				if err := tx.Create(p.stream.Collection("duo-collector-runs").Doc(run.ID), run); err != nil {
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
