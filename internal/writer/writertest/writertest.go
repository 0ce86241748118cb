// Package writertest has the tests that every writer must pass.
//
//	func TestDir(t *testing.T) {
//		writertest.Test(t, func(t *testing.T) writertest.Bucket { … })
//	}
package writertest

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

// Writer is what is tested.
type Writer interface {
	Put(ctx context.Context, o writer.Object) (*writer.Object, error)
	Get(ctx context.Context, name writer.Name) (writer.Object, error)
	Read(ctx context.Context, key string) ([]byte, error)
	List(ctx context.Context, from, to time.Time, widest time.Duration) iter.Seq2[writer.Info, error]
	URI(name writer.Name) string
}

// Bucket is an empty bucket, with access to it behind a Writer's back.
type Bucket struct {
	// Open returns a Writer on the bucket.
	Open func(prefix string) Writer
	// Plant adds a foreign object.
	Plant func(t *testing.T, key string, data []byte)
	// Objects returns the bytes of all objects that a feed would read, by key.
	Objects func(t *testing.T) map[string][]byte
}

// Test runs the suite. Each call of open returns an empty bucket.
func Test(t *testing.T, open func(t *testing.T) Bucket) {
	for name, test := range map[string]func(*testing.T, Bucket){
		"round trip":   testRoundTrip,
		"gzip":         testGzip,
		"prefixes":     testPrefixes,
		"same again":   testSameAgain,
		"taken":        testTaken,
		"concurrent":   testConcurrent,
		"foreign":      testForeign,
		"cancelled":    testCancelled,
		"missing":      testMissing,
		"read":         testRead,
		"list":         testList,
		"list foreign": testListForeign,
		"list stops":   testListStops,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// at is a time in March 2026, to the millisecond.
func at(day, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 250_000_000, time.UTC)
}

// page is the name of a page of an hour's window.
func page(number int) writer.Name {
	return writer.Name{Stream: "telephony", From: at(14, 9, 0), To: at(14, 10, 0), Page: number}
}

// object is a page as a run puts it.
func object(name writer.Name, data string) writer.Object {
	return writer.Object{
		Name: name,
		Data: []byte(data),
		Meta: writer.Meta{
			Next:    "1773482400000,5bf1b1d2-c0b6-4f5c-a6e8-aaaaaaaaaaaa",
			Records: 1,
			First:   at(14, 9, 1).Add(123 * time.Microsecond),
			Last:    at(14, 9, 59),
			RunID:   "run-1",
			Token:   7,
		},
	}
}

// mustPut puts an object whose name must be free.
func mustPut(t *testing.T, w Writer, o writer.Object) {
	t.Helper()
	there, err := w.Put(t.Context(), o)
	if err != nil || there != nil {
		t.Fatalf("Put(%s) = %v, %v, want nil, nil", o.Name, there, err)
	}
}

// wantKept expects the object that was put.
func wantKept(t *testing.T, w Writer, put writer.Object) {
	t.Helper()
	got, err := w.Get(t.Context(), put.Name)
	if diff := cmp.Diff(put, got); err != nil || diff != "" {
		t.Errorf("Get(%s): %v (-put +got):\n%s", put.Name, err, diff)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
