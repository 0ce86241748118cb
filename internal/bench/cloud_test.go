package bench_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const stream = "telephony"

// cloud has the real clients, connected to the servers and to Firestore's emulator.
type cloud struct {
	duo       *duo.Client
	objects   *storage.Client
	documents *firestore.Client
}

// connect has Firestore's answers wait.
func connect(b testing.TB, at addresses, wait time.Duration) *cloud {
	b.Helper()
	documents, err := firestore.NewClient(b.Context(), "demo", option.WithEndpoint(emulator.Firestore(b)), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		option.WithGRPCDialOption(grpc.WithUnaryInterceptor(slowly(wait))), option.WithGRPCDialOption(grpc.WithStreamInterceptor(slowlyStream(wait))))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { documents.Close() })
	objects, err := storage.NewClient(b.Context(), storage.WithJSONReads(), option.WithoutAuthentication(),
		option.WithEndpoint("http://"+at.Storage+"/storage/v1/"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { objects.Close() })
	warmUp(b, documents)
	return &cloud{duo: newDuo(at.Duo), objects: objects, documents: documents}
}

// warmUp sends one request of each kind: on a busy machine the first answers of a
// new emulator take longer than the store waits.
func warmUp(b testing.TB, documents *firestore.Client) {
	b.Helper()
	at := documents.Collection(strings.ToLower(rand.Text()))
	_, writeErr := at.Doc("first").Set(b.Context(), map[string]any{"at": time.Now()})
	_, readErr := at.Doc("first").Get(b.Context())
	_, queryErr := at.OrderBy("at", firestore.Desc).Limit(1).Documents(b.Context()).GetAll()
	if err := errors.Join(writeErr, readErr, queryErr); err != nil {
		b.Fatal(err)
	}
}

func newDuo(addr string) *duo.Client {
	return duo.New(duo.Config{IKey: "ikey", Secret: func() (string, error) { return "skey", nil }, Host: apiHost, URL: "http://" + addr})
}

func slowly(wait time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		time.Sleep(wait)
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

func slowlyStream(wait time.Duration) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		time.Sleep(wait)
		return open(ctx, desc, cc, method, opts...)
	}
}

// place is an empty bucket and an empty collection.
type place struct {
	*cloud
	bucket string
	stream *firestore.DocumentRef
}

func (c *cloud) place(b testing.TB) place {
	b.Helper()
	p := place{cloud: c, bucket: strings.ToLower(rand.Text()), stream: c.documents.Collection(strings.ToLower(rand.Text())).Doc(stream)}
	if err := c.objects.Bucket(p.bucket).Create(b.Context(), "demo", nil); err != nil {
		b.Fatal(err)
	}
	return p
}

func (c *cloud) made(context.Context) (*firestore.Client, error) { return c.documents, nil }

func (p place) collector() *collect.Collector {
	return newCollector(p.duo, store.NewFirestore(p.made, p.stream.Parent.ID), writer.NewGCS(p.objects, p.bucket, "duo"))
}

// newCollector collects everything that an account has in one window.
func newCollector(d *duo.Client, s collect.Store, w collect.Bucket) *collect.Collector {
	const wide = 170 * 24 * time.Hour
	return &collect.Collector{Duo: d, Store: s, Bucket: w, Logger: slog.New(slog.DiscardHandler), Config: collect.Config{
		Log: &duo.Logs[0], Host: apiHost, Enrich: true, Budget: 9 * time.Minute,
		Lookback: wide, Delay: 150 * time.Second, Overlap: 10 * time.Minute, MaxWindow: wide,
	}}
}

// runPages makes a run deliver exactly that many pages.
func runPages(b testing.TB, c *collect.Collector, pages int) {
	b.Helper()
	c.MaxPages = pages
	if r := c.Run(b.Context(), collect.Job{}); r.Err != nil || r.Pages != pages {
		b.Fatalf("the run is %s after %d pages: %s", r.Outcome, r.Pages, r.Reason)
	}
}

// sample is what a run writes for a page in the middle of a walk.
type sample struct {
	data     []byte
	metadata map[string]string
	document map[string]any
}

// part is the part of Seen with a page's identities.
func (s sample) part() any {
	for _, packed := range s.document["seen"].(map[string]any) {
		return packed
	}
	return nil
}

// sample takes a sample from a run that stops after three pages, with a window in
// progress.
func (p place) sample(b testing.TB) sample { return p.sampleBy(b, p.collector()) }

func (p place) sampleBy(b testing.TB, c *collect.Collector) sample {
	b.Helper()
	runPages(b, c, 3)
	snap, err := p.stream.Get(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	attrs, err := p.objects.Bucket(p.bucket).Objects(b.Context(), nil).Next()
	if err != nil {
		b.Fatal(err)
	}
	r, err := p.objects.Bucket(p.bucket).Object(attrs.Name).NewReader(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	return sample{data: data, metadata: attrs.Metadata, document: snap.Data()}
}

// upload sends the one request that makes an object durable, with the writer's
// settings.
func (p place) upload(b testing.TB, s sample, name string) {
	w := p.objects.Bucket(p.bucket).Object(name).If(storage.Conditions{DoesNotExist: true}).NewWriter(b.Context())
	w.ChunkSize = len(s.data) + 1024
	w.CRC32C, w.SendCRC32C = crc32.Checksum(s.data, crc32.MakeTable(crc32.Castagnoli)), true
	w.Metadata, w.ContentType = s.metadata, "application/x-ndjson"
	if _, err := w.Write(s.data); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// begin makes the document that commits replace.
func (p place) begin(b testing.TB, s sample) time.Time {
	b.Helper()
	res, err := p.stream.Set(b.Context(), s.document)
	if err != nil {
		b.Fatal(err)
	}
	return res.UpdateTime
}

// commit is the one conditional write that moves a cursor of the same size: it adds
// a page's identities and deletes the last page's. It returns the version for the
// next one.
func (p place) commit(b testing.TB, s sample, seq int, version time.Time) time.Time {
	part := func(n int) firestore.FieldPath { return firestore.FieldPath{"seen", fmt.Sprint(n)} }
	res, err := p.stream.Update(b.Context(), []firestore.Update{
		{Path: "seq", Value: seq}, {Path: "lease", Value: s.document["lease"]}, {Path: "cursor", Value: s.document["cursor"]},
		{FieldPath: part(seq), Value: s.part()}, {FieldPath: part(seq - 1), Value: firestore.Delete},
	}, firestore.LastUpdateTime(version))
	if err != nil {
		b.Fatal(err)
	}
	return res.UpdateTime
}
