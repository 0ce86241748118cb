package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/handler/handlertest"
)

// stream is the default's.
const stream = "telephony"

const bucketName = "bucket"

// world is everything that a service talks to, on loopback: Duo, Cloud Storage,
// Firestore and the certificates of id tokens.
type world struct {
	t      *testing.T
	duo    duosim.Config
	logs   []string // that the service collects
	sim    *duosim.Sim
	bucket *fakestorage.Server
	token  string
	env    map[string]string // of a service

	mu      sync.Mutex
	added   map[string][]duosim.Record // by log
	uploads map[string][]duosim.Fault  // what the next uploads meet, one each, by log; "" is any
}

// issuer is shared by all tests, because making a key takes a second.
var issuer = sync.OnceValue(func() *handlertest.Issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &handlertest.Issuer{Key: key}
})

// newWorld starts a world in which Duo has perHour records of telephony in each
// hour since then.
func newWorld(t *testing.T, perHour int, since time.Duration) *world {
	t.Helper()
	w := newWorldOf(t, duosim.Config{}, duosim.Generator{Seed: 7, PerHour: perHour, From: time.Now().Add(-since)}, stream)
	delete(w.env, "DUO_LOGS") // telephony is the default
	return w
}

// newWorldOfAll does so for all logs, by pages of 50.
func newWorldOfAll(t *testing.T, perHour int, since time.Duration) *world {
	t.Helper()
	return newWorldOf(t, pagesOf50, duosim.Generator{Seed: 7, PerHour: perHour, From: time.Now().Add(-since)}, allLogs...)
}

// pagesOf50 makes few records many pages.
var pagesOf50 = duosim.Config{Manners: duosim.Manners{PageSize: 50}}

// newWorldOf starts a world with such records in each of the logs, all of which a
// new service collects.
func newWorldOf(t *testing.T, account duosim.Config, records duosim.Generator, logs ...string) *world {
	t.Helper()
	account.IKey, account.SKey, account.Host = "DIWJ8X6AEYOR5OMC6TQ1", captured.secret("Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"), "api-12345678.duosecurity.com"
	account.GenerateFor = map[string]duosim.Generator{}
	for _, log := range logs {
		account.GenerateFor[log] = records
	}
	w := &world{t: t, duo: account, logs: logs, sim: duosim.New(account), added: map[string][]duosim.Record{}, uploads: map[string][]duosim.Fault{}}
	w.token = captured.secret(issuer().Token(t, nil))
	w.env = map[string]string{
		"DUO_IKEY": w.duo.IKey, "DUO_SKEY": w.duo.SKey, "DUO_API_HOST": w.duo.Host, "DUO_API_URL": w.serve(w.sim),
		"DUO_LOGS":   strings.Join(logs, ","),
		"GCS_BUCKET": bucketName, "STORAGE_EMULATOR_HOST": w.startBucket(),
		"FIRESTORE_PROJECT": "test-" + strings.ToLower(rand.Text()),
		"PUSH_AUDIENCE":     handlertest.Audience, "ALLOWED_CALLERS": handlertest.Email, "OIDC_CERTS_URL": w.serve(issuer()),
		"PAGE_INTERVAL": "0s", "INITIAL_LOOKBACK": (time.Since(records.From) + time.Hour).Truncate(time.Second).String(),
	}
	return w
}

func (w *world) serve(h http.Handler) string {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) startBucket() (host string) {
	w.t.Helper()
	var err error
	if w.bucket, err = fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard}); err != nil {
		w.t.Fatal(err)
	}
	w.bucket.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucketName})
	return strings.TrimPrefix(w.serve(http.HandlerFunc(w.storage)), "http://")
}

// storage is Cloud Storage with the scripted faults.
func (w *world) storage(rw http.ResponseWriter, r *http.Request) {
	w.nextUpload(r)(rw, r, w.bucket.HTTPHandler())
}

func (w *world) nextUpload(r *http.Request) duosim.Fault {
	if !strings.HasPrefix(r.URL.Path, "/upload/") {
		return duosim.Pass
	}
	folder, _, _ := strings.Cut(r.URL.Query().Get("name"), "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, log := range []string{strings.TrimPrefix(folder, "duo-"), ""} {
		if faults := w.uploads[log]; len(faults) > 0 {
			w.uploads[log] = faults[1:]
			return faults[0]
		}
	}
	return duosim.Pass
}

// scriptUploads gives the next uploads to these faults, one each, in order, and
// to no others.
func (w *world) scriptUploads(faults ...duosim.Fault) { w.scriptUploadsOf("", faults...) }

// scriptUploadsOf does the same for those of a log. Its own faults come first.
func (w *world) scriptUploadsOf(log string, faults ...duosim.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uploads[log] = faults
}

// scripted is how many of those faults are still to be met.
func (w *world) scripted() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, faults := range w.uploads {
		n += len(faults)
	}
	return n
}

// add puts n records into each log, a second apart, the last one at a time.
func (w *world) add(n int, last time.Time) {
	for _, log := range w.logs {
		w.addTo(log, n, last)
	}
}

func (w *world) addTo(log string, n int, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n {
		r := duosim.Record{
			TS: last.Add(time.Duration(i+1-n) * time.Second).Truncate(time.Microsecond),
			ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", len(w.added[log]), last.UnixMicro()),
		}
		w.added[log] = append(w.added[log], r)
		w.sim.Log(log).Add(r)
	}
}

// shown is what Duo shows of a log at a time of the records before another.
func (w *world) shown(log string, now, before time.Time) []duosim.Record {
	cfg := w.duo
	cfg.Now = func() time.Time { return now }
	sim := duosim.New(cfg).Log(log)
	w.mu.Lock()
	defer w.mu.Unlock()
	sim.Add(w.added[log]...)
	return sim.Visible(now.Add(-7*24*time.Hour), before)
}

// start starts a service with some variables changed.
func (w *world) start(changes map[string]string) *process {
	w.t.Helper()
	env := maps.Clone(w.env)
	env["FIRESTORE_EMULATOR_HOST"] = emulator.Firestore(w.t)
	maps.Copy(env, changes)
	p := listen(w.t, env)
	p.token = w.token
	return p
}

// statuses are where the streams stand: the worst first, or the only one.
func (p *process) statuses() []collect.Status {
	p.t.Helper()
	a := p.do(http.MethodGet, "/status", "")
	var s struct {
		collect.Status
		Streams []collect.Status
	}
	if err := json.Unmarshal(a.body, &s); err != nil || a.status != http.StatusOK {
		p.t.Fatalf("/status answered %d: %v, %v", a.status, err, a.err)
	}
	if s.Streams == nil {
		return []collect.Status{s.Status}
	}
	return s.Streams
}

// status is where the only stream stands.
func (p *process) status() collect.Status { return p.statuses()[0] }

// gate is a fault that holds one request until the test opens the gate.
type gate struct{ reached, opened chan struct{} }

func newGate() gate { return gate{make(chan struct{}), make(chan struct{})} }

func (g gate) open() { close(g.opened) }

// before holds the request, once all of it has arrived.
func (g gate) before(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	g.hold(r)
	next.ServeHTTP(w, r)
}

// after lets the server handle the request, and holds the answer.
func (g gate) after(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	g.hold(r)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

func (g gate) hold(r *http.Request) {
	close(g.reached)
	select {
	case <-g.opened:
	case <-r.Context().Done():
	}
}
