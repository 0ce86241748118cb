package handler_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// status is GET /status.
type status struct {
	Version string
	collect.Status
	Backfill collect.Status
}

func (w *world) status() status {
	w.t.Helper()
	a := w.send(http.MethodGet, "/status", "", nil)
	var s status
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.StatusCode != http.StatusOK {
		w.t.Fatalf("status = %d %s", a.StatusCode, a.body)
	}
	return s
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.status()
	if s.Version != "v1.2.3" || s.Stream != stream || s.Status.Watermark != nil || s.LagSeconds != nil || s.Lease != nil || len(s.Runs) != 0 {
		t.Errorf("status before any run = %+v", s)
	}
	w.fill()
	first := w.complete()
	w.now = w.now.Add(time.Second)
	second := w.complete()
	third := w.run("/run", span(w.now.Add(-3*time.Hour), w.now.Add(-2*time.Hour), `,"redeliver":true`), http.StatusOK)
	s = w.status()
	if diff := cmp.Diff([]collect.Summary{second.Summary, first.Summary}, s.Runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]collect.Summary{third.Summary}, s.Backfill.Runs); diff != "" || s.Backfill.Stream != backfill {
		t.Errorf("backfills of %s (-want +got):\n%s", s.Backfill.Stream, diff)
	}
	if want := (store.Totals{Pages: 5, Records: 47, Objects: 4}); s.Totals != want || s.Backfill.Totals.Records != int64(third.Records) {
		t.Errorf("totals = %+v and %+v, want %+v and %d records", s.Totals, s.Backfill.Totals, want, third.Records)
	}
	if *s.LagSeconds != 150 || !s.Status.Watermark.Equal(w.now.Add(-150*time.Second)) || s.Lease != nil || s.Cursor.Window != nil {
		t.Errorf("lag %d s, watermark %s, lease %v, window %v", *s.LagSeconds, s.Status.Watermark, s.Lease, s.Cursor.Window)
	}
}

// TestStatusDuringRun looks while Duo lets the run wait in its second window.
func TestStatusDuringRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	asked, released, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	w.sim.Script(duosim.Pass, func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		close(asked)
		<-released
		next.ServeHTTP(rw, r)
	})
	go func() {
		resp, err := http.Post(w.url+"/", "application/json", strings.NewReader(push))
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		t.Fatal("the run did not wait:", err)
	}
	s := w.status()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s.Lease == nil || s.Lease.Token != 1 || s.Lease.Expired || !s.Lease.AcquiredAt.Equal(w.now) || !s.Lease.ExpiresAt.Equal(w.now.Add(90*time.Second)) {
		t.Errorf("lease = %+v, want one of now that lasts for 90 s", s.Lease)
	}
	mark := w.now.Add(-18 * time.Hour)
	if s.Cursor.Window == nil || !s.Status.Watermark.Equal(mark) || *s.LagSeconds != 18*3600 || len(s.Runs) != 0 {
		t.Errorf("watermark = %s, window %v, want the second window, from %s", s.Status.Watermark, s.Cursor.Window, mark)
	}
	s = w.status()
	if s.Lease != nil || len(s.Runs) != 1 || s.Runs[0].Outcome != collect.Complete {
		t.Errorf("after the run: lease %v, runs %v", s.Lease, s.Runs)
	}
}

func TestStatusUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.spoil()
	a := w.send(http.MethodGet, "/status", "", nil)
	if a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", a.StatusCode)
	}
	checkError(t, a, "state.db")
}

// spoil makes the store unreadable.
func (w *world) spoil() {
	if err := os.Mkdir(filepath.Join(w.dir, "state.db"), 0o700); err != nil {
		w.t.Fatal(err)
	}
}
