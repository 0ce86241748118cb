package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"duo-telephony-collector/internal/store"
)

// testProbe probes without a document and with a held lease, and changes nothing.
func testProbe(t *testing.T, b Backend) {
	s := b.Open()
	none := unchanged(t, b)
	if state, err := s.Probe(t.Context(), stream); err != nil || !state.Cursor.Watermark.IsZero() || state.Lease.Holder != "" {
		t.Errorf("without a document: %+v, %v", state, err)
	}
	none("a probe without a document")

	lease, _ := acquire(t, s, claim("first"))
	held := unchanged(t, b)
	state, err := b.Open().Probe(t.Context(), stream)
	mustDo(t, err)
	wantSame(t, "probed state", load(t, s, stream), state,
		cmpopts.IgnoreFields(store.State{}, "Now"), cmpopts.IgnoreUnexported(store.Lease{}))
	held("a probe")
	mustDo(t, s.Commit(t.Context(), lease, pages(1)))
}

// within changes a field of a nested map.
func within(outer, field string, value any) func(map[string]any) {
	return func(fields map[string]any) { fields[outer].(map[string]any)[field] = value }
}

func set(field string, value any) func(map[string]any) {
	return func(fields map[string]any) { fields[field] = value }
}

// testUnreadable edits the document by hand while a run holds the lease. Every
// operation fails and leaves it alone.
func testUnreadable(t *testing.T, b Backend) {
	for name, test := range map[string]struct {
		change func(map[string]any)
		names  string // what the error must name
	}{
		"schema 1":         {set("schema", 1), "schema 1"},
		"schema 4":         {set("schema", 4), "schema 4"},
		"schema text":      {set("schema", "3"), "schema"},
		"schema missing":   {func(fields map[string]any) { delete(fields, "schema") }, "schema"},
		"seq":              {set("seq", "many"), "seq"},
		"lease":            {set("lease", "mine"), "lease"},
		"token":            {within("lease", "token", "7"), "token"},
		"acquired_at":      {within("lease", "acquired_at", "yesterday"), ""},
		"cursor":           {set("cursor", 5), "cursor"},
		"watermark":        {within("cursor", "watermark", 5), ""},
		"window":           {within("cursor", "window", []int{1}), "window"},
		"gap":              {within("cursor", "gap", "none"), "gap"},
		"seen cut":         {within("seen", "1", []byte{2, 1, 1, 1}), "seen"},
		"seen nothing":     {within("seen", "1", []byte{}), "seen"},
		"seen a byte more": {within("seen", "1", []byte(strings.Repeat("\xff", 33))), "seen"},
		"seen unnumbered":  {within("seen", "one", []byte(strings.Repeat("\x02", 17))), "seen"},
	} {
		t.Run(name, func(t *testing.T) {
			b.Delete(stream)
			s := b.Open()
			lease, _ := acquire(t, s, claim("first"))
			b.Edit(stream, test.change)
			same := unchanged(t, b)
			for op, err := range everything(t.Context(), s, lease) {
				wantError(t, op, err, store.ErrSetup)
				if err != nil && !strings.Contains(err.Error(), test.names) {
					t.Errorf("%s: the error does not name %q: %v", op, test.names, err)
				}
			}
			same("an operation")
		})
	}
}

// everything tries each operation that reads the document.
func everything(ctx context.Context, s *store.Store, l *store.Lease) map[string]error {
	_, load := s.Load(ctx, stream)
	_, probe := s.Probe(ctx, stream)
	_, _, acquire := s.Acquire(ctx, stream, claim("second"))
	_, _, force := s.Acquire(ctx, stream, force("third"))
	return map[string]error{
		"Load":    load,
		"Probe":   probe,
		"Acquire": acquire,
		"Force":   force,
		"Commit":  s.Commit(ctx, l, pages(1)),
		"Finish":  s.Finish(ctx, l, pages(1), run("first")),
		"Release": s.Release(ctx, l, run("first")),
	}
}

// testDeleted deletes the document of a stream without a history.
func testDeleted(t *testing.T, b Backend) {
	s := b.Open()
	lease, _ := acquire(t, s, claim("first"))
	b.Delete(stream)
	expectLost(t, b, lease)
	wantSame(t, "document after a deletion", "", b.Raw(stream))
	next, cursor := acquire(t, s, claim("second"))
	if next.Token != 1 || cursor.Totals.Pages != 0 {
		t.Errorf("after a deletion: token %d, cursor %+v, want a start from nothing", next.Token, cursor)
	}
}

// testDeletedLater deletes the document of a stream with a history, between two
// runs and during one. Token and watermark go on from the history's last run.
func testDeletedLater(t *testing.T, b Backend) {
	s := b.Open()
	var watermark time.Time
	for n := range 3 {
		lease, _ := acquire(t, s, claim("run"))
		watermark = epoch.Add(time.Duration(n) * time.Minute)
		r := store.Run{ID: fmt.Sprint("run ", n), Token: lease.Token, Watermark: &watermark, StartedAt: watermark}
		mustDo(t, s.Finish(t.Context(), lease, filled[store.Cursor](t, n), r))
	}
	b.Delete(stream)
	want := store.Cursor{Watermark: watermark}
	state := load(t, s, stream)
	wantSame(t, "loaded cursor", want, state.Cursor)
	wantSame(t, "loaded holder", "", state.Lease.Holder)
	wantSame(t, "loaded token", 3, state.Lease.Token)
	for range 2 {
		lease, cursor := acquire(t, s, claim("next"))
		wantSame(t, "acquired cursor", want, cursor)
		wantSame(t, "acquired token", 4, lease.Token)
		wantSame(t, "stored cursor", want, load(t, s, stream).Cursor)
		b.Delete(stream)
		expectLost(t, b, lease)
	}
}

// testDeletedAndAnew: a run that never ended is not in the history, so its token is
// used again. That run must not mistake the new run's document for its own.
func testDeletedAndAnew(t *testing.T, b Backend) {
	s := b.Open()
	for _, then := range []string{"nothing", "commit", "finish", "release"} {
		t.Run(then, func(t *testing.T) {
			b.Delete(stream)
			old, _ := acquire(t, s, claim("old"))
			b.Delete(stream)
			anew, _ := acquire(t, s, claim("new"))
			if old.Token != anew.Token {
				t.Fatalf("tokens %d and %d, want the same one", old.Token, anew.Token)
			}
			write(t, s, anew, then)
			expectLost(t, b, old)
		})
	}
}

func testHistory(t *testing.T, b Backend) {
	s := b.Open()
	if runs := history(t, s, stream, 10); len(runs) != 0 {
		t.Errorf("history of nothing: %+v", runs)
	}
	for n := range 5 {
		lease, _ := acquire(t, s, claim("run"))
		r := filled[store.Run](t, 100*n)
		r.StartedAt = epoch.Add(time.Duration(n*7%5) * time.Second) // in no order
		r.Pages = n * 7 % 5
		mustDo(t, s.Finish(t.Context(), lease, pages(1), r))
	}
	for _, limit := range []int{1, 3, 5, 10} {
		var started []int
		for _, r := range history(t, b.Open(), stream, limit) {
			started = append(started, r.Pages)
		}
		newest := []int{4, 3, 2, 1, 0}
		wantSame(t, "runs by the order of their start", newest[:min(limit, 5)], started)
	}
}

// testSchema2 reads a document of the previous schema, whose Seen is useless: the
// window in progress is walked again from its start, and it and the overlap after
// it are checked against the bucket. The first write replaces the document.
func testSchema2(t *testing.T, b Backend) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	was := store.Cursor{
		Watermark: from.Add(10 * time.Minute), SeenFrom: from,
		Window: store.Window{From: from, To: to, Gzip: true, Page: 3, Offset: "1772366401000,x", Last: from.Add(time.Minute)},
		Seen:   store.Seen(nil).With(sightings(1, 700), 5, 4).With(sightings(2, 700), 5, 4),
		Totals: store.Totals{Pages: 3},
	}
	between := was
	between.Window = store.Window{}
	redelivery := was
	redelivery.Backfill = &store.Backfill{From: from, To: to, Redeliver: true}
	for name, test := range map[string]struct{ was, want store.Cursor }{
		"in a window": {was, store.Cursor{
			Watermark: was.Watermark, SeenFrom: was.SeenFrom, Recheck: to, Totals: was.Totals,
			Window: store.Window{From: from, To: to, Gzip: true, Page: 3},
		}},
		"between windows": {between, store.Cursor{Watermark: was.Watermark, SeenFrom: was.SeenFrom, Recheck: was.Watermark, Totals: was.Totals}},
		"redelivery": {redelivery, store.Cursor{
			Watermark: was.Watermark, SeenFrom: was.SeenFrom, Totals: was.Totals, Window: was.Window, Backfill: redelivery.Backfill,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b.Delete(stream)
			s := b.Open()
			lease, _ := acquire(t, s, claim("old"))
			mustDo(t, s.Finish(t.Context(), lease, test.was, run("old")))
			b.Edit(stream, func(fields map[string]any) {
				fields["schema"] = 2
				for number := range fields["seen"].(map[string]any) {
					fields["seen"].(map[string]any)[number] = []byte{2, 1, 1, 1}
				}
			})
			wantSame(t, "read", test.want, load(t, b.Open(), stream).Cursor)
			lease, got := acquire(t, s, claim("new"))
			wantSame(t, "acquired", test.want, got)
			got.Seen = got.Seen.With(sightings(3, 1), 9, 8)
			mustDo(t, s.Commit(t.Context(), lease, got))
			wantSame(t, "committed", got, load(t, b.Open(), stream).Cursor)
		})
	}
}
