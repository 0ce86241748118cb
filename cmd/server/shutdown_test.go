package main

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

// refuses waits until the process accepts no more connections, because then it has
// certainly got the signal.
func (p *process) refuses() {
	p.t.Helper()
	eventually(p.t, "the process stops listening", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			return true
		}
		conn.Close()
		return false
	})
}

// SIGTERM at every stage of a run: it ends in time and keeps what it has committed,
// and the next run goes on at once.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env     map[string]string
		duo     []duosim.Fault
		pages   int // committed when the signal comes
		outcome string
	}{
		"idle":               {outcome: collect.Complete, pages: 3},
		"first page awaited": {duo: []duosim.Fault{duosim.Hang}, outcome: collect.Partial},
		"third page awaited": {duo: []duosim.Fault{duosim.Pass, duosim.Pass, duosim.Hang}, pages: 2, outcome: collect.Partial},
		"between pages":      {env: map[string]string{"PAGE_INTERVAL": "5m"}, pages: 1, outcome: collect.Partial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, 2*time.Hour)
			w.sim.Script(test.duo...)
			p := w.start(test.env)
			push := begin(p.push)
			eventually(t, "the run gets there", func() bool {
				return p.status().Totals.Pages == int64(test.pages) && len(w.sim.Requests()) == max(test.pages, len(test.duo))
			})
			a := terminate(t, p, push)
			wantRun(t, a, http.StatusOK, test.outcome)
			if a.Pages != test.pages || test.outcome == collect.Partial && !strings.Contains(a.Reason, "shutdown") {
				t.Errorf("the report is %+v", a.Summary)
			}
			w.wantGoesOn(test.pages)
		})
	}
}

// terminate sends SIGTERM. The process must answer and end in time: work left after
// shutdownTimeout is an error, not a shut-down.
func terminate(t *testing.T, p *process, push <-chan answer) answer {
	t.Helper()
	p.stop()
	if !p.hasLogged(`"message":"shut down"`) {
		t.Errorf("it did not end in time:\n%s", p.log)
	}
	return receive(t, push, "the push is answered")
}

// wantGoesOn checks that the next process finds the lease free and that many pages
// committed, and completes the ledger.
func (w *world) wantGoesOn(pages int) {
	w.t.Helper()
	p := w.start(nil)
	if s := p.status(); s.Lease != nil || s.Totals.Pages != int64(pages) {
		w.t.Errorf("it leaves the lease %+v and %d committed pages, want %d", s.Lease, s.Totals.Pages, pages)
	}
	a := p.push()
	wantRun(w.t, a, http.StatusOK, collect.Complete)
	w.wantLedger(a.sent, a.Watermark)
}

// The process waits for an upload in progress, and commits its page.
func TestShutdownUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1300, 2*time.Hour)
	slow := newGate()
	w.scriptUploads(duosim.Pass, slow.after)
	p := w.start(nil)
	push := begin(p.push)
	receive(t, slow.reached, "the second object is stored")
	p.signal(syscall.SIGTERM)
	p.refuses()
	slow.open()
	a := receive(t, push, "the push is answered")
	wantRun(t, a, http.StatusOK, collect.Partial)
	if code := p.wait(); code != exitOK || a.Pages != 2 || len(w.objects()) != 2 {
		t.Errorf("exit code %d, report %+v, %d objects", code, a.Summary, len(w.objects()))
	}
	w.wantGoesOn(2)
}

// If an upload is never answered, the run fails in time to release the lease, and the
// next run adopts the object.
func TestShutdownUploadUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1300, 2*time.Hour)
	stuck := newGate()
	w.scriptUploads(duosim.Pass, stuck.after)
	p := w.start(nil)
	push := begin(p.push)
	receive(t, stuck.reached, "the second object is stored")
	a := terminate(t, p, push)
	wantRun(t, a, http.StatusServiceUnavailable, collect.Failed)
	w.wantGoesOn(1)
}
