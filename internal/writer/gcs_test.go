package writer_test

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	raw "google.golang.org/api/storage/v1"

	"duo-telephony-collector/internal/writer"
	"duo-telephony-collector/internal/writer/writertest"
)

const bucketName = "bucket"

// fakeGCS is a storage server on loopback with one empty bucket. All requests go
// through front, where a test injects faults.
type fakeGCS struct {
	*fakestorage.Server
	client *storage.Client
}

func startGCS(t *testing.T, front func(server http.Handler) http.Handler) *fakeGCS {
	t.Helper()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucketName})
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "fake"})
	proxy.Transport = fake.HTTPClient().Transport
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := httptest.NewServer(front(proxy))
	t.Cleanup(server.Close)
	client, err := storage.NewClient(t.Context(), storage.WithJSONReads(),
		option.WithoutAuthentication(), option.WithEndpoint(server.URL+"/storage/v1/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &fakeGCS{Server: fake, client: client}
}

// noFault is a front without faults.
func noFault(server http.Handler) http.Handler { return server }

func (f *fakeGCS) plant(t *testing.T, key string, data []byte) {
	t.Helper()
	w := f.client.Bucket(bucketName).Object(key).NewWriter(t.Context())
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// objects returns all objects in the bucket.
func (f *fakeGCS) objects(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	bucket := f.client.Bucket(bucketName)
	for it := bucket.Objects(t.Context(), nil); ; {
		attrs, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := f.GetObject(bucketName, attrs.Name)
		if err != nil {
			t.Fatal(err)
		}
		found[attrs.Name] = o.Content
	}
}

func TestGCS(t *testing.T) {
	writertest.Test(t, func(t *testing.T) writertest.Bucket {
		fake := startGCS(t, noFault)
		return writertest.Bucket{
			Open: func(prefix string) writertest.Writer {
				return writer.NewGCS(fake.client, bucketName, prefix)
			},
			Plant:   fake.plant,
			Objects: fake.objects,
		}
	})
}

func TestGCSObject(t *testing.T) {
	fake := startGCS(t, noFault)
	w := writer.NewGCS(fake.client, bucketName, "/p/")
	plain := pageOne("{}\n", "")
	zipped := plain
	zipped.Name.Gzip = true
	for _, test := range []struct {
		object      writer.Object
		contentType string
	}{
		{plain, "application/x-ndjson"},
		{zipped, "application/gzip"},
	} {
		mustPut(t, w, test.object)
		key := "p/" + test.object.Name.String()
		if got, want := w.URI(test.object.Name), "gs://bucket/"+key; got != want {
			t.Errorf("URI = %s, want %s", got, want)
		}
		attrs, err := fake.client.Bucket(bucketName).Object(key).Attrs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if attrs.ContentType != test.contentType || attrs.ContentEncoding != "" {
			t.Errorf("%s is %q, encoded %q", key, attrs.ContentType, attrs.ContentEncoding)
		}
	}
}

// listing answers list requests with total names in our form, a thousand each.
type listing struct {
	total   int
	queries []url.Values
}

func (l *listing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	l.queries = append(l.queries, query)
	start, _ := strconv.Atoi(query.Get("pageToken"))
	end := min(start+1000, l.total)
	var answer raw.Objects
	name := pageOne("", "").Name
	for name.Page = start; name.Page < end; name.Page++ {
		answer.Items = append(answer.Items, &raw.Object{
			Name:     query.Get("prefix") + name.String(),
			Metadata: map[string]string{"written-by": "duo-telephony-collector", "records": "0", "token": "1"},
		})
	}
	if end < l.total {
		answer.NextPageToken = strconv.Itoa(end)
	}
	json.NewEncoder(w).Encode(answer)
}

// A listing goes on after the thousand names of one answer, and starts no earlier
// than from - widest.
func TestGCSListPages(t *testing.T) {
	server := &listing{total: 2001}
	fake := startGCS(t, func(http.Handler) http.Handler { return server })
	w := writer.NewGCS(fake.client, bucketName, "p")
	listed := 0
	for info, err := range w.List(t.Context(), from, to, 36*time.Hour) {
		if err != nil || info.Name.Page != listed {
			t.Fatalf("entry %d is %s, %v", listed, info.Name, err)
		}
		listed++
	}
	if listed != server.total || len(server.queries) != 3 {
		t.Errorf("listed %d names in %d requests, want %d in 3", listed, len(server.queries), server.total)
	}
	for _, q := range server.queries {
		if q.Get("startOffset") != "p/2026/03/12" || q.Get("endOffset") != "p/2026/03/16" || q.Get("prefix") != "p/" {
			t.Errorf("asked for %v", q)
		}
	}
}

// A slow reader does not run into a time-out, which is for each request.
func TestGCSListTimesOutPerPage(t *testing.T) {
	server := &listing{total: 1001}
	fake := startGCS(t, func(http.Handler) http.Handler { return server })
	w := writer.NewGCS(fake.client, bucketName, "p")
	var last error
	for _, err := range w.List(t.Context(), from, to, 0) {
		w.SetTimeout(1) // too short for another request
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "no success within 1ns") {
		t.Errorf("List ended with %v, want its second page timed out", last)
	}
}
