// Package bench_test measures the whole service against the least that its task
// demands: README.md has the targets and the figures, `make bench`
// takes them. Every figure is a ratio of two times that one process took in
// turns on the same servers, or a size.
//
// It is a package of its own because it takes everything together, as the
// program does, and nothing by the back door.
package bench_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// roleVar makes the test binary, run again, the servers that a measurement
// talks to: what they cost must not count, their garbage least of all.
const roleVar = "BENCH_SERVERS"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		serve(role)
	}
	os.Exit(m.Run())
}

// timed is how long f took.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// median is the middle one, or the later of the two in the middle.
func median[T int64 | float64 | time.Duration](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

// ratio is a fraction of two durations.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func fmtFloat(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }
