package duosim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

// nowhere takes an answer and drops it.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// over sends a request over a loopback connection, as net/http's client would
// see the answer.
func over(ctx context.Context, url string, r *http.Request) (*http.Response, string, error) {
	sent, err := http.NewRequestWithContext(ctx, r.Method, url+r.URL.RequestURI(), nil)
	if err != nil {
		return nil, "", err
	}
	sent.Header = r.Header
	resp, err := http.DefaultTransport.RoundTrip(sent)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, string(body), err
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		fault  duosim.Fault
		status int // 0 where the client gets no answer
		header string
		body   string // a part of it
		err    error
	}{
		"pass":         {duosim.Pass, 200, "application/json", `{"stat":"OK","response":{"items":[{"`, nil},
		"status":       {duosim.Status(503, "{}"), 503, "application/json", "{}", nil},
		"refuse":       {duosim.Refuse(40301, "Access forbidden"), 403, "application/json", `{"stat":"FAIL","code":40301,"message":"Access forbidden"}`, nil},
		"rate limited": {duosim.RateLimited(0), 429, "application/json", `"code":42901`, nil},
		"HTML":         {duosim.HTML(502), 502, "text/html", "<h1>Bad Gateway</h1>", nil},
		"redirect":     {duosim.Redirect("http://127.0.0.1:1/"), 302, "text/html; charset=utf-8", "", nil},
		"only a body":  {func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { io.WriteString(w, "hi") }, 200, "text/plain; charset=utf-8", "hi", nil},
		"reset":        {duosim.Reset, 0, "", "", io.ErrUnexpectedEOF},
		"truncate":     {duosim.Truncate, 200, "application/json", `{"stat":"OK","response":{"items":[{"`, io.ErrUnexpectedEOF},
		"endless":      {duosim.Endless, 200, "", `{"stat":"OK","response":{"items":[0,0,0`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{})
			sim.Add(abc()...)
			sim.Script(tt.fault)
			server := httptest.NewServer(sim)
			defer server.Close()
			resp, body, err := over(t.Context(), server.URL, request(sim, noon))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error is %v, want %v", err, tt.err)
			}
			if resp != nil && (resp.StatusCode != tt.status || tt.header != "" && resp.Header.Get("Content-Type") != tt.header) {
				t.Errorf("HTTP %d, type %s; want %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"), tt.status, tt.header)
			}
			if !strings.Contains(body, tt.body) || tt.err != nil && json.Valid([]byte(body)) {
				t.Errorf("body = %.100s, want %s", body, tt.body)
			}
			if got := sim.Requests(); len(got) != 1 || got[0].Status != tt.status || !got[0].Time.Equal(noon) || got[0].Query.Get("sort") != "ts:asc" {
				t.Errorf("requests = %+v, want the one with status %d", got, tt.status)
			}
		})
	}
}

func TestHang(t *testing.T) {
	sim := newSim(duosim.Config{})
	sim.Script(duosim.Hang)
	server := httptest.NewServer(sim)
	defer server.Close() // waits for the handler
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := over(ctx, server.URL, request(sim, noon)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the client's time-out", err)
	}
}

func TestResetWithoutConnection(t *testing.T) {
	defer func() {
		if recovered := recover(); recovered != http.ErrAbortHandler {
			t.Errorf("panic is %v, want ErrAbortHandler", recovered)
		}
	}()
	sim := newSim(duosim.Config{})
	sim.Script(duosim.Reset)
	sim.ServeHTTP(nowhere{}, request(sim, noon))
}

func TestScript(t *testing.T) {
	sim := newSim(duosim.Config{})
	sim.Script(duosim.Status(500, "{}"), duosim.Pass)
	sim.Script(duosim.RateLimited(1500 * time.Millisecond))
	var got []int
	for range 4 {
		w, _ := do(t, sim, request(sim, noon))
		got = append(got, w.Code)
		if after := w.Header().Get("Retry-After"); w.Code == 429 && after != "2" {
			t.Errorf("Retry-After = %s, want 2", after)
		}
	}
	if diff := cmp.Diff([]int{500, 200, 429, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
