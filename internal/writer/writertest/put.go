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
		object(page(1), "").Meta,
		{},
		{Next: `quoted "x", 'y' \z`, Records: 1000, RunID: "run 2", Token: 1 << 60, Account: "api-1234abcd.duosecurity.com", Untimed: 7},
		{Next: "päge,次", First: at(1, 0, 0)},
		{Last: at(1, 0, 0).Add(time.Microsecond)},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w := b.Open("p")
			want := writer.Object{Name: page(i), Data: []byte("{\"a\":1}\n{\"b\":\"é\"}\n"), Meta: meta}
			mustPut(t, w, want)
			wantKept(t, w, want)
		})
	}
}

func testGzip(t *testing.T, b Bucket) {
	w, o := b.Open("p"), object(page(1), strings.Repeat("{\"a\":1}\n", 500))
	o.Name.Gzip = true
	mustPut(t, w, o)
	mustPut(t, w, o)
	wantKept(t, w, o)
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
			w, o := b.Open(prefix), object(page(len(prefix)), "{}\n") // "" and "/" are the same place
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
	w, first := b.Open("p"), object(page(1), "{\"a\":1}\n")
	mustPut(t, w, first)
	again := first
	again.Meta.RunID, again.Meta.Token = "run-2", 8
	mustPut(t, w, again)
	wantKept(t, w, first)
}

// testTaken puts two objects under one name, with other records, or with the same ones
// and only another next offset: the second Put returns the first, which is kept.
func testTaken(t *testing.T, b Bucket) {
	first, other := object(page(1), "{\"a\":1}\n"), object(page(1), "{\"a\":2}\n")
	other.Meta = writer.Meta{Next: "other", Records: 2, RunID: "run-2", Token: 8}
	same := first
	same.Meta.Next = "other"
	for prefix, second := range map[string]writer.Object{"p": other, "q": same} {
		w := b.Open(prefix)
		mustPut(t, w, first)
		there, err := w.Put(t.Context(), second)
		if err != nil || there == nil {
			t.Fatalf("Put = %v, %v, want the first object", there, err)
		}
		if diff := cmp.Diff(first, *there); diff != "" {
			t.Errorf("returned (-first +got):\n%s", diff)
		}
		wantKept(t, w, first)
	}
}

func testConcurrent(t *testing.T, b Bucket) {
	const writers = 20
	var there [writers]*writer.Object
	var errs [writers]error
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			o := object(page(1), fmt.Sprintf("{\"a\":%d}\n", i))
			o.Meta.RunID = fmt.Sprint(i)
			there[i], errs[i] = b.Open("p").Put(t.Context(), o)
		})
	}
	wg.Wait()
	kept, err := b.Open("p").Get(t.Context(), page(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range there {
		switch winner := kept.Meta.RunID == fmt.Sprint(i); {
		case errs[i] != nil:
			t.Errorf("writer %d: %v", i, errs[i])
		case winner && got != nil:
			t.Errorf("writer %d created the object and was given another", i)
		case !winner && (got == nil || !cmp.Equal(*got, kept)):
			t.Errorf("writer %d was given %v, want the object of writer %s", i, got, kept.Meta.RunID)
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
	w := b.Open("p")
	for _, gzip := range []bool{false, true} { // it may have been unpacked before it was uploaded
		o := object(page(1), "{\"a\":1}\n")
		o.Name.Gzip = gzip
		key := "p/" + o.Name.String()
		b.Plant(t, key, []byte("somebody else's\n"))
		_, err := w.Put(t.Context(), o)
		if !errors.Is(err, writer.ErrForeign) || !strings.Contains(err.Error(), w.URI(o.Name)) {
			t.Errorf("Put = %v, want ErrForeign with the object's name", err)
		}
		got, err := w.Get(t.Context(), o.Name)
		if !errors.Is(err, writer.ErrForeign) || string(got.Data) != "somebody else's\n" {
			t.Errorf("Get = %q, %v, want what is there and ErrForeign", got.Data, err)
		}
		if got := b.Objects(t)[key]; string(got) != "somebody else's\n" {
			t.Errorf("the object is now %q", got)
		}
	}
}

func testCancelled(t *testing.T, b Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := b.Open("p")
	_, err := w.Put(ctx, object(page(1), "{}\n"))
	wantError(t, "Put", err, context.Canceled)
	_, err = w.Get(ctx, page(1))
	wantError(t, "Get", err, context.Canceled)
	_, err = w.Read(ctx, "x")
	wantError(t, "Read", err, context.Canceled)
	if objects := b.Objects(t); len(objects) != 0 {
		t.Errorf("%d objects, want none", len(objects))
	}
}
