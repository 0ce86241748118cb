package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const (
	stream   = "telephony"
	backfill = "telephony-backfill"
	host     = "api-test.duosecurity.com"
	secret   = "the-secret-key"
	push     = `{"message":{"data":"dGljaw==","messageId":"42"},"subscription":"projects/p/subscriptions/s","deliveryAttempt":3}`
)

// world is the service as it listens, with a simulated Duo account and
// everything that it writes to on this machine. Its clock moves where the test
// moves it.
type world struct {
	*collect.Collector // of telephony
	t                  *testing.T
	now                time.Time
	dir                string
	sim                *duosim.Sim
	store              *store.Store
	streams            *collect.Streams
	log                *logBuffer
	url                string
}

// newWorld starts the service; nil lets everybody in. Whatever the test does,
// no answer and no line of the log may hold a secret.
func newWorld(t *testing.T, auth *handler.Auth) *world {
	t.Helper()
	return newWorldOf(t, auth, duo.Logs[:1])
}

// newWorldOf starts a service of these logs.
func newWorldOf(t *testing.T, auth *handler.Auth, logs []duo.Log) *world {
	t.Helper()
	w := &world{t: t, now: time.Now().UTC().Truncate(time.Second), dir: tempDir(t), log: &logBuffer{written: make(chan struct{}, 1)}}
	clock := func() time.Time { return w.now }
	w.sim = duosim.New(duosim.Config{IKey: "ikey", SKey: secret, Host: host, Now: clock})
	w.store = store.NewBolt(filepath.Join(w.dir, "state.db"), clock)
	log := slog.New(traced{slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})})
	client := duo.New(duo.Config{
		IKey: "ikey", Secret: func() (string, error) { return secret, nil }, Host: host, URL: start(t, w.sim), Log: log,
	})
	w.streams = &collect.Streams{Concurrency: 8}
	for _, l := range logs {
		w.streams.Collectors = append(w.streams.Collectors, &collect.Collector{
			Duo: client, Store: w.store, Bucket: writer.NewDir(w.dir, strings.TrimSuffix("duo/"+l.Name, "/"+stream)), Logger: log,
			Config: collect.Config{
				Log: &l, Host: host, Enrich: true, Budget: time.Minute, Lookback: 24 * time.Hour,
				Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 6 * time.Hour,
			},
		})
	}
	w.Collector = w.streams.Collectors[0]
	w.url = start(t, handler.New(handler.Config{Streams: w.streams, Auth: auth, Log: log, Version: "v1.2.3", Revision: "collector-00042"}))
	t.Cleanup(func() { checkSecrets(t, "the log", w.log.String()) })
	return w
}

func start(t *testing.T, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// tempDir is in memory where that is possible, as every write is synced.
func tempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "handler-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// fill adds a record for every half hour of the last day: 47, in four windows.
func (w *world) fill() {
	for i := range 47 {
		id := fmt.Sprintf("220f89ff-bff8-4466-b6cb-b77879%06d", i)
		w.sim.Add(duosim.Record{TS: w.now.Add(time.Duration(i)*30*time.Minute - 1430*time.Minute), ID: id})
	}
}

// answer is a response and its whole body.
type answer struct {
	*http.Response
	body string
}

// send makes a request and checks what holds for every answer.
func (w *world) send(method, path, body string, header http.Header) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	checkSecrets(w.t, "the answer", string(text))
	for key, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := resp.Header.Get(key); got != want {
			w.t.Errorf("%s %s: %s = %q, want %q", method, path, key, got, want)
		}
	}
	return answer{resp, string(text)}
}

// run posts and expects a report with this status.
func (w *world) run(path, body string, status int) collect.Report {
	w.t.Helper()
	a := w.send(http.MethodPost, path, body, nil)
	var r collect.Report
	if err := json.Unmarshal([]byte(a.body), &r); err != nil || r.Outcome == "" || a.StatusCode != status {
		w.t.Fatalf("answer = %d %s, want %d and a report", a.StatusCode, a.body, status)
	}
	return r
}

// complete is an ordinary run that catches up.
func (w *world) complete() collect.Report {
	w.t.Helper()
	r := w.run("/", push, http.StatusOK)
	if r.Outcome != collect.Complete {
		w.t.Fatalf("outcome = %s: %s", r.Outcome, r.Reason)
	}
	return r
}

func (w *world) state(stream string) store.State {
	w.t.Helper()
	s, err := w.store.Load(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// hold takes the lease as another run does.
func (w *world) hold() *store.Lease {
	lease, _, err := w.store.Acquire(context.Background(), stream, store.Claim{
		Holder: "another", TTL: time.Hour, Force: true,
		Next: func(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil },
	})
	if err != nil {
		w.t.Error(err)
	}
	return lease
}

// files returns what each file below a folder of the world holds.
func (w *world) files(folder string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(w.dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// checkOnce expects every record that Duo shows in the bucket, once.
func (w *world) checkOnce() {
	w.t.Helper()
	var want, got []string
	for _, r := range w.sim.Visible(w.now.Add(-24*time.Hour), w.now) {
		want = append(want, r.ID)
	}
	for _, data := range w.files("bucket") {
		got = append(got, ids(w.t, data)...)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("records in the bucket (-want +got):\n%s", diff)
	}
}

// ids returns the ids of an object's records.
func ids(t *testing.T, object string) []string {
	t.Helper()
	var out []string
	for dec := json.NewDecoder(strings.NewReader(object)); ; {
		var r struct {
			ID string `json:"telephony_id"`
		}
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.ID)
	}
}
