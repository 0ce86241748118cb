package writertest

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

func testMissing(t *testing.T, b Bucket) {
	w := b.Open("p")
	_, err := w.Get(t.Context(), page(1))
	wantError(t, "Get", err, fs.ErrNotExist)
	_, err = w.Read(t.Context(), "state.json")
	wantError(t, "Read", err, fs.ErrNotExist)
	if names := list(t, w, at(1, 0, 0), at(30, 0, 0)); len(names) != 0 {
		t.Errorf("List = %v, want nothing", names)
	}
}

func testRead(t *testing.T, b Bucket) {
	const limit = 1 << 20
	b.Plant(t, "old/state.json", []byte(`{"last_timestamp_ms":1}`))
	b.Plant(t, "empty", nil)
	b.Plant(t, "full", bytes.Repeat([]byte("x"), limit))
	b.Plant(t, "over", bytes.Repeat([]byte("x"), limit+1))
	w := b.Open("p")
	for key, size := range map[string]int{"old/state.json": 23, "empty": 0, "full": limit} {
		if got, err := w.Read(t.Context(), key); err != nil || len(got) != size {
			t.Errorf("Read(%s) = %d bytes, %v, want %d", key, len(got), err, size)
		}
	}
	if got, err := w.Read(t.Context(), "over"); err == nil {
		t.Errorf("Read = %d bytes of an object over the limit, want an error", len(got))
	}
}

func testList(t *testing.T, b Bucket) {
	w := b.Open("p")
	window := func(stream string, number int, from, to time.Time) writer.Name {
		return writer.Name{Stream: stream, From: from, To: to, Page: number}
	}
	var (
		// In the order of names.
		dayBefore  = window("telephony", 1, at(13, 10, 0), at(14, 10, 0))
		backfill   = window("telephony-backfill", 1, at(14, 8, 0), at(14, 12, 0))
		before     = window("telephony", 1, at(14, 8, 0), at(14, 9, 0))
		firstPage  = window("telephony", 1, at(14, 9, 0), at(14, 10, 0))
		secondPage = window("telephony", 2, at(14, 9, 0), at(14, 10, 0))
		nextDay    = window("telephony", 1, at(15, 0, 0), at(15, 1, 0))
	)
	zipped := secondPage
	zipped.Page, zipped.Gzip = 3, true
	for _, name := range []writer.Name{nextDay, secondPage, zipped, firstPage, before, backfill, dayBefore} {
		mustPut(t, w, object(name, "{\"a\":1}\n"))
	}
	for _, key := range []string{
		"p/state.json", "p/2026/03/14/notes.txt", "p/2026/03/14/old/" + firstPage.String(),
		firstPage.String(), "p/api-0a1b2c3d.duosecurity.com/" + firstPage.String(), "q/" + firstPage.String(), "p2/" + firstPage.String(),
	} {
		b.Plant(t, key, []byte("{}\n"))
	}
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     []writer.Name
	}{
		{"inside", at(14, 9, 10), at(14, 9, 20), []writer.Name{dayBefore, backfill, firstPage, secondPage, zipped}},
		{"its end is not in a window", at(14, 10, 0), at(14, 11, 0), []writer.Name{backfill}},
		{"its last millisecond is", at(14, 10, 0).Add(-time.Millisecond), at(14, 11, 0),
			[]writer.Name{dayBefore, backfill, firstPage, secondPage, zipped}},
		{"the end of the range is not in it", at(14, 7, 0), at(14, 8, 0), []writer.Name{dayBefore}},
		{"over midnight", at(14, 11, 59), at(15, 0, 30), []writer.Name{backfill, nextDay}},
		{"all", at(1, 0, 0), at(30, 0, 0), []writer.Name{dayBefore, backfill, before, firstPage, secondPage, zipped, nextDay}},
		{"later", at(20, 0, 0), at(30, 0, 0), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, list(t, w, test.from, test.to)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
	for info, err := range w.List(t.Context(), at(14, 9, 0), at(14, 10, 0), day) {
		if err != nil || !cmp.Equal(info.Meta, object(page(1), "").Meta) {
			t.Errorf("metadata of %s is %v, %v", info.Name, info.Meta, err)
		}
	}
}

const day = 24 * time.Hour

// list returns the names of a listing of windows at most a day wide.
func list(t *testing.T, w Writer, from, to time.Time) []writer.Name {
	t.Helper()
	var names []writer.Name
	for info, err := range w.List(t.Context(), from, to, day) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// A foreign object with a name in our form may hold records of the range. If a
// listing left it out, they would be written twice. The listing goes on after it.
func testListForeign(t *testing.T, b Bucket) {
	w := b.Open("p")
	b.Plant(t, "p/"+page(1).String(), []byte("{}\n"))
	mustPut(t, w, object(page(2), "{}\n"))
	var names []writer.Name
	for info, err := range w.List(t.Context(), at(14, 0, 0), at(15, 0, 0), day) {
		if foreign := errors.Is(err, writer.ErrForeign); foreign != (info.Name.Page == 1) || !foreign && err != nil {
			t.Errorf("page %d is listed with %v", info.Name.Page, err)
		}
		names = append(names, info.Name)
	}
	if diff := cmp.Diff([]writer.Name{page(1), page(2)}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func testListStops(t *testing.T, b Bucket) {
	w := b.Open("p")
	for i := range 3 {
		mustPut(t, w, object(page(i), "{}\n"))
	}
	for info, err := range w.List(t.Context(), at(14, 0, 0), at(15, 0, 0), day) {
		if err != nil || info.Name.Page != 0 {
			t.Errorf("went on to %v, %v", info.Name, err)
		}
		break
	}
}
