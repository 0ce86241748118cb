package duo_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestRateLimit(t *testing.T) {
	second := func(seconds ...float64) []time.Duration {
		var all []time.Duration
		for _, s := range seconds {
			all = append(all, time.Duration(s*float64(time.Second)))
		}
		return all
	}
	limited := duosim.RateLimited
	tests := map[string]struct {
		script []duosim.Fault
		want   []time.Duration // between the requests for three pages
	}{
		"none":               {nil, second(1, 1)},
		"first page":         {[]duosim.Fault{limited(0)}, second(60, 30.3, 30.3)},
		"second page":        {[]duosim.Fault{duosim.Pass, limited(0)}, second(1, 60, 30.3)},
		"asked to wait long": {[]duosim.Fault{limited(200 * time.Second)}, second(200, 30.3, 30.3)},
		"asked to be quick":  {[]duosim.Fault{limited(5 * time.Second)}, second(30.3, 30.3, 30.3)},
		"again and again":    {[]duosim.Fault{limited(0), limited(0), limited(0), limited(0)}, second(60, 60, 60, 60, 30.3, 30.3)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sim := newSim(duosim.Config{}, 2500)
				sim.Script(tt.script...)
				got, err := read(t.Context(), serveBubble(t, sim, duo.Config{Interval: time.Second}).Session(telephony, 0), lastDay())
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

// TestRateLimitForGood asks five times at most: each counts at Duo's limit.
func TestRateLimitForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		for range 9 {
			sim.Script(duosim.RateLimited(0))
		}
		_, err := read(t.Context(), serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
		var refused *duo.Error
		if n := len(statuses(sim)); !errors.As(err, &refused) || !refused.RateLimited() || n != 5 {
			t.Errorf("%v after %d requests; want the refusal after 5", err, n)
		}
	})
}

// TestLearnedPace reads more pages than Duo allows requests a minute, and again
// in a later session that knows the pace.
func TestLearnedPace(t *testing.T) {
	tests := map[string]struct {
		cfg     duosim.Config
		pages   int
		refused int // 429s, no more than it takes to learn the limit
		pace    time.Duration
	}{
		"one a minute":          {duosim.Config{RateLimit: 1}, 6, 2, 60600 * time.Millisecond},
		"two a minute":          {duosim.Config{RateLimit: 2}, 6, 1, 30300 * time.Millisecond},
		"two, with Retry-After": {duosim.Config{RateLimit: 2, RetryAfter: true}, 6, 1, 30300 * time.Millisecond},
		"fifty a minute":        {duosim.Config{RateLimit: 50}, 55, 1, 1212 * time.Millisecond},
		"no limit":              {duosim.Config{}, 6, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && tt.pages > 10 {
				t.Skip("-short: it takes a second for its pages")
			}
			bubble(t, func(t *testing.T) {
				sim := newSim(tt.cfg, 0)
				records := make([]duosim.Record, tt.pages*telephony.Limit-1)
				for i := range records { // 20 a second: the simulator sorts whole minutes
					records[i] = duosim.Record{TS: time.Now().Add(-2*time.Hour + time.Duration(i)*50*time.Millisecond), ID: id(i)}
				}
				sim.Add(records...)
				client := serveBubble(t, sim, duo.Config{})
				first := client.Session(telephony, 0)
				if got, err := read(t.Context(), first, lastDay()); err != nil || len(got) != tt.pages*telephony.Limit-1 {
					t.Errorf("%d records, %v", len(got), err)
				}
				stats := first.Stats()
				if n := count(statuses(sim), 429); n != tt.refused || stats.Pace != tt.pace || stats.Requests != tt.pages+n || stats.Retries != n {
					t.Errorf("%d times 429, %+v; want %d and the pace %s", n, stats, tt.refused, tt.pace)
				}
				time.Sleep(time.Until(stats.Next))
				if _, err := read(t.Context(), client.Session(telephony, stats.Pace), lastDay()); err != nil {
					t.Error(err)
				}
				if n := count(statuses(sim), 429); n != tt.refused {
					t.Errorf("%d times 429 after the second session, want no more than the %d", n, tt.refused)
				}
			})
		})
	}
}

// TestCrowdedPace has Duo refuse requests that come at the learned pace, because
// other programs read the log too: the pace slows down, to one a minute at most.
func TestCrowdedPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 8*telephony.Limit-1)
		limited := duosim.RateLimited(0)
		sim.Script(duosim.Pass, duosim.Pass, limited, duosim.Pass, duosim.Pass, limited, duosim.Pass, limited, duosim.Pass, limited)
		session := serveBubble(t, sim, duo.Config{}).Session(telephony, 0)
		if _, err := read(t.Context(), session, lastDay()); err != nil {
			t.Fatal(err)
		}
		const second = time.Second
		want := []time.Duration{0, 0, 60 * second, 30300 * time.Millisecond, 30300 * time.Millisecond, // as learned
			60 * second, 37875 * time.Millisecond, 60600 * time.Millisecond, 60600 * time.Millisecond, 60600 * time.Millisecond, 60600 * time.Millisecond}
		if diff := cmp.Diff(want, gaps(sim)); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	})
}

func count(statuses []int, status int) (n int) {
	for _, s := range statuses {
		if s == status {
			n++
		}
	}
	return n
}

func TestRateLimitBeyondDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		sim.Script(duosim.RateLimited(0), duosim.RateLimited(90*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		start := time.Now()
		_, err := read(ctx, serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
		failure, ok := errors.AsType[*duo.Error](err)
		if !ok || !failure.RateLimited() || failure.RetryAfter != 90*time.Second || time.Since(start) != time.Minute {
			t.Errorf("%v after %s; want the second 429 at once, after a minute", err, time.Since(start))
		}
	})
}

// Duo's code says that the rate is limited, whatever the status beside it.
func TestRateLimitByCode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		limited := duosim.Status(http.StatusBadRequest, `{"stat":"FAIL","code":42901,"message":"Too Many Requests"}`)
		sim := newSim(duosim.Config{}, 1)
		sim.Script(limited, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("Retry-After", "86400")
			limited(w, r, next)
		})
		session := serveBubble(t, sim, duo.Config{}).Session(telephony, 0)
		got, err := read(t.Context(), session, lastDay())
		if err != nil || len(got) != 1 || session.Stats().Pace == 0 {
			t.Errorf("%d records, %v, pace %v; want the record and a pace learned", len(got), err, session.Stats().Pace)
		}
		if want := []time.Duration{time.Minute, time.Hour}; !between(gaps(sim), want) {
			t.Errorf("gaps %v, want %v: a minute where Duo does not say, an hour at most", gaps(sim), want)
		}
	})
}

func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 2500)
		client := serveBubble(t, sim, duo.Config{Interval: 10 * time.Second})
		start := time.Now()
		for range 2 { // a session owes nothing for the one before
			if _, err := read(t.Context(), client.Session(telephony, 0), lastDay()); err != nil {
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
		if _, err := read(t.Context(), serveBubble(t, sim, duo.Config{Interval: 10 * time.Second}).Session(telephony, 0), lastDay()); err != nil {
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
		got, err := read(ctx, serveBubble(t, sim, duo.Config{Interval: 10 * time.Second}).Session(telephony, 0), lastDay())
		if !errors.Is(err, context.DeadlineExceeded) || len(got) != 2000 || time.Since(start) != 10*time.Second {
			t.Errorf("%d records, %v after %s; want two pages, then the deadline without waiting for it", len(got), err, time.Since(start))
		}
	})
}
