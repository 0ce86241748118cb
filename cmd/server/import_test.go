package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/collect"
)

// The Python function's state decides where a new service starts. An unusable state
// stops it.
func TestServiceStateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 600, 2*time.Hour)
	p := w.start(map[string]string{"STATE_KEY": "old/state.json"})
	put := func(content string) {
		w.bucket.CreateObject(fakestorage.Object{
			ObjectAttrs: fakestorage.ObjectAttrs{BucketName: bucketName, Name: "old/state.json"}, Content: []byte(content),
		})
	}
	for _, state := range []string{"", "<html>", `{"last_timestamp_ms":"soon"}`} {
		if state != "" {
			put(state)
		}
		a := p.push()
		wantRun(t, a, http.StatusInternalServerError, collect.Failed)
		if !strings.Contains(a.Reason, "STATE_KEY") {
			t.Errorf("the reason is %q", a.Reason)
		}
	}
	if s := p.status(); len(s.Runs) != 3 || !strings.Contains(s.Runs[2].Reason, "STATE_KEY") || s.Lease != nil {
		t.Errorf("the history is %+v, the lease %+v", s.Runs, s.Lease)
	}
	if n := len(w.sim.Requests()); n != 0 {
		t.Errorf("%d requests to Duo without a place to start", n)
	}
	mark := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	put(fmt.Sprintf(`{"last_timestamp_ms":%d,"last_offset":null}`, mark.UnixMilli()))
	a := p.push()
	wantRun(t, a, http.StatusOK, collect.Complete)
	if !a.Window.From.Equal(mark) {
		t.Errorf("the first window starts at %s, want %s", a.Window.From, mark)
	}
	put("<html>")
	wantRun(t, p.push(), http.StatusOK, collect.Complete)
}
