package bench_test

import (
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
)

// repetitions is how many turns the compared sides take.
const repetitions = 5

// contest is a run and its floor, the least that it can take, both from nothing. The
// floor calls beside for each page, to run while the page is written.
type contest struct {
	floor func(beside func())
	run   func()
}

// compare lets the floor, the floor with something beside it, and the run take
// turns. A ratio is the median of the turns' ratios, because a machine's speed
// drifts by more than the sides differ.
func (c contest) compare(b *testing.B, beside func(), pages int) {
	var floors, runs []time.Duration
	var ofFloor, ofBeside []float64
	for range repetitions {
		floor, company, run := timed(func() { c.floor(func() {}) }), timed(func() { c.floor(beside) }), timed(c.run)
		floors, runs = append(floors, floor), append(runs, run)
		ofFloor, ofBeside = append(ofFloor, ratio(floor, run)), append(ofBeside, ratio(company, run))
	}
	b.ReportMetric(median(ofFloor), "of-floor")
	b.ReportMetric(median(ofBeside), "of-floor-beside")
	b.ReportMetric(float64(median(floors).Microseconds())/float64(pages)/1000, "floor-ms/page")
	b.ReportMetric(float64(median(runs).Microseconds())/float64(pages)/1000, "ms/page")
	b.ReportMetric(float64(pages*pageSize)/median(runs).Seconds(), "records/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkThroughput is a run of 200 pages without latency, compared with only the
// writes that the protocol demands: an object and a commit per page, one after the
// other. The same writes while the same pages are fetched and read beside them show
// how much can overlap on this machine.
func BenchmarkThroughput(b *testing.B) {
	const pages = 200
	all := backlog(fullPages(pages))
	all.Keep = true
	at := servers{Duo: all}.start(b)
	d := newDuo(at.Duo)
	b.Run("cloud", func(b *testing.B) { cloudContest(b, connect(b, at, 0), pages).compare(b, reader(b, d, all), pages) })
	b.Run("directory", func(b *testing.B) { directoryContest(b, d, pages).compare(b, reader(b, d, all), pages) })
}

// reader returns a function that fetches and reads a page, the same ones again and
// again.
func reader(b *testing.B, d *duo.Client, all *account) func() {
	next, stop := iter.Pull2(func(yield func(duo.Page, error) bool) {
		for {
			session, q := d.Session(duo.Logs[0], 0), duo.Query{Min: all.Start, Max: all.at(all.Records)}
			for more := true; more; {
				p, err := session.Page(b.Context(), q)
				if !yield(p, err) {
					return
				}
				q.Offset, more = p.Next, len(p.Records) == duo.Logs[0].Limit
			}
		}
	})
	b.Cleanup(stop)
	return func() {
		if _, err, _ := next(); err != nil {
			b.Error(err)
		}
	}
}

// while runs beside during f, and returns when both are done.
func while(f, beside func()) {
	var done sync.WaitGroup
	done.Go(beside)
	f()
	done.Wait()
}

func cloudContest(b *testing.B, c *cloud, pages int) contest {
	warm := c.place(b)
	runPages(b, warm.collector(), pages) // has the pages rendered, too
	s := c.place(b).sample(b)
	return contest{
		floor: func(beside func()) {
			p := c.place(b)
			version := p.begin(b, s)
			for i := range pages {
				while(func() {
					p.upload(b, s, fmt.Sprintf("duo/%04d", i))
					version = p.commit(b, s, i, version)
				}, beside)
			}
		},
		run: func() { complete(b, c.place(b).collector(), pages) },
	}
}

// complete checks that a run delivers everything, in that many pages.
func complete(b testing.TB, c *collect.Collector, pages int) {
	if r := c.Run(b.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Pages != pages || r.Records != fullPages(pages) {
		b.Fatalf("the run is %s after %d pages with %d records: %s", r.Outcome, r.Pages, r.Records, r.Reason)
	}
}
