package handler_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

// TestSignature has tokens that only their signature gives away. Where Cloud Run
// checks signatures it leaves its placeholder, and that alone is taken without:
// the check may have been switched off since.
func TestSignature(t *testing.T) {
	issuer, other := handlertest.NewIssuer(t), handlertest.NewIssuer(t)
	good, text := issuer.Token(t, nil), handlertest.Claims(t, nil)
	odd := claims{"exp": float64(time.Now().Unix()) + 3600.5}
	oddText := handlertest.Claims(t, odd)
	unsigned := good[:strings.LastIndex(good, ".")+1]
	older := issuer.Token(t, claims{"iat": 1})
	tests := []struct{ name, token, reason string }{
		{"other key, same kid", other.Token(t, nil), "verification error"},
		{"unknown kid", issuer.Sign(t, `{"alg":"RS256","kid":"evil"}`, text), "keyId"},
		{"no kid", issuer.Sign(t, `{"alg":"RS256"}`, text), "keyId"},
		{"kid of the EC key", issuer.Sign(t, `{"alg":"RS256","kid":"ec"}`, text), "not Google's"},
		{"kid a number", issuer.Sign(t, `{"alg":"RS256","kid":1}`, text), "not Google's"},
		{"one byte", unsigned + "AA", "verification error"},
		{"of another token", unsigned + older[strings.LastIndex(older, ".")+1:], "verification error"},
		{"placeholder in other case", unsigned + "signature_removed_by_google", "verification error"},
		{"placeholder and more", unsigned + "SIGNATURE_REMOVED_BY_GOOGLEA", "verification error"},
		{"fraction, other key", other.Token(t, odd), "verification error"},
		{"fraction, unknown kid", issuer.Sign(t, `{"alg":"RS256","kid":"evil"}`, oddText), "keyId"},
		{"fraction, no kid", issuer.Sign(t, `{"alg":"RS256"}`, oddText), "keyId"},
		{"fraction, kid of the EC key", issuer.Sign(t, `{"alg":"RS256","kid":"ec"}`, oddText), "keyId"},
		{"fraction, of another token", handlertest.Join(handlertest.Header, oddText, nil) + older[strings.LastIndex(older, ".")+1:], "verification error"},
	}
	verify := serve(t, newAuth(t, "", issuer.CertsURL())) // unset must not mean unchecked
	iam := serve(t, newAuth(t, handler.ModeCloudRunIAM, issuer.CertsURL()))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call(t, verify, bearer(tt.token), http.StatusUnauthorized, tt.reason)
			call(t, iam, bearer(tt.token), http.StatusUnauthorized, tt.reason)
		})
	}
	if n := issuer.Fetches(); n != 2 {
		t.Errorf("%d fetches of the certificates for two services, want 2: a bad signature is no reason for another", n)
	}
	removed := unsigned + "SIGNATURE_REMOVED_BY_GOOGLE"
	call(t, verify, bearer(removed), http.StatusUnauthorized, "deploy with --no-invoker-iam-check, or leave the check to it with AUTH_MODE=cloudrun-iam")
	call(t, iam, bearer(removed), http.StatusOK, handlertest.Email)
}

func TestCertificatesFetchedOnce(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	url := serve(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	for range 2 {
		call(t, url, bearer(issuer.Token(t, nil)), http.StatusOK, handlertest.Email)
	}
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches of the certificates for two tokens, want 1", n)
	}
}

// TestCertificatesAway expects 503 for a good token, so that Pub/Sub tries
// again, and that the next try works.
func TestCertificatesAway(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		reason string
	}{
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "status 500"},
		{"404", http.NotFound, "status 404"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/away", http.StatusFound) }, "status 302"},
		{"page of a proxy", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "no keys"},
		{"null", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "null") }, "no keys"},
		{"no keys", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[]}`) }, "no keys"},
		{"kid a number", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"keys":[{"kid":"rsa"},{"kid":1}]}`)
		}, "no keys"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"keys":[`)
		}, "unexpected EOF"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"keys":[`+strings.Repeat(" ", 1<<20)+`{"kid":"rsa"}]}`)
		}, "no keys"},
	}
	issuer := handlertest.NewIssuer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var back atomic.Bool
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if back.Load() {
					issuer.ServeHTTP(w, r)
					return
				}
				tt.answer(w, r)
			}))
			t.Cleanup(front.Close)
			url := serve(t, newAuth(t, handler.ModeVerify, front.URL))
			token := issuer.Token(t, nil)

			call(t, url, bearer(token), http.StatusServiceUnavailable, tt.reason)
			back.Store(true)
			call(t, url, bearer(token), http.StatusOK, handlertest.Email)
		})
	}
}

func TestCertificatesUnreachable(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	url := serve(t, newAuth(t, handler.ModeVerify, gone.URL))
	call(t, url, bearer(issuer.Token(t, nil)), http.StatusServiceUnavailable, "refused; the service must be able to reach")
}

// Google may change its keys unannounced. A key that is not known is asked for,
// but not more than once a minute: strangers can make key ids up.
func TestCertificatesRotated(t *testing.T) {
	old, next := handlertest.NewIssuer(t), handlertest.NewIssuer(t)
	const nextHeader = `{"alg":"RS256","typ":"JWT","kid":"next"}`
	var now http.Handler = old
	world := newCertsWorld(t, func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })
	rotated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		w.Header().Set("Cache-Control", answer.Header().Get("Cache-Control"))
		io.WriteString(w, strings.Replace(answer.Body.String(), `"kid":"rsa"`, `"kid":"next"`, 1))
	})
	synctest.Test(t, func(t *testing.T) {
		auth := newAuth(t, handler.ModeVerify, "")
		stranger := func() string { return old.Sign(t, `{"alg":"RS256","kid":"evil"}`, handlertest.Claims(t, nil)) }
		fresh := func() string { return next.Sign(t, nextHeader, handlertest.Claims(t, nil)) }

		world.call(t, auth, old.Token(t, nil), http.StatusOK, 1)
		now = rotated
		world.call(t, auth, fresh(), http.StatusUnauthorized, 0)
		time.Sleep(time.Minute)
		world.call(t, auth, fresh(), http.StatusOK, 1)
		world.call(t, auth, stranger(), http.StatusUnauthorized, 0)
		world.call(t, auth, fresh(), http.StatusOK, 0)

		time.Sleep(time.Minute)
		world.call(t, auth, stranger(), http.StatusUnauthorized, 1)
		world.call(t, auth, stranger(), http.StatusUnauthorized, 0)

		now = http.HandlerFunc(http.NotFound)
		time.Sleep(time.Minute)
		world.call(t, auth, stranger(), http.StatusServiceUnavailable, 1)
		world.call(t, auth, stranger(), http.StatusServiceUnavailable, 0)
		world.call(t, auth, fresh(), http.StatusOK, 0)
	})
}

// The certificates are kept for as long as Google says, within bounds.
func TestCertificatesAge(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	var control, age string
	world := newCertsWorld(t, func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		issuer.ServeHTTP(answer, r)
		w.Header().Set("Cache-Control", control)
		w.Header().Set("Age", age)
		answer.Body.WriteTo(w)
	})
	for _, test := range []struct {
		control, age string
		want         time.Duration
	}{
		{"public, max-age=20000, must-revalidate, no-transform", "", 20000 * time.Second},
		{"max-age=3600", "600", 50 * time.Minute},
		{"Max-Age=120", "", 2 * time.Minute},
		{"max-age=3600", "-600", time.Hour},
		{"max-age=3600", "4000", time.Minute},
		{"max-age=many", "some", time.Minute},
		{"no-store", "", time.Minute},
		{"", "", time.Minute},
		{"max-age=99999999999999", "", 24 * time.Hour},
	} {
		control, age = test.control, test.age
		synctest.Test(t, func(t *testing.T) {
			t.Logf("%q, age %q", control, age)
			auth := newAuth(t, handler.ModeVerify, "")
			good := func() string { return issuer.Token(t, nil) }
			world.call(t, auth, good(), http.StatusOK, 1)
			time.Sleep(test.want - time.Nanosecond)
			world.call(t, auth, good(), http.StatusOK, 0)
			time.Sleep(time.Nanosecond)
			world.call(t, auth, good(), http.StatusOK, 1)
		})
	}
}

// Many at once cause one fetch.
func TestCertificatesCrowd(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	url := serve(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	token := issuer.Token(t, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { call(t, url, bearer(token), http.StatusOK, handlertest.Email) })
	}
	all.Wait()
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches of the certificates, want 1", n)
	}
}

// certsWorld is a Google without a network, for bubbles in which none can be.
type certsWorld struct{ fetches int }

// newCertsWorld answers fetches of the certificates until the test ends.
func newCertsWorld(t *testing.T, answer http.HandlerFunc) *certsWorld {
	t.Helper()
	var w certsWorld
	usual := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = usual })
	http.DefaultTransport = roundTripper(func(r *http.Request) (*http.Response, error) {
		w.fetches++
		recorded := httptest.NewRecorder()
		answer(recorded, r)
		return recorded.Result(), nil
	})
	return &w
}

// call expects a status, 200 for a caller who is let in, and so many fetches.
func (w *certsWorld) call(t *testing.T, auth *handler.Auth, token string, status, fetches int) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Header = bearer(token)
	before, got := w.fetches, http.StatusOK
	_, err := auth.Caller(r)
	if refused, ok := errors.AsType[*handler.Refused](err); ok {
		got = refused.Status
	}
	if n := w.fetches - before; got != status || n != fetches {
		t.Errorf("answer = %d (%v) after %d fetches, want %d after %d", got, err, n, status, fetches)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCertificatesHang runs in a bubble, where a network cannot: the transport
// that never answers stands in for it, at Google's own address.
func TestCertificatesHang(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	var host string
	http.DefaultTransport = roundTripper(func(r *http.Request) (*http.Response, error) {
		host = r.URL.Host
		<-r.Context().Done()
		return nil, r.Context().Err()
	})

	synctest.Test(t, func(t *testing.T) {
		auth := newAuth(t, handler.ModeVerify, "")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header = bearer(issuer.Token(t, nil))
		start := time.Now()
		_, err := auth.Caller(r)
		refused, ok := errors.AsType[*handler.Refused](err)
		if !ok || refused.Status != http.StatusServiceUnavailable {
			t.Errorf("Caller = %v, want a refusal with 503", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Caller waited %v, want 5s", took)
		}
		if host != "www.googleapis.com" {
			t.Errorf("the certificates were fetched from %q, want Google", host)
		}
	})
}

func TestNewAuthBadURL(t *testing.T) {
	_, err := handler.NewAuth(handler.AuthConfig{CertsURL: "http://[::1"})
	if err == nil || !strings.Contains(err.Error(), "URL of the certificates") {
		t.Errorf("NewAuth = %v, want an error that names the URL", err)
	}
}
