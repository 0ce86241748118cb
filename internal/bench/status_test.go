package bench_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"go.etcd.io/bbolt"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
)

// BenchmarkStatus is what /status and the page take for the three logs of 1,000
// accounts: the median and the least of 21 answers, and their size. Each document is a
// copy of that of a stream which has run six times and remembers 1,000 records.
func BenchmarkStatus(b *testing.B) {
	at := servers{Duo: dense(pageSize, time.Second)}.start(b)
	var streams []*collect.Collector
	for i := range 1000 {
		for _, log := range providerLogs {
			host := fmt.Sprintf("api-%08x.duosecurity.com", i)
			streams = append(streams, &collect.Collector{Config: collect.Config{
				Log: &log, Host: host, Account: duo.Account{Host: host, Name: fmt.Sprintf("Customer %d", i)}, Delay: 150 * time.Second,
			}})
		}
	}
	b.Run("firestore", func(b *testing.B) {
		p := connect(b, at, 0).place(b)
		runSix(b, p.collector())
		p.copyTo(b, streams)
		measureStatus(b, streams, store.NewFirestore(p.made, p.stream.Parent.ID))
	})
	b.Run("bbolt", func(b *testing.B) {
		d := newDirectory(b)
		runSix(b, d.collector(newDuo(at.Duo)))
		d.copyTo(b, streams)
		measureStatus(b, streams, store.NewBolt(d.state(), nil))
	})
}

// runSix has all records remembered.
func runSix(b *testing.B, c *collect.Collector) {
	c.Overlap = 3 * time.Hour
	for range 6 {
		if r := c.Run(b.Context(), collect.Job{}); r.Outcome != collect.Complete {
			b.Fatalf("the run is %s: %s", r.Outcome, r.Reason)
		}
	}
}

// copyTo makes the document of each stream a copy of the place's.
func (p place) copyTo(b *testing.B, streams []*collect.Collector) {
	b.Helper()
	snap, err := p.stream.Get(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for some := range slices.Chunk(streams, 100) {
		err := p.documents.RunTransaction(b.Context(), func(_ context.Context, tx *firestore.Transaction) error {
			for _, c := range some {
				if err := tx.Set(p.stream.Parent.Doc(c.Live().String()), snap.Data()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// copyTo is the same in a file.
func (d directory) copyTo(b *testing.B, streams []*collect.Collector) {
	b.Helper()
	db, err := bbolt.Open(d.state(), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, c := range streams {
			to, err := tx.CreateBucket([]byte(c.Live().String()))
			if err == nil {
				err = copyBucket(to, tx.Bucket([]byte(stream)))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func copyBucket(to, from *bbolt.Bucket) error {
	return from.ForEach(func(k, v []byte) error {
		if v != nil {
			return to.Put(k, v)
		}
		inner, err := to.CreateBucket(k)
		if err != nil {
			return err
		}
		return copyBucket(inner, from.Bucket(k))
	})
}

func measureStatus(b *testing.B, streams []*collect.Collector, s *store.Store) {
	b.Helper()
	all := &collect.Streams{Concurrency: concurrency, Collectors: streams}
	for _, c := range streams {
		c.Store = s
	}
	server := httptest.NewServer(handler.New(handler.Config{Streams: all, Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	for name, path := range map[string]string{"status": "/status", "page": "/"} {
		var took []time.Duration
		size := 0
		for range 21 {
			took = append(took, timed(func() { size = get(b, server.URL+path) }))
		}
		b.ReportMetric(float64(median(took))/1e6, "ms-"+name)
		b.ReportMetric(float64(slices.Min(took))/1e6, "least-ms-"+name)
		b.ReportMetric(float64(size)/1024, "KiB-"+name)
	}
	b.ReportMetric(0, "ns/op")
}

// get returns the size of the answer.
func get(b *testing.B, url string) int {
	b.Helper()
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("GET %s: %d %s, %v", url, resp.StatusCode, body, err)
	}
	return len(body)
}
