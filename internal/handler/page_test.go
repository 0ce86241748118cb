package handler_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

// page gets the page and expects this status and no secret.
func (w *world) page(status int, header http.Header) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	checkSecrets(w.t, "the page", string(body))
	if resp.StatusCode != status {
		w.t.Errorf("GET / = %d, want %d", resp.StatusCode, status)
	}
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		w.t.Errorf("GET / is %q, want a page", got)
	}
	return string(body)
}

// seen is what a person sees of a page, for a message.
func seen(body string) string {
	_, main, _ := strings.Cut(body, "<main")
	main, _, _ = strings.Cut(main, "<script>")
	return regexp.MustCompile(`(?s)^[^>]*>|<[^>]*>|\n\s*\n`).ReplaceAllString(main, "")
}

func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.page(http.StatusOK, nil)
	w.fill()
	r := w.complete()
	body := w.page(http.StatusOK, nil)
	for _, want := range []string{
		"<title>Up to date · telephony</title>", "everything before", "47 records", "v1.2.3", "revision <code>collector-00042</code>",
		`<time datetime="` + r.StartedAt.Format("2006-01-02T15:04:05.000Z"), r.Objects[0],
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not hold %q:\n%s", want, seen(body))
		}
	}
}

// TestPageDuringRun looks at a lease that is held, and at one that has expired.
func TestPageDuringRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	w.complete()
	w.hold()
	if body := w.page(http.StatusOK, nil); !strings.Contains(body, "<code>another</code>") || !strings.Contains(body, "1 h left") {
		t.Errorf("the page does not show the lease:\n%s", seen(body))
	}
	w.now = w.now.Add(2 * time.Hour)
	if body := w.page(http.StatusOK, nil); !strings.Contains(body, "ended without a word") {
		t.Errorf("the page does not show that the run died:\n%s", seen(body))
	}
}

// TestPageFailures has the page tell what the next run heals from what a
// person must put right.
func TestPageFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault duosim.Fault
		title string
	}{
		"permission": {duosim.Refuse(40301, "Access forbidden to +12015550123"), "A person must act"},
		"Duo away":   {duosim.HTML(http.StatusBadGateway), "Up to date"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.complete()
			w.now = w.now.Add(5 * time.Minute)
			w.sim.Script(tt.fault)
			w.Budget = time.Second // less than the first wait
			w.send(http.MethodPost, "/", push, nil)
			body := w.page(http.StatusOK, nil)
			if !strings.Contains(body, "<title>"+tt.title) || !strings.Contains(body, "have failed since") {
				t.Errorf("want the title %s and the failure:\n%s", tt.title, seen(body))
			}
		})
	}
}

// TestPagePanic expects a crash to be something that a person must look at.
func TestPagePanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	w.Bucket = hook{w.Bucket, func() error { panic("a fault of ours") }}
	w.send(http.MethodPost, "/", push, nil)
	if body := w.page(http.StatusOK, nil); !strings.Contains(body, "<title>A person must act") || !strings.Contains(body, "the run crashed") {
		t.Errorf("the page does not tell of the crash:\n%s", seen(body))
	}
}

func TestPageUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.spoil()
	body := w.page(http.StatusServiceUnavailable, nil)
	if !strings.Contains(body, "state.db") || !strings.Contains(body, "<h1") {
		t.Errorf("the page is no readable account of the failure:\n%s", seen(body))
	}
	if line := w.log.last(t); line["level"] != "WARN" || line["http_status"] != 503.0 {
		t.Errorf("logged %v", line)
	}
}

// TestPageCaller expects the page to be for those who may read the status; who
// may not is turned away in TestAuth.
func TestPageCaller(t *testing.T) {
	t.Parallel()
	issuer := handlertest.NewIssuer(t)
	w := newWorld(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	w.page(http.StatusOK, bearer(issuer.Token(t, nil)))
	if got := w.state(stream).Lease.Token; got != 0 || len(w.sim.Requests()) != 0 {
		t.Errorf("looking started %d runs", got)
	}
}
