package check_test

import (
	"testing"
	"time"

	"duo-telephony-collector/internal/check"
)

func TestClock(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                  "ok this machine's clock is within 10s of Duo's",
		10 * time.Second:   "ok this machine's clock is within 10s of Duo's",
		-10 * time.Second:  "ok this machine's clock is within 10s of Duo's",
		11 * time.Second:   "warn this machine's clock is 11s behind Duo's",
		-61 * time.Second:  "warn this machine's clock is 1m1s ahead of Duo's",
		-600 * time.Second: "warn this machine's clock is 10m0s ahead of Duo's",
	} {
		if f := check.Clock(ahead); f.Status+" "+f.Detail != want {
			t.Errorf("%v ahead: %+v, want %s", ahead, f, want)
		}
	}
}
