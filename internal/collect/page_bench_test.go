//go:build unix

package collect_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/collect"
)

// BenchmarkPageToObject makes an object's bytes of a page's records: everything
// between reading Duo's answer, which package duo measures, and the upload.
// Beside it the same bytes are copied. Both count the time on a core, not on the
// clock: a neighbour's work is not theirs.
func BenchmarkPageToObject(b *testing.B) {
	for _, size := range []int{216, 600} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { pageToObject(b, size) })
	}
}

func pageToObject(b *testing.B, size int) {
	const records, copies = 1000, 2000
	page := pageOf(records, size)
	var objects collect.Objects
	object, _ := objects.Of(page)
	if n := bytes.Count(object, []byte("\n")); n != records {
		b.Fatalf("the object has %d lines, want %d", n, records)
	}
	b.SetBytes(int64(records * size))
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := onCore(b)
	for b.Loop() {
		object, _ = objects.Of(page)
	}
	each := (onCore(b) - start) / time.Duration(b.N)
	runtime.ReadMemStats(&after)
	target := make([]byte, len(object))
	start = onCore(b)
	for range copies {
		copy(target, object)
	}
	copying := (onCore(b) - start) / copies
	b.ReportMetric(float64(each.Microseconds())/1000, "core-ms/page")
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

// pageOf is n records as Duo sends them, of so many bytes.
func pageOf(n, size int) []jsontext.Value {
	records := make([]jsontext.Value, n)
	for i := range records {
		one := fmt.Sprintf(`{"context":"authentication","credits":1,"phone":"+12025550100","telephony_id":"220f89ff-bff8-4466-b6cb-%012x",`+
			`"ts":"2026-03-01T11:%02d:%02d.573580+00:00","txid":"373bd5f3-1e42-4a5c-b1a2-6c2a3e0f%04x","type":"sms"}`, i, i/60, i%60, i)
		if more := size - len(one); more > 0 {
			one = strings.TrimSuffix(one, "}") + `,"detail":"` + strings.Repeat("x", more-len(`,"detail":""`)) + `"}`
		}
		records[i] = jsontext.Value(one)
	}
	return records
}
