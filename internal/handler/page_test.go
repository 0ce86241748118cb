package handler_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
)

// page gets the page and checks what holds for every one.
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
	for key, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := resp.Header.Get(key); got != want {
			w.t.Errorf("GET /: %s = %q, want %q", key, got, want)
		}
	}
	checkPolicy(w.t, resp.Header.Get("Content-Security-Policy"), string(body))
	return string(body)
}

// checkPolicy expects nothing to be allowed but the page's own style and
// script, by their hashes, and its refresh.
func checkPolicy(t *testing.T, policy, body string) {
	t.Helper()
	want := regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[^' ]+'; script-src 'sha256-[^' ]+'; connect-src 'self'; img-src data:; ` +
		`base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`)
	if !want.MatchString(policy) {
		t.Errorf("policy %s, want %s", policy, want)
	}
	for _, element := range []string{"style", "script"} {
		_, text, found := strings.Cut(body, "<"+element+">")
		text, _, _ = strings.Cut(text, "</"+element+">")
		sum := sha256.Sum256([]byte(text))
		if allowed := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; found && !strings.Contains(policy, allowed) {
			t.Errorf("policy %s, want %s", policy, allowed)
		}
	}
	for _, wrong := range []string{" style=", " onclick=", " onload=", "javascript:", " src=\"", "http-equiv"} {
		if strings.Contains(body, wrong) {
			t.Errorf("the page holds %q, which the policy forbids", wrong)
		}
	}
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
		`<time datetime="` + r.StartedAt.Format("2006-01-02T15:04:05.000Z"), strings.ReplaceAll(strings.ReplaceAll(r.Objects[0], "/", "/<wbr>"), "_", "_<wbr>"),
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
			w.tick(tt.fault)
			body := w.page(http.StatusOK, nil)
			if !strings.Contains(body, "<title>"+tt.title) || !strings.Contains(body, "The last run failed") {
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

// TestPageEscapes has markup in everything that comes from elsewhere.
func TestPageEscapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const evil = `"'></title></code><script>alert(1)</script><img src=x onerror=alert(1)>`
	mark := w.now
	bad := store.Run{
		ID: evil, Outcome: evil, Reason: evil, Stream: evil, Objects: []string{"gs://b/" + evil}, StartedAt: w.now, Watermark: &mark,
		Gap: &store.Gap{From: w.now, To: w.now, RunID: evil},
	}
	cursor := store.Cursor{Watermark: w.now, Reach: w.now, Gap: bad.Gap}
	if err := w.store.Finish(t.Context(), w.hold(), cursor, bad); err != nil {
		t.Fatal(err)
	}
	body := w.page(http.StatusOK, nil)
	if strings.Count(body, "<script>") != 1 || strings.Contains(body, "<img") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Errorf("markup is not escaped:\n%s", seen(body))
	}
	if strings.Count(body, "</title>") != strings.Count(body, "<title>") {
		t.Errorf("a title was ended early:\n%s", seen(body))
	}
}

func TestPageUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.spoil()
	body := w.page(http.StatusServiceUnavailable, nil)
	if !strings.Contains(body, "state.db") || !strings.Contains(body, "<h1") || strings.Contains(body, "<script>") {
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
