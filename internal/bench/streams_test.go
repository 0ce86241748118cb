package bench_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// streams collects every log of an account, each into a folder of its own.
func (p place) streams() *collect.Streams {
	s := &collect.Streams{Concurrency: 8}
	for _, log := range duo.Logs {
		c := newCollector(p.duo, store.NewFirestore(p.made, p.stream.Parent.ID), writer.NewGCS(p.objects, p.bucket, "duo-"+log.Name))
		c.Log = &log
		s.Collectors = append(s.Collectors, c)
	}
	return s
}

// runStreams wants every stream to deliver so many pages, or to find nothing new.
func runStreams(b testing.TB, s *collect.Streams, pages int) {
	b.Helper()
	for _, c := range s.Collectors {
		c.MaxPages = pages
	}
	for _, r := range s.Run(b.Context(), collect.Job{}, func(*collect.Collector, *collect.Report) {}).Runs {
		if r.Err != nil || r.Pages != max(pages, 1) {
			b.Fatalf("the run of %s is %s after %d pages: %s", r.Stream, r.Outcome, r.Pages, r.Reason)
		}
	}
}

// BenchmarkStreamsQuiet is a push with nothing new in four logs, with the waiting
// of a real one, against the same with one log.
func BenchmarkStreamsQuiet(b *testing.B) {
	at := servers{Duo: &account{Start: time.Now(), Step: time.Second, Delay: 100 * time.Millisecond}, Storage: 50 * time.Millisecond}.start(b)
	c := connect(b, at, 20*time.Millisecond)
	four, one := c.place(b).streams(), c.place(b).streams()
	one.Collectors = one.Collectors[:1]
	runStreams(b, four, 0) // connects, and makes the documents
	runStreams(b, one, 0)
	var fours, ones []time.Duration
	var ofOne []float64
	for range 3 * repetitions {
		time.Sleep(2 * time.Millisecond) // a window has whole milliseconds
		a, z := timed(func() { runStreams(b, one, 0) }), timed(func() { runStreams(b, four, 0) })
		ones, fours, ofOne = append(ones, a), append(fours, z), append(ofOne, ratio(z, a))
	}
	b.ReportMetric(median(ofOne), "x-one")
	b.ReportMetric(float64(median(ones).Milliseconds()), "one-ms")
	b.ReportMetric(float64(median(fours).Milliseconds()), "four-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStreamsThroughput is 100 pages of each of four logs at once, against
// the writes alone that they demand, side by side.
func BenchmarkStreamsThroughput(b *testing.B) {
	const pages = 100
	all := backlog(fullPages(pages + 1))
	all.Keep, all.Pages = true, pages // the page limit does not cut trust monitor's run
	c := connect(b, servers{Duo: all}.start(b), 0)
	runStreams(b, c.place(b).streams(), pages) // has the pages rendered
	var samples []sample
	for _, collector := range c.place(b).streams().Collectors {
		samples = append(samples, c.sampleOf(b, *collector.Log))
	}
	var floors, runs []time.Duration
	var ofFloor []float64
	for range repetitions {
		floor := timed(func() {
			var all sync.WaitGroup
			for _, s := range samples {
				p := c.place(b)
				all.Go(func() {
					version := p.begin(b, s)
					for i := range pages {
						p.upload(b, s, fmt.Sprintf("duo/%04d", i))
						version = p.commit(b, s, i, version)
					}
				})
			}
			all.Wait()
		})
		streams := c.place(b).streams()
		run := timed(func() { runStreams(b, streams, pages) })
		floors, runs, ofFloor = append(floors, floor), append(runs, run), append(ofFloor, ratio(floor, run))
	}
	b.ReportMetric(median(ofFloor), "of-floor")
	b.ReportMetric(median(floors).Seconds(), "floor-s")
	b.ReportMetric(median(runs).Seconds(), "run-s")
	b.ReportMetric(0, "ns/op")
}

// sampleOf is what a run of that log writes for a page.
func (c *cloud) sampleOf(b testing.TB, log duo.Log) sample {
	p := c.place(b)
	p.stream = p.stream.Parent.Doc(log.Name)
	collector := p.collector()
	log.Ordered = true // else the page limit does not cut the run
	collector.Log = &log
	return p.sampleBy(b, collector)
}

// BenchmarkStreamsMemory is the most memory that the service ever has when one
// push collects so many records of each of four logs, side by side.
func BenchmarkStreamsMemory(b *testing.B) {
	exe := build(b)
	issuer := handlertest.NewIssuer(b)
	var peaks []float64
	for _, records := range []int{20_000, 400_000} {
		var three []float64
		for range 3 {
			three = append(three, catchUp(b, exe, issuer, records))
		}
		peaks = append(peaks, median(three))
		b.ReportMetric(median(three), fmt.Sprintf("MiB-at-%dk", records/1000))
	}
	b.ReportMetric(peaks[1]/peaks[0], "x-400k/20k")
	b.ReportMetric(0, "ns/op")
}

// catchUp has a service collect so many records of each log, and returns its peak
// memory in MiB.
func catchUp(b *testing.B, exe string, issuer *handlertest.Issuer, records int) float64 {
	b.Helper()
	at := servers{Duo: dense(records, 200*time.Millisecond)}.start(b)
	if err := connect(b, at, 0).objects.Bucket("bucket").Create(b.Context(), "demo", nil); err != nil {
		b.Fatal(err)
	}
	env := environment(b, at, issuer)
	env["DUO_LOGS"], env["CONCURRENCY"] = "all", "8"
	s := launch(b, exe, env)
	defer s.stop()
	var report struct{ Runs []collect.Summary }
	if err := json.Unmarshal(s.post("/run", "", issuer.Token(b, nil)), &report); err != nil {
		b.Fatal(err)
	}
	for _, r := range report.Runs {
		if r.Outcome != collect.Complete || r.Records != records {
			b.Fatalf("the run of %s is %s with %d of %d records: %s", r.Stream, r.Outcome, r.Records, records, r.Reason)
		}
	}
	return s.resident("VmHWM")
}

// BenchmarkBehindMemory is the most memory that a service has when many accounts are
// behind: each message collects eight of them, and each account's authentications
// come in full pages. The module sets the limit, for so many at once.
func BenchmarkBehindMemory(b *testing.B) {
	exe := build(b)
	issuer := handlertest.NewIssuer(b)
	for _, messages := range []int{1, 4} {
		all := dense(12_000, 200*time.Millisecond)
		all.Children = 8 * messages
		at := servers{Duo: all}.start(b)
		if err := connect(b, at, 0).objects.Bucket("bucket").Create(b.Context(), "demo", nil); err != nil {
			b.Fatal(err)
		}
		env := environment(b, at, issuer)
		env["DUO_LOGS"], env["DUO_ACCOUNTS"], env["CONCURRENCY"] = "authentication", "children", "8"
		env["GOMEMLIMIT"] = map[int]string{1: "409MiB", 4: "1638MiB"}[messages]
		s := launch(b, exe, env)
		token := issuer.Token(b, nil)
		var pushes sync.WaitGroup
		for range messages {
			pushes.Go(func() { s.post("/", `{"message":{"messageId":"1"}}`, token) })
		}
		pushes.Wait()
		b.ReportMetric(s.resident("VmHWM"), fmt.Sprintf("MiB-at-%d", all.Children))
		s.stop()
	}
	b.ReportMetric(0, "ns/op")
}
