package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

// deployed is a service that checks id tokens for its own URL, and a gcloud on the
// PATH that makes them.
type deployed struct {
	t      *testing.T
	issuer *handlertest.Issuer
	url    string
	gcloud string // its folder
}

func newDeployed(t *testing.T) *deployed {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	d := &deployed{t: t, issuer: handlertest.NewIssuer(t), url: "http://" + server.Listener.Addr().String(), gcloud: t.TempDir()}
	auth, err := handler.NewAuth(handler.AuthConfig{Audiences: []string{d.url}, Callers: []string{handlertest.Email}, CertsURL: d.issuer.CertsURL()})
	if err != nil {
		t.Fatal(err)
	}
	l := newLogged(t)
	server.Config.Handler = handler.New(handler.Config{Streams: alone(l.Collector), Auth: auth, Log: l.Logger, Version: version})
	server.Start()
	t.Cleanup(server.Close)
	d.prints(nil)
	return d
}

// prints makes gcloud print a token with these claims, if it is asked for the right
// one, and nothing else.
func (d *deployed) prints(claims map[string]any) {
	d.t.Helper()
	all := map[string]any{"aud": d.url}
	for name, claim := range claims {
		all[name] = claim
	}
	d.does(fmt.Sprintf(`[ "$*" = "auth print-identity-token --include-email --audiences=%s --impersonate-service-account=%s" ] || exit 9
echo call >>%s/calls
echo "WARNING: This command is using service account impersonation." >&2
echo %s`, d.url, handlertest.Email, d.gcloud, captured.secret(d.issuer.Token(d.t, all))))
}

// does makes gcloud a shell script.
func (d *deployed) does(script string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.gcloud, "gcloud"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		d.t.Fatal(err)
	}
	d.t.Setenv("PATH", d.gcloud+":/usr/bin:/bin")
}

// calls is how many tokens gcloud has made.
func (d *deployed) calls() int {
	lines, _ := os.ReadFile(filepath.Join(d.gcloud, "calls"))
	return strings.Count(string(lines), "\n")
}

// open runs server page until the test ends, and returns its address.
func (d *deployed) open() string {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	errs, ended := captured.buffer(d.t.Name()+" server page"), make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"page", "-url", d.url + "/", "-account", handlertest.Email}, console{lookup: lookupIn(nil), out: errs, err: errs})
	}()
	d.t.Cleanup(func() {
		stop()
		if code := receive(d.t, ended, "server page ends"); code != exitOK {
			d.t.Errorf("exit code %d:\n%s", code, errs)
		}
	})
	printed := regexp.MustCompile(`(?m)^  (http://127\.0\.0\.1:\d+)/$`)
	eventually(d.t, "server page prints its address", func() bool { return printed.MatchString(errs.String()) })
	return printed.FindStringSubmatch(errs.String())[1]
}

// ask sends what a browser sends.
func (d *deployed) ask(method, url, host string) (int, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, url, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Authorization", "Bearer another")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	captured.buffer(d.t.Name() + " answer to " + method + " " + url).Write(body)
	return resp.StatusCode, string(body)
}

func TestPageCommand(t *testing.T) {
	d := newDeployed(t)
	page := d.open()
	if status, body := d.ask(http.MethodGet, page+"/", ""); status != http.StatusOK || !strings.Contains(body, "</html>") {
		t.Errorf("the page is answered with %d:\n%s", status, body)
	}
	var answer struct{ Stream string }
	status, body := d.ask(http.MethodGet, page+"/status?stream=telephony-backfill", "")
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Stream != stream {
		t.Errorf("a stream's status is answered with %d, %v:\n%s", status, err, body)
	}
	if n := d.calls(); n != 1 {
		t.Errorf("gcloud has made %d tokens, want one for all", n)
	}
}

// Through server page nobody changes anything, and no web site reads.
func TestPageCommandOnlyReads(t *testing.T) {
	d := newDeployed(t)
	page := d.open()
	port := page[strings.LastIndex(page, ":"):]
	for request, want := range map[string]int{
		"GET / localhost" + port:           http.StatusOK,
		"GET / rebound.example" + port:     http.StatusMisdirectedRequest,
		"GET /status 127.0.0.1:1":          http.StatusMisdirectedRequest,
		"POST / 127.0.0.1" + port:          http.StatusMethodNotAllowed,
		"POST /run 127.0.0.1" + port:       http.StatusNotFound,
		"DELETE /status 127.0.0.1" + port:  http.StatusMethodNotAllowed,
		"GET /health 127.0.0.1" + port:     http.StatusNotFound,
		"GET //status 127.0.0.1" + port:    http.StatusOK, // redirected
		"GET /../run 127.0.0.1" + port:     http.StatusNotFound,
		"GET /%2e%2e/run 127.0.0.1" + port: http.StatusNotFound,
	} {
		words := strings.Fields(request)
		if status, body := d.ask(words[0], page+words[1], words[2]); status != want {
			t.Errorf("%s is answered with %d, want %d: %s", request, status, want, body)
		}
	}
}

// A token that is about to expire is renewed, and only then.
func TestPageCommandRenews(t *testing.T) {
	d := newDeployed(t)
	d.prints(map[string]any{"exp": time.Now().Add(4 * time.Minute).Unix()})
	page := d.open()
	d.prints(map[string]any{"exp": time.Now().Add(30 * time.Minute).Unix()})
	for range 3 {
		if status, body := d.ask(http.MethodGet, page+"/", ""); status != http.StatusOK {
			t.Errorf("the page is answered with %d:\n%s", status, body)
		}
	}
	if n := d.calls(); n != 2 {
		t.Errorf("gcloud has made %d tokens, want a second one for all requests", n)
	}
}

// The browser is told what is wrong, once it is open.
func TestPageCommandRefused(t *testing.T) {
	for name, test := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"audience": {map[string]any{"aud": "https://other.example"}, "must be in its PUSH_AUDIENCE: http://127.0.0.1:"},
		"caller":   {map[string]any{"email": "stranger@example.com"}, "must be in its ALLOWED_CALLERS: " + handlertest.Email},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployed(t)
			d.prints(test.claims)
			if status, body := d.ask(http.MethodGet, d.open()+"/", ""); status != http.StatusBadGateway || !strings.Contains(body, test.want) {
				t.Errorf("the page is answered with %d, want %q:\n%s", status, test.want, body)
			}
		})
	}
	d := newDeployed(t)
	d.prints(map[string]any{"exp": time.Now().Unix()})
	page := d.open()
	d.does(`echo "ERROR: your session has ended" >&2; exit 1`)
	if status, body := d.ask(http.MethodGet, page+"/", ""); status != http.StatusBadGateway || !strings.Contains(body, "ERROR: your session has ended") {
		t.Errorf("without a new token the page is answered with %d:\n%s", status, body)
	}
}

// It does not even start without a token, and says why.
func TestPageCommandWithoutToken(t *testing.T) {
	const printed = "what gcloud prints may be a token"
	for script, want := range map[string]string{
		"":                                       "there is no gcloud on the PATH",
		"echo " + printed:                        "update gcloud",
		"echo " + printed + "; exit 1":           "log in with gcloud auth login as one of Terraform's operators",
		"echo 'ERROR: denied' >&2; exit 1":       "It says:\nERROR: denied\n",
		"echo 'a@b: no such account' >&2; false": "gcloud makes no id token for a@b: exit status 1",
	} {
		d := &deployed{t: t, gcloud: t.TempDir()}
		if d.does(script); script == "" {
			t.Setenv("PATH", t.TempDir())
		}
		var errs buffer
		code := run(t.Context(), []string{"page", "-url=https://a.example", "-account=a@b"}, console{lookup: lookupIn(nil), out: &errs, err: &errs})
		if text := errs.String(); code != exitFailed || !strings.Contains(text, want) || strings.Contains(text, printed) {
			t.Errorf("%q: exit code %d, want %q:\n%s", script, code, want, text)
		}
	}
}
