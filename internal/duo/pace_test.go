package duo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestRateLimit(t *testing.T) {
	second := func(seconds ...int) []time.Duration {
		var all []time.Duration
		for _, s := range seconds {
			all = append(all, time.Duration(s)*time.Second)
		}
		return all
	}
	limited := duosim.RateLimited
	tests := map[string]struct {
		script []duosim.Fault
		want   []time.Duration // between the requests for three pages
	}{
		"none":               {nil, second(1, 1)},
		"first page":         {[]duosim.Fault{limited(0)}, second(60, 30, 30)},
		"second page":        {[]duosim.Fault{duosim.Pass, limited(0)}, second(1, 60, 30)},
		"asked to wait long": {[]duosim.Fault{limited(200 * time.Second)}, second(200, 30, 30)},
		"asked to be quick":  {[]duosim.Fault{limited(5 * time.Second)}, second(30, 30, 30)},
		"again and again":    {[]duosim.Fault{limited(0), limited(0), limited(0), limited(0), limited(0), limited(0)}, second(60, 60, 60, 60, 60, 60, 30, 30)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sim := newSim(duosim.Config{}, 2500)
				sim.Script(tt.script...)
				got, err := read(t.Context(), serveBubble(t, sim, duo.Config{Interval: time.Second}).Session(), lastDay())
				if err != nil || len(got) != 2500 {
					t.Errorf("%d records, %v; want 2500", len(got), err)
				}
				if diff := cmp.Diff(tt.want, gaps(sim)); diff != "" {
					t.Errorf("gaps (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestStrictRateLimit(t *testing.T) {
	for _, withHeader := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			sim := newSim(duosim.Config{RateLimit: 2, RetryAfter: withHeader}, 2500)
			got, err := read(t.Context(), serveBubble(t, sim, duo.Config{}).Session(), lastDay())
			if err != nil || len(got) != 2500 {
				t.Errorf("%d records, %v; want 2500", len(got), err)
			}
			if diff := cmp.Diff([]int{200, 200, 429, 200}, statuses(sim)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRateLimitBeyondDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		sim.Script(duosim.RateLimited(0), duosim.RateLimited(90*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		start := time.Now()
		_, err := read(ctx, serveBubble(t, sim, duo.Config{}).Session(), lastDay())
		failure, ok := errors.AsType[*duo.Error](err)
		if !ok || !failure.RateLimited() || failure.RetryAfter != 90*time.Second || time.Since(start) != time.Minute {
			t.Errorf("%v after %s; want the second 429 at once, after a minute", err, time.Since(start))
		}
	})
}

func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 2500)
		client := serveBubble(t, sim, duo.Config{Interval: 10 * time.Second})
		start := time.Now()
		for range 2 { // a session owes nothing for the one before
			if _, err := read(t.Context(), client.Session(), lastDay()); err != nil {
				t.Fatal(err)
			}
		}
		want := []time.Duration{10 * time.Second, 10 * time.Second, 0, 10 * time.Second, 10 * time.Second}
		if diff := cmp.Diff(want, gaps(sim)); diff != "" || !sim.Requests()[0].Time.Equal(start) {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	})
}

func TestRetryKeepsPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		sim.Script(duosim.HTML(502))
		if _, err := read(t.Context(), serveBubble(t, sim, duo.Config{Interval: 10 * time.Second}).Session(), lastDay()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]time.Duration{10 * time.Second}, gaps(sim)); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	})
}

func TestPaceBeyondDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 2500)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		got, err := read(ctx, serveBubble(t, sim, duo.Config{Interval: 10 * time.Second}).Session(), lastDay())
		if !errors.Is(err, context.DeadlineExceeded) || len(got) != 2000 || time.Since(start) != 10*time.Second {
			t.Errorf("%d records, %v after %s; want two pages, then the deadline without waiting for it", len(got), err, time.Since(start))
		}
	})
}
