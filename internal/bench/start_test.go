package bench_test

import (
	"os"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler/handlertest"
)

// BenchmarkStart is what an instance costs before it has done anything.
// TestNoConnectionBeforeTrigger in cmd/server checks that it connects to nothing.
func BenchmarkStart(b *testing.B) {
	const starts = 21
	exe := build(b)
	env := environment(b, servers{Duo: backlog(0)}.start(b), handlertest.NewIssuer(b))
	var ready []time.Duration
	var idle []float64
	for range starts {
		s := launch(b, exe, env)
		ready = append(ready, s.ready)
		idle = append(idle, s.resident("VmRSS"))
		s.stop()
	}
	info, err := os.Stat(exe)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(median(ready).Microseconds())/1000, "ms-to-health")
	b.ReportMetric(median(idle), "MiB-idle")
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(0, "ns/op")
}
