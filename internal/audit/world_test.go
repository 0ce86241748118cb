package audit_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"

	"duo-telephony-collector/internal/audit"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const (
	host   = "api-test.duosecurity.com"
	stream = "telephony"
)

// world is a Duo account, a bucket and a store, with a clock that only the test
// moves.
type world struct {
	t         *testing.T
	start     time.Time
	dir       string
	collector *collect.Collector

	mu  sync.Mutex
	now time.Time
}

// newWorld has Duo answer as h does.
func newWorld(t *testing.T, start time.Time, h http.Handler) *world {
	t.Helper()
	w := &world{t: t, start: start, now: start, dir: t.TempDir()}
	w.collector = &collect.Collector{
		Store: store.NewBolt(filepath.Join(w.dir, "state.db"), w.clock), Bucket: writer.NewDir(w.dir, "duo"),
		Config: collect.Config{
			Log: &duo.Logs[0], Host: host, Enrich: true, Budget: 9 * time.Minute,
			Lookback: 24 * time.Hour, Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: 24 * time.Hour,
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	w.collector.At = func(p writer.Place) collect.Bucket { return writer.NewDir(w.dir, p.Prefix) }
	w.connect(h)
	return w
}

func (w *world) connect(h http.Handler) {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	w.collector.Duo = duo.New(duo.Config{IKey: "ikey", Secret: func() (string, error) { return "skey", nil }, Host: host, URL: server.URL})
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

// useGCS replaces the bucket by fake-gcs-server, with the real client.
func (w *world) useGCS() *fakestorage.Server {
	w.t.Helper()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(fake.Stop)
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "b"})
	client, err := storage.NewClient(context.Background(), storage.WithJSONReads(), option.WithoutAuthentication(),
		option.WithEndpoint(fake.URL()+"/storage/v1/"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	w.collector.Bucket = writer.NewGCS(client, "b", "duo")
	return fake
}

// run collects what is new.
func (w *world) run(job collect.Job) collect.Report {
	w.t.Helper()
	r := w.collector.Run(w.t.Context(), job)
	if r.Outcome != collect.Complete {
		w.t.Fatalf("run %s: %s", r.Outcome, r.Reason)
	}
	return r
}

// audit compares a range, in hours before the start.
func (w *world) audit(from, to time.Duration) audit.Report {
	w.t.Helper()
	r, err := audit.Run(w.t.Context(), w.collector, w.start.Add(-from), w.start.Add(-to), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// put writes lines as a page of a window, in hours before the start.
func (w *world) put(from, to time.Duration, page int, lines ...string) writer.Name {
	w.t.Helper()
	n := writer.Name{Stream: stream, From: w.start.Add(-from), To: w.start.Add(-to), Page: page}
	w.putAs(n, lines...)
	return n
}

func (w *world) putAs(n writer.Name, lines ...string) {
	w.t.Helper()
	data := []byte(strings.Join(append(lines, ""), "\n"))
	if there, err := w.collector.Bucket.Put(w.t.Context(), writer.Object{Name: n, Data: data, Meta: writer.Meta{Records: len(lines)}}); err != nil || there != nil {
		w.t.Fatalf("%s: %v, %v", n, there, err)
	}
}

// wantFaults compares the missing, doubled, altered, unknown and foreign records,
// each as its id and the number of copies named, such as "id×2".
func wantFaults(t *testing.T, r audit.Report, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for kind, f := range kinds(r) {
		for _, one := range f.Records {
			got[kind] = append(got[kind], fmt.Sprintf("%s×%d", one.ID, len(one.Copies)))
		}
		slices.Sort(got[kind])
		if f.Count != len(f.Records) || f.Records == nil {
			t.Errorf("%d records are %s, %d are named", f.Count, kind, len(f.Records))
		}
	}
	if want == nil {
		want = map[string][]string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if r.Exact() != (len(want) == 0) || (r.Backfill != nil) != (len(want["missing"]) > 0) {
		t.Errorf("exact is %v, the range to collect again %v", r.Exact(), r.Backfill)
	}
}

func kinds(r audit.Report) map[string]audit.Faults {
	return map[string]audit.Faults{"missing": r.Missing, "doubled": r.Doubled, "altered": r.Altered, "unknown": r.Unknown, "foreign": r.Foreign}
}

// event is a record and its time in Duo's index.
type event struct {
	at  time.Time
	raw string
}

// line returns the record as a run writes it.
func (e event) line() string {
	if !strings.HasPrefix(e.raw, "{") {
		return e.raw
	}
	return strings.Replace(strings.TrimSuffix(e.raw, "}")+`,"eventtype":"telephony","host":"`+host+`"}`, "{,", "{", 1)
}

// plain is a record with only an id and a time.
func plain(id string, at time.Time) event {
	return event{at, fmt.Sprintf(`{"telephony_id":%q,"ts":%q}`, id, at.Format("2006-01-02T15:04:05.000000-07:00"))}
}

// spread returns n records from t on, step apart.
func spread(n int, t time.Time, step time.Duration) []event {
	var all []event
	for i := range n {
		at := t.Add(time.Duration(i) * step)
		all = append(all, plain(uuid(), at))
	}
	return all
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func lines(events []event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.line())
	}
	return all
}

// id is the id of a line.
func id(t *testing.T, line string) string {
	t.Helper()
	var r struct {
		ID string `json:"telephony_id"`
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal("a line is no JSON")
	}
	return r.ID
}
