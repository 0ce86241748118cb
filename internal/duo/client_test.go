package duo_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

const (
	ikey = "DIWJ8X6AEYOR5OMC6TQ1"
	skey = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"
	host = "api-1234abcd.duosecurity.com"
)

var telephony, _ = duo.LogNamed("telephony")

// TestMain sets proxies where nothing listens: every test passes them by.
func TestMain(m *testing.M) {
	os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	os.Setenv("NO_PROXY", "")
	m.Run()
}

func secret() (string, error) { return skey, nil }

// newSim returns a simulator with records of the last hour, three to a
// millisecond.
func newSim(cfg duosim.Config, records int) *duosim.Sim {
	cfg.IKey, cfg.SKey, cfg.Host = ikey, skey, host
	sim := duosim.New(cfg)
	added := make([]duosim.Record, records)
	first := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range added {
		added[i] = duosim.Record{TS: first.Add(time.Duration(i/3) * time.Millisecond), ID: id(i)}
	}
	sim.Add(added...)
	return sim
}

func id(i int) string {
	return "00000000-0000-4000-8000-" + time.Unix(int64(i), 0).UTC().Format("060102150405")
}

// lastDay is a query for all that newSim adds.
func lastDay() duo.Query {
	return duo.Query{Min: time.Now().Add(-24 * time.Hour), Max: time.Now()}
}

// serve returns a client of a handler over a loopback connection.
func serve(t *testing.T, handler http.Handler, cfg duo.Config) *duo.Client {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.URL = server.URL
	return newClient(t, cfg)
}

func newClient(t *testing.T, cfg duo.Config) *duo.Client {
	cfg.IKey, cfg.Host = ikey, host
	if cfg.Secret == nil {
		cfg.Secret = secret
	}
	client := duo.New(cfg)
	t.Cleanup(client.Transport().CloseIdleConnections)
	return client
}

// bubble runs a test in a bubble whose clock shows a date that Duo takes: the
// year 2000 has a digit less.
func bubble(t *testing.T, test func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
		test(t)
	})
}

// serveBubble is serve for a bubble: real client, real server, and pipes
// between them.
func serveBubble(t *testing.T, handler http.Handler, cfg duo.Config) *duo.Client {
	pipes := make(listener)
	server := &http.Server{Handler: handler}
	go server.Serve(pipes)
	t.Cleanup(func() { server.Close() })
	cfg.URL = "http://127.0.0.1"
	client := newClient(t, cfg)
	client.Transport().DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		pipes <- theirs
		return ours, nil
	}
	return client
}

// listener accepts the pipes sent to it.
type listener chan net.Conn

func (l listener) Accept() (net.Conn, error) {
	conn, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l listener) Close() error   { close(l); return nil }
func (l listener) Addr() net.Addr { return &net.UnixAddr{} }

// read follows a query's offsets up to a page that is not full, and returns the
// records and the error.
func read(ctx context.Context, s *duo.Session, q duo.Query) ([]string, error) {
	var records []string
	for {
		page, err := s.Page(ctx, q)
		if err != nil {
			return records, err
		}
		records = append(records, texts(page)...)
		if page.Next == "" || len(page.Records) < telephony.Limit {
			return records, nil
		}
		q.Offset = page.Next
	}
}

func texts(page duo.Page) []string {
	var texts []string
	for _, r := range page.Records {
		texts = append(texts, string(r))
	}
	return texts
}

// ledger is what read must return.
func ledger(sim *duosim.Sim) []string {
	var records []string
	for _, r := range sim.Visible(time.Now().Add(-24*time.Hour), time.Now()) {
		records = append(records, string(r.Raw))
	}
	return records
}

// statuses are the answers that the simulator gave.
func statuses(sim *duosim.Sim) []int {
	var statuses []int
	for _, r := range sim.Requests() {
		statuses = append(statuses, r.Status)
	}
	return statuses
}

// gaps are the times between the starts of requests.
func gaps(sim *duosim.Sim) []time.Duration {
	var gaps []time.Duration
	requests := sim.Requests()
	for i := 1; i < len(requests); i++ {
		gaps = append(gaps, requests[i].Time.Sub(requests[i-1].Time))
	}
	return gaps
}
