package collect_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/writer"
)

// traffic is the requests that somebody pays for or waits for, as they go over
// the wire. Begins open a transaction; writes are the documents in commits.
type traffic struct{ Duo, Storage, Begins, Commits, Writes, Reads int }

// meter counts traffic.
type meter struct {
	mu    sync.Mutex
	total traffic
}

func (m *meter) add(count func(*traffic)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count(&m.total)
}

// take returns the traffic since the last time.
func (m *meter) take() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.total
	m.total = traffic{}
	return t
}

// pass counts requests on their way to a handler.
func (m *meter) pass(h http.Handler, count func(*traffic)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.add(count)
		h.ServeHTTP(w, r)
	})
}

// call counts a commit, with its documents, and what comes before one.
func (m *meter) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	m.add(func(t *traffic) {
		if commit, ok := req.(*firestorepb.CommitRequest); ok {
			t.Commits++
			t.Writes += len(commit.Writes)
			return
		}
		if name := path.Base(method); name != "BeginTransaction" {
			panic("a call that costs something else: " + name)
		}
		t.Begins++
	})
	return invoke(ctx, method, req, reply, cc, opts...)
}

// stream counts reads, all of which are streams.
func (m *meter) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if name := path.Base(method); name != "BatchGetDocuments" && name != "RunQuery" {
		panic("a call that costs something else: " + name)
	}
	m.add(func(t *traffic) { t.Reads++ })
	return open(ctx, desc, cc, method, opts...)
}

// metered returns a world on Firestore's emulator and fake-gcs-server whose
// requests are counted.
func metered(t *testing.T, cfg duosim.Config) (*world, *meter) {
	t.Helper()
	m := &meter{}
	w := newClock(t)
	w.simulate(cfg)
	w.connect(m.pass(w.account, func(t *traffic) { t.Duo++ }))
	w.useFirestore(grpc.WithChainUnaryInterceptor(m.call), grpc.WithChainStreamInterceptor(m.stream))
	name := strings.ToLower(rand.Text())
	gcs().CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	front := httptest.NewServer(m.pass(gcs().HTTPHandler(), func(t *traffic) { t.Storage++ }))
	t.Cleanup(front.Close)
	objects, err := storage.NewClient(t.Context(), storage.WithJSONReads(), option.WithoutAuthentication(), option.WithEndpoint(front.URL+"/storage/v1/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { objects.Close() })
	bucket := writer.NewGCS(objects, name, "duo")
	w.bucket, w.at = bucket, func(p writer.Place) collect.Bucket { return bucket.At(p) }
	w.objects = func() map[string][]byte { return listObjects(t, gcs(), name) }
	return w, m
}

// TestRequests holds a run to the requests that it needs.
func TestRequests(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cursor  duosim.Cursor
		records int
		pages   int
	}{
		"one page":                   {duosim.EveryPage, 1, 1},
		"three pages":                {duosim.EveryPage, 2500, 3},
		"full pages, null at end":    {duosim.NullAtEnd, 2000, 2},
		"full pages, nothing at end": {duosim.AbsentAtEnd, 2000, 2},
	} {
		t.Run(name, func(t *testing.T) { // one at a time: a cold emulator is slow
			w, m := metered(t, duosim.Config{Manners: duosim.Manners{Cursor: tt.cursor}})
			w.config.Delay = 2 * time.Minute
			// The first run finds no document and looks for a history, and for
			// objects, once.
			m.want(w, traffic{Duo: 1, Storage: 1, Begins: 2, Commits: 2, Writes: 3, Reads: 3})
			m.want(w, traffic{Duo: 1, Begins: 2, Commits: 2, Writes: 3, Reads: 2})
			w.sim.Add(w.spread(tt.records, w.clock().Add(-5*time.Minute), time.Millisecond)...)
			m.want(w, traffic{Duo: tt.pages, Storage: tt.pages, Begins: 2, Commits: tt.pages + 1, Writes: tt.pages + 2, Reads: 2})
			w.check() // that they were delivered
		})
	}
}

// want runs once and wants it to cost exactly this.
func (m *meter) want(w *world, want traffic) {
	w.t.Helper()
	m.take()
	w.pass(time.Second)
	if r := w.collector().Run(w.t.Context(), collect.Job{}); r.Outcome != collect.Complete {
		w.t.Fatalf("run %s: %s", r.Outcome, r.Reason)
	}
	if diff := cmp.Diff(want, m.take()); diff != "" {
		w.t.Errorf("requests of the run (-want +got):\n%s", diff)
	}
}

// TestStatusRequests holds an overview of many streams to one query, and that of one
// to its documents and histories.
func TestStatusRequests(t *testing.T) {
	t.Parallel()
	w, m := metered(t, duosim.Config{})
	var children []child
	for n := range 22 {
		children = append(children, w.addChild(n))
	}
	s := w.accounts(8, children...)
	want := func(s *collect.Streams, chosen string, reads int) {
		t.Helper()
		m.take()
		if _, err := s.Status(t.Context(), chosen); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(traffic{Reads: reads}, m.take()); diff != "" {
			t.Errorf("requests for the status of %d streams, %q chosen (-want +got):\n%s", len(s.Collectors), chosen, diff)
		}
	}
	want(s, "", 2) // nothing tells the time
	s.Run(t.Context(), collect.Job{}, nobody)
	one := s.Collectors[3].Live().String()
	want(s, "", 1)
	want(s, one, 1+4) // that of a backfill is looked for in both places
	want(s.Called(one), one, 4)
}
