package bench_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/handler/handlertest"
)

// BenchmarkMemory is the service's peak memory when a backfill collects that many
// records: the median of three processes.
func BenchmarkMemory(b *testing.B) {
	exe := build(b)
	issuer := handlertest.NewIssuer(b)
	var peaks []float64
	for _, records := range []int{20_000, 400_000, 2_000_000} {
		var three []float64
		var took time.Duration
		for range 3 {
			peak, t := backfill(b, exe, issuer, records)
			three, took = append(three, peak), t
		}
		peak := median(three)
		peaks = append(peaks, peak)
		b.ReportMetric(peak, fmt.Sprintf("MiB-at-%dk", records/1000))
		b.ReportMetric(took.Seconds(), fmt.Sprintf("s-at-%dk", records/1000))
	}
	b.ReportMetric(peaks[2]/peaks[0], "x-2000k/20k")
	b.ReportMetric(0, "ns/op")
}

// backfill makes a service collect all records of an account from before its live
// stream, and returns its peak memory in MiB.
func backfill(b *testing.B, exe string, issuer *handlertest.Issuer, records int) (peak float64, took time.Duration) {
	b.Helper()
	all := backlog(records)
	all.Start = all.Start.Add(-24 * time.Hour) // out of the live stream's first window
	at := servers{Duo: all}.start(b)
	if err := connect(b, at, 0).objects.Bucket("bucket").Create(b.Context(), "demo", nil); err != nil {
		b.Fatal(err)
	}
	s := launch(b, exe, environment(b, at, issuer))
	defer s.stop()
	token := issuer.Token(b, nil)
	s.post("/run", "", token) // backfills end where the live stream begins
	span := fmt.Sprintf(`{"from":%q,"to":%q}`, all.Start.Format(time.RFC3339), all.at(records).Format(time.RFC3339))
	var report collect.Summary
	took = timed(func() {
		if err := json.Unmarshal(s.post("/run", span, token), &report); err != nil {
			b.Fatal(err)
		}
	})
	if report.Outcome != "complete" || report.Records != records {
		b.Fatalf("the backfill is %s with %d of %d records: %s", report.Outcome, report.Records, records, report.Reason)
	}
	return s.resident("VmHWM"), took
}
