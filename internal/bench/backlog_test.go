package bench_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// limited is an account that answers that many requests in any minute and refuses
// the others. Its clock is the client's at the time of sending.
type limited struct {
	*account
	perMinute int

	mu       sync.Mutex
	now      time.Time
	admitted []time.Time // all that were answered
	refused  []time.Time
}

func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !l.admit() {
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"stat":"FAIL","code":42901,"message":"Too Many Requests"}`)
		return
	}
	l.account.ServeHTTP(w, r)
}

func (l *limited) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.admitted) - l.perMinute; n >= 0 && l.now.Sub(l.admitted[n]) < time.Minute {
		l.refused = append(l.refused, l.now)
		return false
	}
	l.admitted = append(l.admitted, l.now)
	return true
}

// clocked returns a context in which every request sets the account's clock. The
// account is outside the bubble, because waiting for a connection would stop the
// bubble's time, and can't know that time otherwise.
func (l *limited) clocked(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.now = time.Now()
	}})
}

// TestBacklog collects a backlog as fast as Duo's limit allows, by one run after
// another, each with the usual budget. In its bubble, waiting takes no time.
func TestBacklog(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it reads hundreds of pages")
	}
	for name, tt := range map[string]struct {
		perMinute, pages int
		share            float64 // of the limit, at least
		refusals         int     // at most
	}{
		"2-a-minute": {2, 100, 0.95, 1},
		// Learning the limit takes a minute, which weighs less in a longer backlog.
		"50-a-minute": {50, fromEnv(t, "BACKLOG_PAGES", 500), 0.9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := &limited{account: backlog(fullPages(tt.pages)), perMinute: tt.perMinute}
			l.Short = true
			runs := l.deliver(t)
			took := l.admitted[tt.pages-1].Sub(l.admitted[0])
			share := float64(tt.pages-1) / took.Minutes() / float64(tt.perMinute)
			if share < tt.share || len(l.refused) > tt.refusals {
				t.Errorf("%.3f of the limit with %d refusals, want %.2f with %d", share, len(l.refused), tt.share, tt.refusals)
			}
			t.Attr("of-limit", fmtFloat(share))
			t.Attr("refusals", fmtFloat(float64(len(l.refused))))
			t.Attr("runs", fmtFloat(float64(runs)))
		})
	}
}

// deliver triggers runs until one is complete, and returns how many.
func (l *limited) deliver(t *testing.T) (runs int) {
	server := httptest.NewUnstartedServer(l)
	server.Config.SetKeepAlivesEnabled(false) // one that is kept is waited for, too
	server.Start()
	defer server.Close()
	dir, start := memoryDir(t), time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start)) // it is the year 2000 at first
		client := duo.New(duo.Config{IKey: "ikey", Secret: func() (string, error) { return "skey", nil }, Host: apiHost, URL: server.URL, Interval: time.Second})
		c := newCollector(client, store.NewBolt(filepath.Join(dir, "state.db"), nil), writer.NewDir(dir, "duo"))
		c.Logger = slog.New(slog.DiscardHandler)
		for outcome := collect.Partial; outcome == collect.Partial; runs++ {
			r := c.Run(l.clocked(t.Context()), collect.Job{})
			if outcome = r.Outcome; r.Err != nil || r.Pages == 0 {
				t.Fatalf("run %d is %s with %d pages: %s", runs+1, outcome, r.Pages, r.Reason)
			}
		}
	})
	return runs
}

// memoryDir is in memory if possible, because disks are not measured.
func memoryDir(t testing.TB) string {
	t.Helper()
	root := "/dev/shm"
	if _, err := os.Stat(root); err != nil {
		root = t.TempDir()
	}
	dir, err := os.MkdirTemp(root, "bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
