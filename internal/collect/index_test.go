package collect

import (
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// TestIndexBorders has an object's only record at the edge of a page: it is
// loaded where both have a millisecond in common, and only there. An earlier
// build wrote the times in metadata to the microsecond.
func TestIndexBorders(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	window := store.Window{From: noon, To: noon.Add(time.Hour)}
	for _, offset := range []time.Duration{5 * time.Millisecond, 5*time.Millisecond + 300*time.Microsecond} {
		dir := writer.NewDir(t.TempDir(), "p")
		at := noon.Add(offset)
		if _, err := dir.Put(t.Context(), writer.Object{
			Name: writer.Name{Stream: "s", From: window.From, To: window.To, Page: 1},
			Data: []byte(`{"telephony_id":"x1"}` + "\n"),
			Meta: writer.Meta{Records: 1, First: at, Last: at, RunID: "r", Token: 1},
		}); err != nil {
			t.Fatal(err)
		}
		for ms, want := range map[int64]bool{3: false, 4: false, 5: true, 6: false, 7: false} {
			s, err := newIndex(t.Context(), Config{Log: &duo.Logs[0]}, []Bucket{dir}, around{from: window.From, to: window.To, lookback: time.Hour}, "s")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.load(t.Context(), []record.Record{{At: noon.UnixMilli() + ms}}); err != nil {
				t.Fatal(err)
			}
			if got := s.has(record.Read([]byte(`{"telephony_id":"x1"}`), duo.Logs[0], "").Written); got != want {
				t.Errorf("an object of %s, a page of %d ms: held is %t", offset, ms, got)
			}
		}
	}
}

// TestIndexUntimed has a page with a record that has no readable time: of the
// objects of other times only those are loaded that may hold it.
func TestIndexUntimed(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	window := store.Window{From: noon, To: noon.Add(time.Hour)}
	dir := writer.NewDir(t.TempDir(), "p")
	for page, meta := range []writer.Meta{{Untimed: 0}, {Untimed: 1}, {Untimed: -1}} {
		meta.Records, meta.First, meta.Last, meta.RunID, meta.Token = 1, noon.Add(time.Minute), noon.Add(time.Minute), "r", 1
		if _, err := dir.Put(t.Context(), writer.Object{
			Name: writer.Name{Stream: "s", From: window.From, To: window.To, Page: page}, Data: []byte("{}\n"), Meta: meta,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[int64][]bool{0: {false, true, true}, noon.UnixMilli(): {false, false, false}, noon.Add(time.Minute).UnixMilli(): {true, true, true}} {
		s, err := newIndex(t.Context(), Config{Log: &duo.Logs[0]}, []Bucket{dir}, around{from: window.From, to: window.To, lookback: time.Hour}, "s")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.load(t.Context(), []record.Record{{At: at}}); err != nil {
			t.Fatal(err)
		}
		for i, o := range s.objects {
			if loaded := o.ids != nil; loaded != want[i] {
				t.Errorf("for a record at %d, object %d is loaded: %v", at, i, loaded)
			}
		}
	}
}
