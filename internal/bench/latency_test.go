package bench_test

import (
	"testing"
	"time"
)

// BenchmarkLatency is a run of 50 pages with the waiting of a real one, against
// the bound that Duo alone sets: its answers one after the other, and then the
// last page's object and commit.
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
	last := contest{
		floor: func() {
			p.upload(b, s, time.Now().String())
			version = p.commit(b, s, int(time.Now().UnixNano()), version)
		},
		run: func() { complete(b, c.place(b).collector(), pages) },
	}
	write, run := last.compare(repetitions)
	bound := pages*wait + write
	b.ReportMetric(ratio(bound, run), "of-bound")
	b.ReportMetric(bound.Seconds(), "bound-s")
	b.ReportMetric(run.Seconds(), "run-s")
	b.ReportMetric(0, "ns/op")
}
