package bench_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkLatency is a run of 50 pages with the latencies of a real one, compared
// with the bound that Duo alone sets: its answers one after the other, and then
// the last page's object and commit.
func BenchmarkLatency(b *testing.B) {
	const (
		pages = 50
		wait  = 100 * time.Millisecond // Duo's
	)
	all := backlog(fullPages(pages))
	all.Keep, all.Delay = true, wait
	at := servers{Duo: all, Storage: 50 * time.Millisecond}.start(b)
	c := connect(b, at, 20*time.Millisecond)
	c.place(b).sample(b) // connects
	p := c.place(b)
	s := c.place(b).sample(b)
	version := p.begin(b, s)
	var bounds, runs []time.Duration
	var ofBound []float64
	for i := range repetitions {
		bound := pages*wait + timed(func() {
			p.upload(b, s, fmt.Sprint(i))
			version = p.commit(b, s, i, version)
		})
		fresh := c.place(b).collector()
		run := timed(func() { complete(b, fresh, pages) })
		bounds, runs, ofBound = append(bounds, bound), append(runs, run), append(ofBound, ratio(bound, run))
	}
	b.ReportMetric(median(ofBound), "of-bound")
	b.ReportMetric(median(bounds).Seconds(), "bound-s")
	b.ReportMetric(median(runs).Seconds(), "run-s")
	b.ReportMetric(0, "ns/op")
}
