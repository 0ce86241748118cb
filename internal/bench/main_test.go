// Package bench_test compares the whole service with the least that its task
// demands. README.md has the targets and figures, and `make bench` takes them. A
// figure is a size, or a ratio of two times that one process measured in turns on
// the same servers.
//
// It is a separate package because it uses everything together, as the program
// does.
package bench_test

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// roleVar makes the test binary run the servers that a measurement talks to, so that
// their cost does not count, least of all their garbage.
const roleVar = "BENCH_SERVERS"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		serve(role)
	}
	os.Exit(m.Run())
}

// fromEnv is the size that make asks for, which is above 1.
func fromEnv(t *testing.T, name string, usual int) int {
	t.Helper()
	text := cmp.Or(os.Getenv(name), strconv.Itoa(usual))
	n, err := strconv.Atoi(text)
	if err != nil || n <= 1 {
		t.Fatalf("%s=%q is no number above 1", name, text)
	}
	return n
}

// timed returns how long f takes.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// median is the middle value, or the upper of the two in the middle.
func median[T int64 | float64 | time.Duration](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

// ratio is a fraction of two durations.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func fmtFloat(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }
