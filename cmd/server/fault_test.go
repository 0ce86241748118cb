package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

// storedThen stores the upload and lets the fault answer.
func storedThen(fault duosim.Fault) duosim.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		fault(w, r, next)
	}
}

// refusal is Cloud Storage's answer with a message.
func refusal(code int, message string) duosim.Fault {
	return duosim.Status(code, fmt.Sprintf(`{"error":{"code":%d,"message":%q}}`, code, message))
}

// Faults of Cloud Storage that leave open whether the object was stored.
func TestFaultUpload(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]duosim.Fault{
		"503":              duosim.HTML(http.StatusServiceUnavailable),
		"503 when stored":  storedThen(duosim.HTML(http.StatusServiceUnavailable)),
		"drop":             duosim.Reset,
		"drop when stored": storedThen(duosim.Reset),
		"kept when stored": storedThen(refusal(http.StatusForbidden, "Object 'b/o' is subject to bucket's retention policy and cannot be deleted, overwritten or archived until 2026-12-05")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, time.Hour)
			p := w.start(nil)
			w.scriptUploads(fault, fault)
			a := p.push()
			wantRun(t, a, http.StatusOK, collect.Complete)
			if w.scripted() > 0 {
				t.Error("not all of the faults were met")
			}
			w.wantLedger(a.sent, a.Watermark)
		})
	}
}

// A person must create the bucket: 500, and a log line of severity ERROR says so.
func TestFaultNoBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60, time.Hour)
	p := w.start(map[string]string{"GCS_BUCKET": "missing"})
	a := p.push()
	wantRun(t, a, http.StatusInternalServerError, collect.Failed)
	if s := p.status(); s.Lease != nil || s.Totals.Records != 0 {
		t.Errorf("the lease is %+v, totals %+v", s.Lease, s.Totals)
	}
	line := p.runLines()[0]
	if want := "create the bucket missing or correct GCS_BUCKET"; !strings.Contains(a.Reason, want) || line["reason"] != a.Reason || line["severity"] != "ERROR" {
		t.Errorf("the reason is %q, want %q; the line is %v", a.Reason, want, line)
	}
}

// A person must act; the next run collects what was left.
func TestFaultRefused(t *testing.T) {
	t.Parallel()
	for message, hint := range map[string]string{
		"Bucket is a requester pays bucket but no user project provided.":                    "turn Requester Pays off",
		"The billing account for the owning project is disabled in state absent":             "enable billing",
		"A refusal that nobody has seen.":                                                    "is not known here",
		"Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier": "perimeter",
	} {
		t.Run(hint, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, time.Hour)
			p := w.start(nil)
			w.scriptUploads(refusal(http.StatusForbidden, message))
			a := p.push()
			wantRun(t, a, http.StatusInternalServerError, collect.Failed)
			if !strings.Contains(a.Reason, message) || !strings.Contains(a.Reason, hint) {
				t.Errorf("the reason is %q, want %q", a.Reason, hint)
			}
			next := p.push()
			wantRun(t, next, http.StatusOK, collect.Complete)
			w.wantLedger(next.sent, next.Watermark)
		})
	}
}

// Without Firestore a run ends in bounded time and is worth a retry.
func TestFaultNoFirestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60, time.Hour)
	p := w.start(map[string]string{"FIRESTORE_EMULATOR_HOST": "127.0.0.1:" + freePort(t)})
	status := begin(func() answer { return p.do(http.MethodGet, "/status", "") })
	a := p.push()
	wantRun(t, a, http.StatusServiceUnavailable, collect.Failed)
	if !strings.Contains(a.Reason, "Firestore") {
		t.Errorf("its reason is %q", a.Reason)
	}
	if s := receive(t, status, "/status answers"); s.status != http.StatusServiceUnavailable {
		t.Errorf("/status is answered with %d", s.status)
	}
	if len(w.sim.Requests()) > 0 || len(w.objects()) > 0 {
		t.Error("a run without a lease went on")
	}
}

// Duo's faults as Pub/Sub and the operator see them, and the next run.
func TestFaultDuo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults  []duosim.Fault
		status  int
		outcome string
		reason  string
	}{
		"permission":   {[]duosim.Fault{duosim.Refuse(40301, "Access forbidden")}, http.StatusInternalServerError, collect.Failed, "Grant read log"},
		"redirect":     {[]duosim.Fault{duosim.Redirect("http://127.0.0.1:1/")}, http.StatusInternalServerError, collect.Failed, "DUO_API_HOST"},
		"rate limit":   {[]duosim.Fault{duosim.Pass, duosim.RateLimited(time.Hour)}, http.StatusOK, collect.Partial, "rate limited by Duo until"},
		"one reset":    {[]duosim.Fault{duosim.Reset}, http.StatusOK, collect.Complete, ""},
		"one cut page": {[]duosim.Fault{duosim.Pass, duosim.Truncate}, http.StatusOK, collect.Complete, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, time.Hour)
			p := w.start(nil)
			w.sim.Script(test.faults...)
			a := p.push()
			wantRun(t, a, test.status, test.outcome)
			if !strings.Contains(a.Reason, test.reason) || p.status().Lease != nil {
				t.Errorf("the reason is %q, want %q; the lease is %+v", a.Reason, test.reason, p.status().Lease)
			}
			if test.outcome == collect.Complete {
				w.wantLedger(a.sent, a.Watermark)
			}
		})
	}
}
