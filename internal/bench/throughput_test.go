package bench_test

import (
	"fmt"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
)

// repetitions is how often a run and its floor take turns.
const repetitions = 3

// contest is a run and the least that it can take, both from nothing.
type contest struct {
	floor, run func()
}

// compare lets both take turns, and returns the median times.
func (c contest) compare(times int) (floor, run time.Duration) {
	var floors, runs []time.Duration
	for range times {
		floors = append(floors, timed(c.floor))
		runs = append(runs, timed(c.run))
	}
	return median(floors), median(runs)
}

// report reports the floor as a part of the run's time: 1 is perfect.
func report(b *testing.B, floor, run time.Duration, pages int) {
	b.ReportMetric(ratio(floor, run), "of-floor")
	b.ReportMetric(float64(floor.Microseconds())/float64(pages)/1000, "floor-ms/page")
	b.ReportMetric(float64(run.Microseconds())/float64(pages)/1000, "ms/page")
	b.ReportMetric(float64(pages*pageSize)/run.Seconds(), "records/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkThroughput is a run of 200 pages that waits for nothing but work,
// against the writes alone that the protocol demands: an object and a commit a
// page, one after the other.
func BenchmarkThroughput(b *testing.B) {
	const pages = 200
	all := backlog(fullPages(pages))
	all.Keep = true
	at := servers{Duo: all}.start(b)
	b.Run("cloud", func(b *testing.B) {
		floor, run := cloudContest(b, connect(b, at, 0), pages).compare(repetitions)
		report(b, floor, run, pages)
	})
	b.Run("directory", func(b *testing.B) {
		floor, run := directoryContest(b, newDuo(at.Duo), pages).compare(repetitions)
		report(b, floor, run, pages)
	})
}

func cloudContest(b *testing.B, c *cloud, pages int) contest {
	warm := c.place(b)
	runPages(b, warm.collector(), pages) // has the pages rendered, too
	s := c.place(b).sample(b)
	return contest{
		floor: func() {
			p := c.place(b)
			version := p.begin(b, s)
			for i := range pages {
				p.upload(b, s, fmt.Sprintf("duo/%04d", i))
				version = p.commit(b, s, i, version)
			}
		},
		run: func() { complete(b, c.place(b).collector(), pages) },
	}
}

// complete wants a run to deliver all there is, in so many pages.
func complete(b testing.TB, c *collect.Collector, pages int) {
	if r := c.Run(b.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Pages != pages || r.Records != fullPages(pages) {
		b.Fatalf("the run is %s after %d pages with %d records: %s", r.Outcome, r.Pages, r.Records, r.Reason)
	}
}
