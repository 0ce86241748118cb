package handler_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

// TestSignature has tokens that only their signature gives away: refused here,
// and let through where Cloud Run has looked at it.
func TestSignature(t *testing.T) {
	issuer, other := handlertest.NewIssuer(t), handlertest.NewIssuer(t)
	good, text := issuer.Token(t, nil), handlertest.Claims(t, nil)
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
		{"taken off by Cloud Run", unsigned + "SIGNATURE_REMOVED_BY_GOOGLE", "deploy with --no-invoker-iam-check, or leave the check to it with AUTH_MODE=cloudrun-iam"},
	}
	verify := serve(t, newAuth(t, "", issuer.CertsURL())) // unset must not mean unchecked
	iam := serve(t, newAuth(t, handler.ModeCloudRunIAM, issuer.CertsURL()))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call(t, verify, bearer(tt.token), http.StatusUnauthorized, tt.reason)
			call(t, iam, bearer(tt.token), http.StatusOK, handlertest.Email)
		})
	}
	if n := issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches of the certificates, want 1: a bad signature is no reason for another", n)
	}
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
	_, err := handler.NewAuth(t.Context(), handler.AuthConfig{CertsURL: "http://[::1"})
	if err == nil || !strings.Contains(err.Error(), "URL of the certificates") {
		t.Errorf("NewAuth = %v, want an error that names the URL", err)
	}
}
