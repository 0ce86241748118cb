package page

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 999 * time.Millisecond: "999 ms", 1900 * time.Millisecond: "1 s", 42 * time.Second: "42 s", time.Minute: "1 min", 222 * time.Second: "3 min 42 s",
		time.Hour + 59*time.Second: "1 h", 5*time.Hour + 12*time.Minute: "5 h 12 min", 76 * time.Hour: "3 d 4 h", -90 * time.Second: "0 ms", math.MinInt64: "0 ms",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v is shown as %q, want %q", d, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%d is shown as %q, want %q", n, got, want)
		}
	}
	if got := counted(1, "run") + ", " + counted(0, "run"); got != "1 run, 0 runs" {
		t.Error(got)
	}
}

func TestWhen(t *testing.T) {
	zurich := time.FixedZone("CET", 3600)
	for at, want := range map[time.Time]string{
		noon.In(zurich):                           "12:00:00 UTC",
		noon.Add(-12 * time.Hour):                 "00:00:00 UTC",
		noon.Add(-12*time.Hour - 1):               "21 Nov 23:59:59 UTC",
		noon.AddDate(-1, 0, 0):                    "22 Nov 2025 12:00:00 UTC",
		time.Date(2027, 1, 1, 0, 0, 0, 0, zurich): "31 Dec 23:00:00 UTC",
	} {
		if got := plain(say(noon.In(zurich), at)); got != want {
			t.Errorf("%v is shown as %q, want %q", at, got, want)
		}
	}
}
