package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

var errNoState = fmt.Errorf("%w: there is no object old/state.json", collect.ErrImport)

// noState has every run of a stream that has not begun fail before its lease.
func (w *world) noState() {
	w.FirstMark = func(context.Context) (time.Time, error) { return time.Time{}, errNoState }
}

// unrecorded is what GET /status says of a failure that the history lacks.
func (w *world) unrecorded() *collect.Summary {
	w.t.Helper()
	var s struct{ Unrecorded *collect.Summary }
	a := w.send(http.MethodGet, "/status", "", nil)
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || !strings.Contains(a.body, `"unrecorded":`) {
		w.t.Fatalf("status = %s, %v", a.body, err)
	}
	return s.Unrecorded
}

// wantPage expects these words on the page.
func (w *world) wantPage(status int, words ...string) {
	w.t.Helper()
	body := w.page(status, nil)
	for _, want := range words {
		if !strings.Contains(body, want) {
			w.t.Errorf("the page does not hold %q:\n%s", want, seen(body))
		}
	}
}

// TestFailedBeforeLease has runs fail before they have the lease, of something
// else than the store: they are in the history, and change nothing else.
func TestFailedBeforeLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	w.noState()
	first := w.run("/", push, http.StatusInternalServerError)
	w.now = w.now.Add(time.Second)
	second := w.run("/run", "", http.StatusInternalServerError)
	w.run("/run", `{"dry_run":true}`, http.StatusInternalServerError)
	s := w.status()
	if diff := cmp.Diff([]collect.Summary{second.Summary, first.Summary}, s.Runs); diff != "" || second.Reason != errNoState.Error() {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if s.Lease != nil || s.Status.Watermark != nil || w.unrecorded() != nil {
		t.Errorf("lease %v, watermark %v, unrecorded %v", s.Lease, s.Status.Watermark, w.unrecorded())
	}
	w.wantPage(http.StatusOK, "<title>A person must act", "<dt>Why</dt><dd>"+errNoState.Error())
	mark := w.now.Add(-12 * time.Hour)
	w.FirstMark = func(context.Context) (time.Time, error) { return mark, nil }
	if r := w.complete(); !r.Window.From.Equal(mark) || r.Records != 23 {
		t.Errorf("%d records from %s, want 23 from %s", r.Records, r.Window.From, mark)
	}
}

// TestFailedBeforeLeaseMark expects the record of such a run to have the
// watermark: of it a document that is deleted is made anew.
func TestFailedBeforeLeaseMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mark := w.now.Add(time.Hour)
	if err := w.store.Finish(t.Context(), w.hold(), store.Cursor{Watermark: mark}, store.Run{ID: "x", StartedAt: w.now.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	r := w.run("/", push, http.StatusInternalServerError)
	last := w.status().Runs[0]
	if last.ID != r.ID || !last.Watermark.Equal(mark) || last.Token != 2 || last.StartedAt.Sub(w.now).Abs() > time.Minute || *last.LagSeconds != 0 {
		t.Errorf("recorded %+v", last)
	}
	if at := w.state(stream).Cursor.Watermark; !at.Equal(mark) {
		t.Errorf("the watermark is %s, want %s", at, mark)
	}
	w.wantPage(http.StatusOK, "the watermark lies in the future, so every run fails.</h1>")
}

// TestUnrecorded has the store out of reach: this instance remembers, and shows
// it wherever somebody looks, until a run succeeds.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	w.spoil()
	r := w.run("/", push, http.StatusInternalServerError)
	if got := w.unrecorded(); got == nil || got.ID != r.ID || got.Reason != r.Reason || !got.StartedAt.Equal(r.StartedAt) {
		t.Errorf("while the store is away, unrecorded %+v, want %+v", got, r.Summary)
	}
	w.wantPage(http.StatusServiceUnavailable, "last run of telephony failed, <time", "choose another one with -dir")
	if err := os.Remove(filepath.Join(w.dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	if got := w.unrecorded(); got == nil || got.ID != r.ID || len(w.status().Runs) != 0 {
		t.Errorf("when it is back, unrecorded %+v, want %+v", got, r.Summary)
	}
	w.wantPage(http.StatusOK, "<title>A person must act", "<dt>Why</dt><dd>state store set-up", "only this instance knows of it")
	w.run("/run", `{"dry_run":true}`, http.StatusOK)
	if w.unrecorded() == nil {
		t.Error("a dry run made it forgotten")
	}
	w.complete()
	if got := w.unrecorded(); got != nil {
		t.Errorf("after a complete run, unrecorded %+v", got)
	}
}

// TestUnrecordedElsewhere has another instance hold the lease, and then record
// a later run: by that the failure is over.
func TestUnrecordedElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.noState()
	other := w.hold()
	r := w.run("/", push, http.StatusInternalServerError)
	if got := w.unrecorded(); got == nil || got.ID != r.ID {
		t.Errorf("unrecorded %+v, want %+v", got, r.Summary)
	}
	if s := w.state(stream); s.Lease.Holder != "another" {
		t.Errorf("the lease is %q's", s.Lease.Holder)
	}
	if err := w.store.Release(t.Context(), other, store.Run{ID: "another", Outcome: collect.Complete, StartedAt: r.StartedAt.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if got := w.unrecorded(); got != nil {
		t.Errorf("after a later run, unrecorded %+v", got)
	}
}

// TestUnrecordedAccount leaves another account's history alone, and its runs do
// not hide the failure.
func TestUnrecordedAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	theirs := store.Cursor{Watermark: w.now.Add(-time.Hour), Account: store.Account{Host: "api-other.duosecurity.com"}, Log: stream}
	later := store.Run{ID: "theirs", Outcome: collect.Complete, StartedAt: w.now.Add(time.Minute)}
	if err := w.store.Finish(t.Context(), w.hold(), theirs, later); err != nil {
		t.Fatal(err)
	}
	r := w.run("/", push, http.StatusInternalServerError)
	s := w.status()
	if got := w.unrecorded(); got == nil || got.ID != r.ID || len(s.Runs) != 1 || w.state(stream).Lease.Token != 1 {
		t.Errorf("unrecorded %+v, want %+v; history %+v", got, r.Summary, s.Runs)
	}
	w.wantPage(http.StatusOK, "<title>A person must act", "is another stream")
	w.noState()
	theirs.Watermark = time.Time{} // so that the state is looked for first
	if err := w.store.Finish(t.Context(), w.hold(), theirs, later); err != nil {
		t.Fatal(err)
	}
	if r = w.run("/", push, http.StatusInternalServerError); r.Reason != errNoState.Error() || w.state(stream).Lease.Token != 2 {
		t.Errorf("report %+v, the lease's token %d", r.Summary, w.state(stream).Lease.Token)
	}
}

// away is a store that lets a number of acquisitions fail.
type away struct {
	collect.Store
	left int
}

func (a *away) Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error) {
	if a.left--; a.left >= 0 {
		return nil, store.Cursor{}, errors.New("no route to the store")
	}
	return a.Store.Acquire(ctx, stream, c)
}

// TestStoreAway has the lease out of reach for once: the store is not asked once
// more to tell it of that.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.Store = &away{w.Store, 1}
	r := w.run("/", push, http.StatusServiceUnavailable)
	if got := w.unrecorded(); got == nil || got.ID != r.ID || len(w.status().Runs) != 0 {
		t.Errorf("unrecorded %+v, want %+v", got, r.Summary)
	}
	w.wantPage(http.StatusOK, "The last one: no route to the store; the history lacks this run")
	w.complete()
	if got := w.unrecorded(); got != nil {
		t.Errorf("after a complete run, unrecorded %+v", got)
	}
}

// TestBucketAway has the state of an older collector out of reach, and not the
// store.
func TestBucketAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.FirstMark = func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no route to the bucket") }
	r := w.run("/", push, http.StatusServiceUnavailable)
	if runs := w.status().Runs; len(runs) != 1 || runs[0].ID != r.ID || w.unrecorded() != nil {
		t.Errorf("history %+v, unrecorded %+v", runs, w.unrecorded())
	}
	w.wantPage(http.StatusOK, "<title>Behind", "The last one: no route to the bucket.")
}

// mute is a store that can't be told how a run ended.
type mute struct{ collect.Store }

func (mute) Release(context.Context, *store.Lease, store.Run) error {
	return errors.New("no route to the store")
}

// TestUnrecordedRelease has a run fail under its lease, and the store go away
// before it can be told.
func TestUnrecordedRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.Store = mute{w.Store}
	w.sim.Script(duosim.Refuse(40301, "Access forbidden"))
	r := w.run("/", push, http.StatusInternalServerError)
	if got := w.unrecorded(); r.Token == 0 || got == nil || got.ID != r.ID {
		t.Errorf("unrecorded %+v, want %+v", got, r.Summary)
	}
	w.wantPage(http.StatusOK, "<title>A person must act", "Grant read log")
}
