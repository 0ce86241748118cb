package handler_test

import (
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
	"duo-telephony-collector/internal/writer"
)

// TestManual expects POST /run to do as it is told. What it refuses is in
// TestDecodeWishRefuses.
func TestManual(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	if r := w.run("/run", "", http.StatusOK); r.Outcome != collect.Complete || r.Records != 47 {
		t.Errorf("%s with %d records, want complete with 47", r.Outcome, r.Records)
	}
	w.run("/run", "{}", http.StatusOK)
	w.checkOnce()
	for body, words := range map[string]string{`{"dryrun":true}`: "unknown field", `{"from":"2000-01-01T00:00:00Z"}`: "both from and to", `{}{}`: "more than one"} {
		a := w.send(http.MethodPost, "/run", body, nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", body, a.StatusCode)
		}
		checkError(t, a, words)
	}
	for _, query := range []string{"?dry_run=true", "?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", "?force", "?;"} {
		a := w.send(http.MethodPost, "/run"+query, "{}", nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", query, a.StatusCode)
		}
		checkError(t, a, "put what is wanted into the body")
	}
	if got := w.state(stream).Lease.Token; got != 2 {
		t.Errorf("%d runs, want 2: a malformed wish starts none", got)
	}
}

// TestDryRun counts what a run would deliver, while another one holds the lease.
func TestDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.complete()
	w.hold()
	w.Delay = 130 * time.Second // 20 s of new time
	w.sim.Add(duosim.Record{TS: w.now.Add(-5 * time.Minute), ID: "late"}, duosim.Record{TS: w.now.Add(-140 * time.Second), ID: "new"})
	before := w.files("")
	r := w.run("/run", `{"dry_run":true}`, http.StatusOK)
	if r.Outcome != collect.Complete || r.Records != 2 || r.Late != 1 || r.Requests != 1 || len(r.Objects) != 0 || r.Token != 0 {
		t.Errorf("report = %+v, want two records counted, no object, no token", r.Summary)
	}
	if diff := cmp.Diff(before, w.files("")); diff != "" {
		t.Errorf("a dry run changed files (-before +after):\n%s", diff)
	}
}

// TestForce takes the lease from a run that holds it, which can then move
// nothing.
func TestForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	held := w.hold()
	if a := w.send(http.MethodPost, "/run", "", nil); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, `"watermark":null,"lag_seconds":null`) {
		t.Errorf("without force: %d %s", a.StatusCode, a.body)
	}
	if line := w.log.last(t); line["outcome"] != collect.Busy || line["lag_seconds"] != nil {
		t.Errorf("logged %v, want no lag: it is not known", line)
	}
	if r := w.run("/run", `{"force":true}`, http.StatusOK); r.Outcome != collect.Complete || r.Records != 47 || r.Token != held.Token+1 {
		t.Errorf("%s with %d records under token %d, want complete with 47 under %d", r.Outcome, r.Records, r.Token, held.Token+1)
	}
	if err := w.store.Commit(t.Context(), held, store.Cursor{}); !errors.Is(err, store.ErrLost) {
		t.Errorf("Commit of the one it was taken from = %v, want ErrLost", err)
	}
	w.checkOnce()
}

// span is a backfill's body.
func span(from, to time.Time, more string) string {
	return fmt.Sprintf(`{"from":%q,"to":%q%s}`, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano), more)
}

// TestBackfill restores a deleted object's records, has nothing to do after
// that, and delivers the range once more where that is wanted.
func TestBackfill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	lost := w.complete().Objects[1]
	name, ok := writer.ParseName(strings.TrimPrefix(lost, filepath.Join(w.dir, "bucket", "duo")+"/"))
	data, err := os.ReadFile(lost)
	if err := errors.Join(err, os.Remove(lost)); err != nil || !ok {
		t.Fatal(lost, err)
	}
	before := w.state(stream)

	r := w.run("/run", span(name.From, name.To, ""), http.StatusOK)
	if r.Outcome != collect.Complete || r.Stream != backfill || len(r.Objects) != 1 || !strings.HasPrefix(filepath.Base(r.Objects[0]), backfill+"_") {
		t.Fatalf("report = %+v, want one object of %s", r.Summary, backfill)
	}
	if diff := cmp.Diff(string(data), w.files("bucket")[r.Objects[0]]); diff != "" {
		t.Errorf("object (-lost +restored):\n%s", diff)
	}
	w.checkOnce()

	files := w.files("bucket")
	if r := w.run("/run", span(name.From, name.To, ""), http.StatusOK); r.Records != 0 || r.Duplicates == 0 || len(r.Objects) != 0 {
		t.Errorf("a repeat delivered %d records", r.Records)
	}
	if diff := cmp.Diff(files, w.files("bucket")); diff != "" {
		t.Errorf("a repeat wrote (-before +after):\n%s", diff)
	}

	want := len(w.sim.Visible(name.From, name.To))
	r = w.run("/run", span(name.From, name.To, `,"redeliver":true`), http.StatusOK)
	if r.Records != want || len(r.Objects) != 1 || files[r.Objects[0]] != "" || len(ids(t, w.files("bucket")[r.Objects[0]])) != want {
		t.Errorf("redelivered %d of %d records to %s, want a new object with all", r.Records, want, r.Objects)
	}
	after := w.state(stream)
	if diff := cmp.Diff(before.Cursor, after.Cursor); diff != "" || after.Lease.Token != before.Lease.Token {
		t.Errorf("the live cursor moved (-before +after):\n%s", diff)
	}
}

// TestBackfillIsCut expects a range to end where the live stream may still
// deliver, and none at all before the live stream's first run.
func TestBackfillIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	from := w.now.Add(-time.Hour)
	r := w.run("/run", span(from, w.now.Add(time.Hour), ""), http.StatusInternalServerError)
	if r.Outcome != collect.Failed || !strings.Contains(r.Reason, "trigger an ordinary run first") {
		t.Errorf("%s before any run: %s", r.Outcome, r.Reason)
	}
	live := w.complete()
	want := &store.Span{From: from, To: live.Watermark.Add(-w.Overlap)}
	r = w.run("/run", span(from, w.now.Add(time.Hour), ""), http.StatusOK)
	if diff := cmp.Diff(want, r.Window); diff != "" {
		t.Errorf("window (-want +got):\n%s", diff)
	}
	if words := want.To.Format(time.RFC3339); !strings.Contains(r.Reason, words) {
		t.Errorf("reason %q does not tell of %s", r.Reason, words)
	}
	before := w.state(backfill)
	for name, body := range map[string]string{
		"live":       span(want.To, w.now, ""),
		"future":     span(w.now.Add(time.Hour), w.now.Add(2*time.Hour), ""),
		"redelivery": span(want.To, w.now, `,"redeliver":true`),
		"dry":        span(want.To, w.now, `,"dry_run":true`),
	} {
		a := w.send(http.MethodPost, "/run", body, nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", name, a.StatusCode)
		}
		checkError(t, a, "ask for it from ")
	}
	if diff := cmp.Diff(before.Cursor, w.state(backfill).Cursor); diff != "" {
		t.Errorf("what is refused moved the cursor (-was +is):\n%s", diff)
	}
	if n := strings.Count(w.log.String(), `"msg":"request refused"`); n != 4 || strings.Count(w.log.String(), `"msg":"run failed"`) != 1 {
		t.Errorf("the log tells of %d refusals, want 4 and the one failed run:\n%s", n, w.log)
	}
}
