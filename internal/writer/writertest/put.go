package writertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

func testRoundTrip(t *testing.T, b Bucket) {
	for i, meta := range []writer.Meta{
		object("").Meta,
		{},
		{Next: `quoted "x", 'y' \z`, Records: 1000, RunID: "run 2", Token: 1 << 60, Account: "api-1234abcd.duosecurity.com", Untimed: 7},
		{Next: "päge,次", First: at(1, 0, 0)},
		{Last: at(1, 0, 0).Add(time.Microsecond)},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w := b.Open("p")
			want := writer.Object{Name: page(i), Data: []byte("{\"a\":1}\n{\"b\":\"é\"}\n"), Meta: meta}
			mustPut(t, w, want)
			got, err := w.Get(t.Context(), want.Name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("object (-put +got):\n%s", diff)
			}
		})
	}
}

func testGzip(t *testing.T, b Bucket) {
	w, o := b.Open("p"), object(strings.Repeat("{\"a\":1}\n", 500))
	o.Name.Gzip = true
	mustPut(t, w, o)
	mustPut(t, w, o)
	got, err := w.Get(t.Context(), o.Name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Data, o.Data) {
		t.Error("Get did not return the plain text")
	}
	r, err := gzip.NewReader(bytes.NewReader(b.Objects(t)["p/"+o.Name.String()]))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(plain, o.Data) {
		t.Errorf("the stored bytes unpack to something else, %v", err)
	}
}

func testPrefixes(t *testing.T, b Bucket) {
	for prefix, folder := range map[string]string{
		"":       "",
		"/":      "",
		"/a/":    "a/",
		"b/c":    "b/c/",
		"//d//e": "d/e/",
	} {
		t.Run(prefix, func(t *testing.T) {
			w, o := b.Open(prefix), object("{}\n")
			o.Name.Page = len(prefix) // "" and "/" are the same place
			mustPut(t, w, o)
			key := folder + o.Name.String()
			if _, ok := b.Objects(t)[key]; !ok {
				t.Errorf("no object %q", key)
			}
			if uri := w.URI(o.Name); !strings.HasSuffix(uri, "/"+key) {
				t.Errorf("URI = %q, want the end %q", uri, key)
			}
			if names := list(t, w, at(14, 9, 0), at(14, 10, 0)); !slices.Contains(names, o.Name) {
				t.Errorf("List = %v", names)
			}
		})
	}
}

func testSameAgain(t *testing.T, b Bucket) {
	w, o := b.Open("p"), object("{\"a\":1}\n")
	mustPut(t, w, o)
	o.Meta.RunID, o.Meta.Token = "run-2", 8
	mustPut(t, w, o)
	got, err := w.Get(t.Context(), o.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got.Meta.RunID != "run-1" {
		t.Errorf("the object is now of %s", got.Meta.RunID)
	}
}

func testTaken(t *testing.T, b Bucket) {
	first, second := object("{\"a\":1}\n"), object("{\"a\":2}\n")
	second.Meta = writer.Meta{Next: "other", Records: 2, RunID: "run-2", Token: 8}
	wantAdopted(t, b, first, second)
}

// If the same records have another next offset this time, the first attempt's
// object is adopted.
func testTakenSameBytes(t *testing.T, b Bucket) {
	first, second := object("{\"a\":1}\n"), object("{\"a\":1}\n")
	second.Meta.Next = "other"
	wantAdopted(t, b, first, second)
}

// wantAdopted puts both. The second Put must return the first object, and the
// bucket keep it.
func wantAdopted(t *testing.T, b Bucket, first, second writer.Object) {
	t.Helper()
	w := b.Open("p")
	mustPut(t, w, first)
	there, err := w.Put(t.Context(), second)
	if err != nil || there == nil {
		t.Fatalf("Put = %v, %v, want the first object", there, err)
	}
	if diff := cmp.Diff(first, *there); diff != "" {
		t.Errorf("returned (-first +got):\n%s", diff)
	}
	kept, err := w.Get(t.Context(), first.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, kept); diff != "" {
		t.Errorf("kept (-first +got):\n%s", diff)
	}
}

func testConcurrent(t *testing.T, b Bucket) {
	const writers = 20
	type result struct {
		there *writer.Object
		err   error
	}
	results := make([]result, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			o := object(fmt.Sprintf("{\"a\":%d}\n", i))
			o.Meta.RunID = fmt.Sprint(i)
			there, err := b.Open("p").Put(t.Context(), o)
			results[i] = result{there, err}
		})
	}
	wg.Wait()
	kept, err := b.Open("p").Get(t.Context(), page(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		switch winner := kept.Meta.RunID == fmt.Sprint(i); {
		case r.err != nil:
			t.Errorf("writer %d: %v", i, r.err)
		case winner && r.there != nil:
			t.Errorf("writer %d created the object and was given another", i)
		case !winner && (r.there == nil || !cmp.Equal(*r.there, kept)):
			t.Errorf("writer %d was given %v, want the object of writer %s", i, r.there, kept.Meta.RunID)
		}
	}
	if want := fmt.Sprintf("{\"a\":%s}\n", kept.Meta.RunID); string(kept.Data) != want {
		t.Errorf("kept %q with metadata of %q", kept.Data, want)
	}
	if keys := slices.Collect(maps.Keys(b.Objects(t))); len(keys) != 1 {
		t.Errorf("objects %q, want one", keys)
	}
}

func testForeign(t *testing.T, b Bucket) {
	w, o := b.Open("p"), object("{\"a\":1}\n")
	key := "p/" + o.Name.String()
	b.Plant(t, key, []byte("somebody else's\n"))
	_, err := w.Put(t.Context(), o)
	if !errors.Is(err, writer.ErrForeign) || !strings.Contains(err.Error(), w.URI(o.Name)) {
		t.Errorf("Put = %v, want ErrForeign with the object's name", err)
	}
	if got, err := w.Get(t.Context(), o.Name); !errors.Is(err, writer.ErrForeign) || string(got.Data) != "somebody else's\n" {
		t.Errorf("Get = %q, %v, want what is there and ErrForeign", got.Data, err)
	}
	o.Name.Gzip = true // unpacked before it was uploaded
	b.Plant(t, "p/"+o.Name.String(), []byte("plain\n"))
	if got, err := w.Get(t.Context(), o.Name); !errors.Is(err, writer.ErrForeign) || string(got.Data) != "plain\n" {
		t.Errorf("Get of what is no gzip = %q, %v", got.Data, err)
	}
	if got := b.Objects(t)[key]; string(got) != "somebody else's\n" {
		t.Errorf("the object is now %q", got)
	}
}

func testCancelled(t *testing.T, b Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := b.Open("p")
	if _, err := w.Put(ctx, object("{}\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if _, err := w.Get(ctx, page(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want context.Canceled", err)
	}
	if _, err := w.Read(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want context.Canceled", err)
	}
	if objects := b.Objects(t); len(objects) != 0 {
		t.Errorf("%d objects, want none", len(objects))
	}
}
