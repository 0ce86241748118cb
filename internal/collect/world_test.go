package collect_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"go.etcd.io/bbolt"
	"google.golang.org/api/option"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const host = "api-test.duosecurity.com"

// world is a log of a simulated Duo account and everything that collects from
// it, with a clock that only the test moves.
type world struct {
	shape   // of the log
	t       *testing.T
	account *duosim.Sim
	sim     *duosim.Log
	front   *front
	duo     *duo.Client
	store   collect.Store
	bucket  collect.Bucket
	config  collect.Config
	log     *logBuffer

	stream, backfills string        // names
	patience          time.Duration // budget of a run that breaks

	mu    sync.Mutex
	now   time.Time
	start time.Time

	at      func(writer.Place) collect.Bucket // where earlier settings wrote
	known   map[string]string                 // lines by their records
	objects func() map[string][]byte          // all stored objects, unpacked
	age     func()                            // makes the document one of schema 2
	forget  func(stream string)               // deletes a stream's document
	reports []collect.Report
}

// worlds are the implementations that every crash is tried on.
var worlds = map[string]func(*testing.T) *world{"embedded": embedded, "emulated": emulated}

func embedded(t *testing.T) *world { return newWorld(t, duosim.Config{}) }

// newWorld returns a world on the embedded store and a directory.
func newWorld(t *testing.T, cfg duosim.Config) *world {
	t.Helper()
	dir := tempDir(t)
	w := newClock(t)
	w.simulate(cfg)
	w.store = store.NewBolt(filepath.Join(dir, "state.db"), w.clock)
	w.bucket = writer.NewDir(dir, "duo")
	w.at = func(p writer.Place) collect.Bucket { return writer.NewDir(dir, p.Prefix) }
	w.objects = func() map[string][]byte { return readObjects(t, filepath.Join(dir, "bucket")) }
	change := func(f func(*bbolt.Tx) error) { changeBolt(t, filepath.Join(dir, "state.db"), f) }
	w.forget = func(stream string) {
		change(func(tx *bbolt.Tx) error {
			if b := tx.Bucket([]byte(stream)); b != nil {
				return b.Delete([]byte("state"))
			}
			return nil
		})
	}
	w.age = func() { change(func(tx *bbolt.Tx) error { return toSchema2(tx.Bucket([]byte(w.stream))) }) }
	return w
}

func changeBolt(t *testing.T, file string, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
}

// toSchema2 makes a stream's document one of schema 2, which knew of no owner
// and packed what was seen in another way.
func toSchema2(b *bbolt.Bucket) error {
	if b.Get([]byte("state")) == nil {
		return nil
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Get([]byte("state")), &doc); err != nil {
		return err
	}
	makeSchema2(doc)
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	seen := b.Bucket([]byte("seen"))
	err = seen.ForEach(func(number, _ []byte) error { return seen.Put(number, schema2Part) })
	return errors.Join(err, b.Put([]byte("state"), raw))
}

var schema2Part = append([]byte{2}, make([]byte, 16)...)

func makeSchema2(doc map[string]any) {
	doc["schema"] = 2
	cursor := doc["cursor"].(map[string]any)
	for _, name := range []string{"account", "log", "places", "widest_ms", "begun"} {
		delete(cursor, name)
	}
	window := cursor["window"].(map[string]any)
	for _, name := range []string{"place", "prove", "less", "total", "shown", "fresh", "idle", "again", "counted", "found"} {
		delete(window, name)
	}
	window["fetched"] = 7
}

// bubble calls f with a world on the embedded store in which waiting takes no
// time. Only the client waits in there: the server's clock is the world's, and
// stands still. A request that is never answered hangs for ever.
func bubble(t *testing.T, cfg duosim.Config, f func(w *world)) {
	t.Helper()
	w := newWorld(t, cfg) // out here, where its server can wait for requests
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(w.start)) // it is the year 2000 at first
		w.t = t
		f(w)
	})
}

// emulated returns a world on Firestore's emulator and fake-gcs-server, with
// the real clients.
func emulated(t *testing.T) *world {
	t.Helper()
	w := newClock(t)
	w.patience = 4 * time.Second // the emulator is slow
	w.simulate(duosim.Config{})
	w.useFirestore()
	w.useGCS()
	return w
}

// useGCS makes fake-gcs-server the world's bucket, with the real client.
func (w *world) useGCS() {
	w.t.Helper()
	fake := gcs()
	name := strings.ToLower(rand.Text())
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	client, err := storage.NewClient(context.Background(), storage.WithJSONReads(), option.WithoutAuthentication(),
		option.WithEndpoint(fake.URL()+"/storage/v1/"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	w.bucket = writer.NewGCS(client, name, "duo")
	w.at = func(p writer.Place) collect.Bucket { return writer.NewGCS(client, p.Bucket, p.Prefix) }
	w.objects = func() map[string][]byte { return listObjects(w.t, fake, name) }
}

// gcs is one server for all tests.
var gcs = sync.OnceValue(func() *fakestorage.Server {
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		panic(err)
	}
	return s
})

func listObjects(t *testing.T, s *fakestorage.Server, bucket string) map[string][]byte {
	t.Helper()
	list, err := s.ListObjectsWithOptionsPaginated(bucket, fakestorage.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, a := range list.Objects {
		o, err := s.GetObject(bucket, a.Name)
		if err != nil {
			t.Fatal(err)
		}
		out[a.Name] = o.Content
	}
	return out
}

func newClock(t *testing.T) *world {
	start := time.Now().UTC().Truncate(time.Second)
	return &world{t: t, now: start, start: start, log: &logBuffer{}, known: map[string]string{},
		patience: 900 * time.Millisecond, // less than the first wait for a repeat
		config: collect.Config{
			Host: host, Enrich: true,
			Budget: 9 * time.Minute, Lookback: 24 * time.Hour, Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 24 * time.Hour,
		}}
}

// simulate starts the Duo account, and has its first log collected. Its clock is
// the world's.
func (w *world) simulate(cfg duosim.Config) {
	cfg.IKey, cfg.SKey, cfg.Host, cfg.Now = "ikey", "skey", host, w.clock
	w.account = duosim.New(cfg)
	w.use(duo.Logs[0])
	w.front = newFront(w.account)
	w.connect(w.front)
}

// use has a log collected in place of the one before, and returns the world.
func (w *world) use(log duo.Log) *world {
	w.t.Helper()
	w.config.Log, w.shape, w.sim = &log, shapeOf(w.t, log), w.account.Log(log.Name)
	w.stream, w.backfills = w.name, w.name+"-backfill"
	return w
}

// connect has the client ask h. Each answer closes its connection: one that is
// kept would keep a bubble's time from passing.
func (w *world) connect(h http.Handler) {
	server := httptest.NewUnstartedServer(h)
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	w.t.Cleanup(server.Close)
	w.duo = duo.New(duo.Config{
		IKey: "ikey", Secret: func() (string, error) { return "skey", nil }, Host: host, URL: server.URL, Log: w.logger(),
	})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass moves the clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w.log, nil)) }

func (w *world) collector() *collect.Collector {
	return &collect.Collector{Duo: w.duo, Store: w.store, Bucket: w.bucket, At: w.at, Logger: w.logger(), Config: w.config}
}

// run runs once and checks what must hold after every run.
func (w *world) run(job collect.Job) collect.Report {
	w.t.Helper()
	r := w.collector().Run(w.t.Context(), job)
	w.reports = append(w.reports, r)
	w.check()
	return r
}

// complete runs once and expects to be caught up.
func (w *world) complete() collect.Report {
	w.t.Helper()
	r := w.run(collect.Job{})
	if r.Outcome != collect.Complete {
		w.t.Fatalf("run %s: %s", r.Outcome, r.Reason)
	}
	return r
}

func (w *world) state() store.State {
	w.t.Helper()
	s, err := w.store.Load(context.Background(), w.stream)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// check holds the bucket against what Duo shows: every line once, one version of
// each record, nothing that Duo does not show, and everything from the stream's
// first watermark up to the last one that was shown in time. It returns what is
// delivered.
func (w *world) check() map[string]bool {
	w.t.Helper()
	return w.checkThat(func(r duosim.Record) bool { return r.VisibleAt.IsZero() })
}

// checkLate checks that the late records are there too, except those that came
// later than the overlap reaches. It takes a whole run after they appeared.
func (w *world) checkLate() {
	w.t.Helper()
	w.checkThat(func(r duosim.Record) bool { return r.VisibleAt.Sub(r.TS) <= w.config.Delay+w.config.Overlap })
}

// checkThat checks that the records that count are there.
func (w *world) checkThat(counts func(duosim.Record) bool) map[string]bool {
	w.t.Helper()
	delivered := map[string]bool{}
	lines := w.lines()
	want := map[string]bool{}
	first, mark := w.first(), w.state().Cursor.Watermark
	for _, r := range w.sim.Visible(w.start.Add(-w.config.Lookback-24*time.Hour), w.clock()) {
		there := 0
		for _, raw := range versions(r) {
			line := w.line(raw)
			want[line] = true
			there += min(1, len(lines[line]))
		}
		if there > 1 {
			for _, raw := range versions(r) {
				w.t.Logf("%s: %s", lines[w.line(raw)], w.line(raw))
			}
			w.t.Fatalf("%d versions of a record are there", there)
		}
		if there == 0 && !r.TS.Before(first) && r.TS.Before(mark) && counts(r) {
			w.t.Fatalf("lost: %s of %s, before the watermark %s", r.Raw, r.TS.UTC(), mark)
		}
	}
	for line, object := range lines {
		if len(object) > 1 {
			w.t.Fatalf("a record is there %d times: %s: %s", len(object), object, line)
		}
		if !want[line] {
			w.t.Fatalf("%s holds a line that Duo does not show: %s", object, line)
		}
		delivered[line] = true
	}
	return delivered
}

// versions are what a record is shown as. Whichever is delivered first counts.
func versions(r duosim.Record) []json.RawMessage { return append([]json.RawMessage{r.Raw}, r.Edits...) }

// first is the stream's first watermark, unless a gap moved it up.
func (w *world) first() time.Time {
	if g := w.state().Cursor.Gap; g != nil && g.Missing == 0 {
		return g.To
	}
	return w.start.Add(-w.config.Lookback)
}

// line is a record as it must be written. Every check asks for all of them.
func (w *world) line(raw json.RawMessage) string {
	if line, ok := w.known[string(raw)]; ok {
		return line
	}
	line := w.newLine(raw)
	w.known[string(raw)] = line
	return line
}

func (w *world) newLine(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		w.t.Fatal(err)
	}
	if !w.config.Enrich {
		return b.String()
	}
	return w.written(b.String())
}

// lines returns every line in the bucket and the objects that hold it.
func (w *world) lines() map[string][]string {
	w.t.Helper()
	out := map[string][]string{}
	for name, data := range w.objects() {
		if !bytes.HasSuffix(data, []byte("\n")) {
			w.t.Fatalf("%s does not end with a newline", name)
		}
		for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
			out[line] = append(out[line], name)
		}
	}
	return out
}

func (w *world) objectNames() []string {
	var names []string
	for name := range w.objects() {
		names = append(names, filepath.Base(name))
	}
	slices.Sort(names)
	return names
}

func readObjects(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		if err == nil {
			out[path], err = readObject(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readObject(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return data, err
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// tempDir is in memory where that is possible: thousands of runs would
// otherwise wait for the disk.
func tempDir(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "collect-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// logBuffer keeps the log for tests that look into it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*logBuffer)(nil)
