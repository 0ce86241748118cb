package handler_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

const (
	otherAudience = "https://collector-1234.run.app"
	otherCaller   = "admin@example.com"
)

var modes = []handler.Mode{handler.ModeVerify, handler.ModeCloudRunIAM}

type claims = map[string]any

// newAuth has an empty entry in each list, as a stray comma makes one. It must
// let nobody in.
func newAuth(t testing.TB, mode handler.Mode, certsURL string) *handler.Auth {
	t.Helper()
	auth, err := handler.NewAuth(handler.AuthConfig{
		Mode:      mode,
		Audiences: []string{handlertest.Audience, otherAudience, ""},
		Callers:   []string{handlertest.Email, otherCaller, ""},
		CertsURL:  certsURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// serve starts a server that answers with the caller's address, or with the
// status and the reason of the refusal.
func serve(t *testing.T, auth *handler.Auth) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		email, err := auth.Caller(r)
		if err == nil {
			io.WriteString(w, email)
			return
		}
		refused, ok := errors.AsType[*handler.Refused](err)
		if !ok || email != "" {
			t.Errorf("Caller = %q, %T, want a *Refused and no address", email, err)
			return
		}
		w.WriteHeader(refused.Status)
		io.WriteString(w, err.Error())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// call sends a request with these headers and expects a status and, in the
// answer, these words.
func call(t *testing.T, url string, header http.Header, status int, words string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	if resp.StatusCode != status || !strings.Contains(text, words) {
		t.Errorf("answer = %d %q, want %d with %q", resp.StatusCode, text, status, words)
	}
	checkSilent(t, resp.StatusCode, text, header.Get("Authorization"))
}

// checkSilent expects a reason that holds no part of the token and no claim
// but, once the signature is good, the address.
func checkSilent(t *testing.T, status int, text, authorization string) {
	t.Helper()
	if status == http.StatusUnauthorized && strings.Contains(text, "@") || strings.Contains(text, "evil") {
		t.Errorf("the reason %q holds a claim that nobody has checked", text)
	}
	for part := range strings.FieldsFuncSeq(authorization, func(r rune) bool { return strings.ContainsRune(" .,", r) }) {
		if len(part) > 16 && strings.Contains(text, part) {
			t.Errorf("the reason %q holds a part of the token", text)
		}
	}
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func TestCallerAdmits(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	now := time.Now()
	tests := []struct {
		name   string
		claims claims
		scheme string
		want   string
	}{
		{"as Pub/Sub sends it", nil, "Bearer ", handlertest.Email},
		{"issuer without scheme", claims{"iss": "accounts.google.com"}, "Bearer ", handlertest.Email},
		{"second audience", claims{"aud": otherAudience}, "Bearer ", handlertest.Email},
		{"second caller", claims{"email": otherCaller}, "Bearer ", otherCaller},
		{"lower case scheme", nil, "bearer ", handlertest.Email},
		{"upper case scheme", nil, "BEARER ", handlertest.Email},
		{"spaces around", nil, "  Bearer ", handlertest.Email},
		{"an hour old", claims{"iat": now.Unix() - 3540, "exp": now.Unix() + 60}, "Bearer ", handlertest.Email},
		{"times with a fraction", claims{"iat": float64(now.Unix()) + 0.25, "nbf": float64(now.Unix()) + 0.25, "exp": float64(now.Unix()) + 60.75}, "Bearer ", handlertest.Email},
		{"exp as 1e10", claims{"exp": json.Number("1e10")}, "Bearer ", handlertest.Email},
		{"clock a little behind", claims{"iat": now.Unix() + 240, "nbf": now.Unix() + 240}, "Bearer ", handlertest.Email},
	}
	for _, mode := range modes {
		url := serve(t, newAuth(t, mode, issuer.CertsURL()))
		for _, tt := range tests {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				header := http.Header{"Authorization": {tt.scheme + issuer.Token(t, tt.claims) + "  "}}
				call(t, url, header, http.StatusOK, tt.want)
			})
		}
	}
}

func TestCallerRefusesHeader(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	good := issuer.Token(t, nil)
	tests := []struct {
		name   string
		values []string
		reason string
	}{
		{"none", nil, "got 0"},
		{"two good ones", []string{"Bearer " + good, "Bearer " + good}, "got 2"},
		{"a second scheme", []string{"Basic ZXZpbDpldmls", "Bearer " + good}, "got 2"},
		{"empty", []string{""}, "Bearer TOKEN"},
		{"scheme only", []string{"Bearer"}, "three parts"},
		{"token only", []string{good}, "Bearer TOKEN"},
		{"Basic", []string{"Basic ZXZpbDpldmls"}, "Bearer TOKEN"},
		{"token as Basic", []string{"Basic " + good}, "Bearer TOKEN"},
		{"two spaces", []string{"Bearer  " + good}, "RS256"},
		{"tab", []string{"Bearer\t" + good}, "Bearer TOKEN"},
		{"two tokens", []string{"Bearer " + good + " " + good}, "three parts"},
		{"a list", []string{"Bearer " + good + ", Bearer " + good}, "three parts"},
		{"comma after", []string{"Bearer " + good + ","}, "signature is not base64url"},
	}
	for _, mode := range modes {
		url := serve(t, newAuth(t, mode, issuer.CertsURL()))
		for _, tt := range tests {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				call(t, url, http.Header{"Authorization": tt.values}, http.StatusUnauthorized, tt.reason)
			})
		}
	}
}

// TestServerlessHeader shows which header counts where both can be there.
func TestServerlessHeader(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	good, garbage := "Bearer "+issuer.Token(t, nil), "Bearer evil"
	stranger := "Bearer " + issuer.Token(t, claims{"email": "stranger@example.com"})
	tests := []struct {
		name          string
		authorization []string
		serverless    []string
		verify, iam   int
	}{
		{"serverless alone", nil, []string{good}, 401, 200},
		{"both good", []string{good}, []string{good}, 200, 200},
		{"serverless bad", []string{good}, []string{garbage}, 200, 401},
		{"serverless empty", []string{good}, []string{""}, 200, 401},
		{"serverless a stranger", []string{good}, []string{stranger}, 200, 403},
		{"serverless twice", []string{good}, []string{good, good}, 200, 401},
		{"authorization bad", []string{garbage}, []string{good}, 401, 200},
		{"authorization twice", []string{good, good}, []string{good}, 401, 200},
	}
	verify := serve(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	iam := serve(t, newAuth(t, handler.ModeCloudRunIAM, issuer.CertsURL()))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Authorization": tt.authorization, "X-Serverless-Authorization": tt.serverless}
			call(t, verify, header, tt.verify, "")
			call(t, iam, header, tt.iam, "")
		})
	}
}

// TestCallerRefusesCaller has good tokens of those who may not call.
func TestCallerRefusesCaller(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	tests := []struct {
		name   string
		claims claims
		reason string
	}{
		{"no email", claims{"email": nil}, "--include-email"},
		{"empty email", claims{"email": ""}, "--include-email"},
		{"unverified", claims{"email_verified": false}, "not verified"},
		{"verified missing", claims{"email_verified": nil}, "not verified"},
		{"verified a string", claims{"email_verified": "true"}, "not verified"},
		{"verified a number", claims{"email_verified": 1}, "not verified"},
		{"stranger", claims{"email": "stranger@example.com"}, `"stranger@example.com" is not in ALLOWED_CALLERS`},
		{"other case", claims{"email": strings.ToUpper(handlertest.Email)}, "ALLOWED_CALLERS"},
		{"part of an address", claims{"email": handlertest.Email[1:]}, "ALLOWED_CALLERS"},
	}
	for _, mode := range modes {
		url := serve(t, newAuth(t, mode, issuer.CertsURL()))
		for _, tt := range tests {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				call(t, url, bearer(issuer.Token(t, tt.claims)), http.StatusForbidden, tt.reason)
			})
		}
	}
}
