package duo_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

func TestProbe(t *testing.T) {
	for name, test := range map[string]struct {
		script   []duosim.Fault
		statuses []int
		code     int
	}{
		"accepted":       {nil, []int{200}, 0},
		"wrong key":      {[]duosim.Fault{duosim.Refuse(40103, "Invalid signature")}, []int{401}, 40103},
		"no permission":  {[]duosim.Fault{duosim.Refuse(40301, "Access forbidden")}, []int{403}, 40301},
		"rate limited":   {[]duosim.Fault{duosim.RateLimited(time.Hour)}, []int{429}, 42901},
		"date, once":     {[]duosim.Fault{duosim.Refuse(40105, "Bad request timestamp")}, []int{401, 200}, 0},
		"date, for good": {[]duosim.Fault{duosim.Refuse(40105, "Bad request timestamp"), duosim.Refuse(40105, "")}, []int{401, 401}, 40105},
		"server error":   {[]duosim.Fault{duosim.Refuse(50000, "")}, []int{500}, 50000},
	} {
		t.Run(name, func(t *testing.T) {
			ahead := 7 * time.Second
			sim := newSim(duosim.Config{Now: func() time.Time { return time.Now().Add(ahead) }}, 3)
			sim.Script(test.script...)
			date, err := serve(t, sim, duo.Config{Interval: time.Hour}).Probe(t.Context(), telephony)
			failure, _ := errors.AsType[*duo.Error](err)
			if (err != nil) != (test.code != 0) || failure != nil && failure.Code != test.code {
				t.Errorf("%v, want code %d", err, test.code)
			}
			if diff := cmp.Diff(test.statuses, statuses(sim)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			requests := sim.Requests()
			last := requests[len(requests)-1]
			if !date.Equal(last.Time.Truncate(time.Second)) {
				t.Errorf("the date is %s, Duo's clock was at %s", date, last.Time)
			}
			if q := last.Query; q.Get("mintime") >= q.Get("maxtime") || len(q.Get("maxtime")) != 13 {
				t.Errorf("asked for %v", q)
			}
		})
	}
}

func TestProbeUnanswered(t *testing.T) {
	for name, fault := range map[string]duosim.Fault{"reset": duosim.Reset, "hang": duosim.Hang} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sim := newSim(duosim.Config{}, 1)
				sim.Script(fault)
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				date, err := serveBubble(t, sim, duo.Config{}).Probe(ctx, telephony)
				if err == nil || !date.IsZero() || errors.Is(err, context.DeadlineExceeded) != (name == "hang") || len(sim.Requests()) != 1 {
					t.Errorf("date %s, %v, %d requests", date, err, len(sim.Requests()))
				}
			})
		})
	}
}

func TestProbeWithoutDate(t *testing.T) {
	sim := newSim(duosim.Config{}, 1)
	sim.Script(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header()["Date"] = nil
		next.ServeHTTP(w, r)
	})
	if date, err := serve(t, sim, duo.Config{}).Probe(t.Context(), telephony); err != nil || !date.IsZero() {
		t.Errorf("date %s, %v", date, err)
	}
}
