//go:build unix

package collect_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
)

// BenchmarkPageToObject makes an object's bytes of a page's: everything between
// Duo's answer and the upload. Beside it the same bytes are copied. Both count
// the time on a core, not on the clock: a neighbour's work is not theirs.
func BenchmarkPageToObject(b *testing.B) {
	const records, copies = 1000, 2000
	body := pageBody(records)
	var objects collect.Objects
	object, _ := objects.Of(body)
	if n := bytes.Count(object, []byte("\n")); n != records {
		b.Fatalf("the object has %d lines, want %d", n, records)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := onCore(b)
	for b.Loop() {
		object, _ = objects.Of(body)
	}
	each := (onCore(b) - start) / time.Duration(b.N)
	runtime.ReadMemStats(&after)
	target := make([]byte, len(object))
	start = onCore(b)
	for range copies {
		copy(target, object)
	}
	copying := (onCore(b) - start) / copies
	b.ReportMetric(records/each.Seconds(), "records/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/records, "allocs/record")
	b.ReportMetric(float64(each)/float64(copying), "x-copy")
}

// onCore is the time that this process has had a core so far.
func onCore(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// pageBody is a page as Duo sends it.
func pageBody(n int) []byte {
	records := make([]string, n)
	for i := range records {
		records[i] = fmt.Sprintf(`{"context":"authentication","credits":1,"phone":"+12025550100","telephony_id":"220f89ff-bff8-4466-b6cb-%012x",`+
			`"ts":"2026-03-01T11:%02d:%02d.573580+00:00","txid":"373bd5f3-1e42-4a5c-b1a2-6c2a3e0f%04x","type":"sms"}`, i, i/60, i%60, i)
	}
	return []byte(`{"stat":"OK","response":{"items":[` + strings.Join(records, ",") + `],"metadata":{"next_offset":"1772362800573,x","total_objects":5000}}}`)
}
