package duo_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestDateIsFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		sim.Script(duosim.RateLimited(2 * time.Minute)) // longer than a date lasts
		if _, err := read(t.Context(), serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{429, 200}, statuses(sim)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log bytes.Buffer
				sim := newSim(duosim.Config{Now: func() time.Time { return time.Now().Add(skew) }}, 3)
				client := serveBubble(t, sim, duo.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
				for range 2 { // the second walk knows the skew
					if got, err := read(t.Context(), client.Session(telephony, 0), lastDay()); err != nil || len(got) != 3 {
						t.Errorf("%d records, %v; want 3", len(got), err)
					}
				}
				if diff := cmp.Diff([]int{401, 200, 200}, statuses(sim)); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
				if want := "skew_ms=" + map[bool]string{true: "600000", false: "-600000"}[skew > 0]; strings.Count(log.String(), want) != 1 {
					t.Errorf("log has not %s once:\n%s", want, log.String())
				}
			})
		})
	}
}

func TestClockRefused(t *testing.T) {
	noDate := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header()["Date"] = nil
		duosim.Refuse(40105, "Bad request timestamp")(w, r, next)
	}
	again := duosim.Refuse(40105, "Bad request timestamp")
	tests := map[string]struct {
		script []duosim.Fault
		status []int
	}{
		"twice":          {[]duosim.Fault{again, again}, []int{401, 401}},
		"without a date": {[]duosim.Fault{noDate}, []int{401}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{}, 1)
			sim.Script(tt.script...)
			_, err := read(t.Context(), serve(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
			failure, ok := errors.AsType[*duo.Error](err)
			if !ok || failure.Temporary || !strings.Contains(failure.Hint, "clock") {
				t.Errorf("%v; want a lasting error about the clock", err)
			}
			if diff := cmp.Diff(tt.status, statuses(sim)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}
