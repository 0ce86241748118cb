package duo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

// between reports whether every gap lies in [want, want + want/4].
func between(got, want []time.Duration) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] < want[i] || got[i] > want[i]+want[i]/4 {
			return false
		}
	}
	return true
}

func TestRetryWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		sim := newSim(duosim.Config{}, 3)
		sim.Script(duosim.HTML(502), duosim.Reset, duosim.Truncate, duosim.Status(200, `{"stat":"OK"}`))
		session := serveBubble(t, sim, duo.Config{Log: slog.New(slog.NewJSONHandler(&log, nil))}).Session(telephony, 0)
		got, err := read(t.Context(), session, lastDay())
		if err != nil || cmp.Diff(ledger(sim), got) != "" {
			t.Errorf("%d records, %v; want all", len(got), err)
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}; !between(gaps(sim), want) {
			t.Errorf("gaps %v, want %v and up to a quarter more", gaps(sim), want)
		}
		if session.Stats().Requests != 5 || session.Stats().Retries != 4 {
			t.Errorf("%d requests, %d retries; want 5 and 4", session.Stats().Requests, session.Stats().Retries)
		}
		checkLog(t, log.String())
	})
}

// TestRetryNamesAccount has a request retried: of many accounts, the line says
// which one's, of the application's own one it does not.
func TestRetryNamesAccount(t *testing.T) {
	for _, child := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			var log bytes.Buffer
			cfg := duo.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}
			sim := newSim(duosim.Config{}, 0)
			client := serveBubble(t, sim, cfg)
			if child {
				provider, sims := newProvider(contoso)
				sim, client = sims[0], childOf(t, serveBubble(t, provider, cfg), contoso)
			}
			sim.Script(duosim.HTML(502))
			if _, err := read(t.Context(), client.Session(telephony, 0), lastDay()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(log.String(), "account="+contoso.Host); got != child || !strings.Contains(log.String(), "retried") {
				t.Errorf("the line of a child (%t) is %s", child, log.String())
			}
		})
	}
}

// checkLog looks at the four lines of TestRetryWaits.
func checkLog(t *testing.T, log string) {
	t.Helper()
	type line struct {
		Level   string
		Msg     string
		Log     string
		Attempt int
		Wait    int `json:"wait_ms"`
		Status  int `json:"http_status"`
		Code    int `json:"duo_code"`
		Reason  string
	}
	var got []line
	for text := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if least := 1000 << (l.Attempt - 1); l.Wait < least || l.Wait > least*5/4 {
			t.Errorf("attempt %d: wait_ms %d, want %d and up to a quarter more", l.Attempt, l.Wait, least)
		}
		l.Wait = 0
		got = append(got, l)
	}
	const msg = "duo request retried"
	want := []line{
		{"WARN", msg, "telephony", 1, 0, 502, 0, "HTTP 502"},
		{"WARN", msg, "telephony", 2, 0, 0, 0, "net/http: HTTP/1.x transport connection broken: unexpected EOF"},
		{"WARN", msg, "telephony", 3, 0, 200, 0, "HTTP 200: unexpected EOF"},
		{"WARN", msg, "telephony", 4, 0, 200, 0, "HTTP 200: the body has no list of items"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestRetryGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		bad := duosim.HTML(http.StatusBadGateway)
		sim.Script(bad, bad, bad, bad, bad)
		session := serveBubble(t, sim, duo.Config{}).Session(telephony, 0)
		_, err := read(t.Context(), session, lastDay())
		failure, ok := errors.AsType[*duo.Error](err)
		if !ok || failure.Status != 502 || !failure.Temporary || session.Stats().Requests != 5 || session.Stats().Retries != 4 {
			t.Errorf("%v after %d requests; want the fifth 502", err, session.Stats().Requests)
		}
	})
}

func TestRetryPerPage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1500)
		bad := duosim.HTML(http.StatusBadGateway)
		sim.Script(bad, bad, bad, bad, duosim.Pass, bad, bad, bad, bad)
		got, err := read(t.Context(), serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
		if err != nil || len(got) != 1500 {
			t.Errorf("%d records, %v; want 1500: the second page has attempts of its own", len(got), err)
		}
	})
}

func TestTimeout(t *testing.T) {
	tests := map[string]struct {
		deadline time.Duration // 0 for none
		elapsed  time.Duration
		status   []int
		want     func(err error) bool
	}{
		"retried": {0, 31 * time.Second, []int{0, 200}, func(err error) bool { return err == nil }},
		"no time for a retry": {30500 * time.Millisecond, 30 * time.Second, []int{0}, func(err error) bool {
			failure, ok := errors.AsType[*duo.Error](err)
			return ok && failure.Temporary && !errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "within 30s")
		}},
		"no time to end a retry": {45 * time.Second, 45 * time.Second, []int{0, 0}, func(err error) bool {
			failure, ok := errors.AsType[*duo.Error](err)
			return ok && failure.Temporary && strings.Contains(err.Error(), "within 30s")
		}},
		"context first": {20 * time.Second, 20 * time.Second, []int{0}, func(err error) bool {
			_, ok := errors.AsType[*duo.Error](err)
			return errors.Is(err, context.DeadlineExceeded) && !ok
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sim := newSim(duosim.Config{}, 1)
				for _, status := range tt.status {
					if status == 0 {
						sim.Script(duosim.Hang)
					}
				}
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				_, err := read(ctx, serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
				if !tt.want(err) {
					t.Errorf("error is %v", err)
				}
				if elapsed := time.Since(start); elapsed < tt.elapsed || elapsed > tt.elapsed+time.Second/4 {
					t.Errorf("ended after %s, want %s", elapsed, tt.elapsed)
				}
				if diff := cmp.Diff(tt.status, statuses(sim)); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// slowly answers all but the end of a body, and that never.
func slowly(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Write([]byte(`{"stat":"OK","response":{"items":[`))
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestTimeoutOfBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		sim.Script(slowly)
		got, err := read(t.Context(), serveBubble(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
		if err != nil || len(got) != 1 || !between(gaps(sim), []time.Duration{31 * time.Second}) {
			t.Errorf("%d records, %v, gaps %v; want the record after 30 seconds and a retry", len(got), err, gaps(sim))
		}
	})
}

func TestBodyIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 40 << 20
		sent := &counter{limit: limit}
		var log bytes.Buffer
		sim := newSim(duosim.Config{}, 1)
		sim.Script(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			sent.ResponseWriter = w
			duosim.Endless(sent, r, next)
		})
		client := serveBubble(t, sim, duo.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		got, err := read(t.Context(), client.Session(telephony, 0), lastDay())
		if err != nil || len(got) != 1 || sent.n < 32<<20 || sent.n >= limit {
			t.Errorf("%d records, %v after %d bytes; want the record after 32 MiB and a retry", len(got), err, sent.n)
		}
		if !strings.Contains(log.String(), "longer than 32 MiB") {
			t.Errorf("log does not name the limit:\n%s", log.String())
		}
	})
}

// counter counts what is written, and ends it at a limit that the client
// should not reach.
type counter struct {
	http.ResponseWriter
	n, limit int
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	if c.n >= c.limit {
		return 0, io.ErrShortWrite
	}
	return c.ResponseWriter.Write(b)
}

func TestCancel(t *testing.T) {
	tests := map[string]duosim.Fault{
		"during a request": duosim.Hang,
		"during a wait":    duosim.RateLimited(0),
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sim := newSim(duosim.Config{}, 1)
				sim.Script(fault)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				start := time.Now()
				session := serveBubble(t, sim, duo.Config{}).Session(telephony, 0)
				_, err := read(ctx, session, lastDay())
				if !errors.Is(err, context.Canceled) || time.Since(start) != 5*time.Second {
					t.Errorf("%v after %s; want the cancellation after 5s", err, time.Since(start))
				}
				if _, err := read(ctx, session, lastDay()); !errors.Is(err, context.Canceled) || len(sim.Requests()) != 1 {
					t.Errorf("%v, %d requests; want no second one", err, len(sim.Requests()))
				}
			})
		})
	}
}
