package handler_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/idtoken"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

// forgery is a token that is refused before its signature is looked at.
type forgery struct{ name, token, reason string }

// refuseAll expects 401 for each in both modes and no fetch of the certificates.
// The server must outlive them and still admit a good token.
func refuseAll(t *testing.T, issuer *handlertest.Issuer, forgeries []forgery) {
	t.Helper()
	for _, mode := range modes {
		before := issuer.Fetches()
		url := serve(t, newAuth(t, mode, issuer.CertsURL()))
		for _, tt := range forgeries {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				call(t, url, bearer(tt.token), http.StatusUnauthorized, tt.reason)
			})
		}
		if n := issuer.Fetches() - before; n != 0 {
			t.Errorf("%s: %d fetches of the certificates for tokens that need none", mode, n)
		}
		call(t, url, bearer(issuer.Token(t, nil)), http.StatusOK, handlertest.Email)
	}
}

func TestCallerRefusesShape(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	good, text := issuer.Token(t, nil), handlertest.Claims(t, nil)
	part := strings.Split(good, ".")
	refuseAll(t, issuer, []forgery{
		{"not base64", "evil.evil!.evil", "RS256"},
		{"header padded", part[0] + "=." + part[1] + "." + part[2], "RS256"},
		{"claims padded", part[0] + "." + part[1] + "=." + part[2], "claims"},
		{"standard base64", part[0] + "." + strings.Repeat("+", 8) + "." + part[2], "claims"},
		{"one part", "ya29.evil", "three parts"},
		{"two parts", part[0] + "." + part[1], "three parts"},
		{"four parts", good + "." + part[2], "three parts"},
		{"empty header", "." + part[1] + "." + part[2], "three parts"},
		{"empty claims", part[0] + ".." + part[2], "three parts"},
		{"empty signature", part[0] + "." + part[1] + ".", "three parts"},
		{"signature padded", good + "==", "signature is not base64url"},
		{"over 8 KiB", issuer.Token(t, claims{"name": strings.Repeat("x", 8<<10)}), "longer than 8192 bytes"},

		{"alg none", handlertest.Join(`{"alg":"none","typ":"JWT"}`, text, []byte("x")), "RS256"},
		{"alg missing", issuer.Sign(t, `{"kid":"rsa"}`, text), "RS256"},
		{"alg in lower case", issuer.Sign(t, `{"alg":"rs256","kid":"rsa"}`, text), "RS256"},
		{"alg RS512", issuer.Sign(t, `{"alg":"RS512","kid":"rsa"}`, text), "RS256"},
		{"alg a list", issuer.Sign(t, `{"alg":["RS256"],"kid":"rsa"}`, text), "RS256"},
		{"HS256 with the public key", signHS256(t, issuer, text), "RS256"},
		{"ES256 short signature", es256(`{"alg":"ES256","kid":"ec"}`, text, 31), "RS256"},
		{"ES256 full signature", es256(`{"alg":"ES256","kid":"ec"}`, text, 64), "RS256"},
		{"ES256 after RS256", es256(`{"alg":"RS256","alg":"ES256","kid":"ec"}`, text, 31), "RS256"},
		{"ES256 in other case", es256(`{"alg":"RS256","ALG":"ES256","kid":"ec"}`, text, 31), "RS256"},
		{"null header", issuer.Sign(t, `null`, text), "RS256"},
		{"list header", issuer.Sign(t, `[]`, text), "RS256"},
		{"null claims", issuer.Sign(t, handlertest.Header, `null`), "not issued by Google"},
		{"list claims", issuer.Sign(t, handlertest.Header, `[]`), "claims"},
		{"claims cut short", issuer.Sign(t, handlertest.Header, text[:20]), "claims"},
		{"text after claims", issuer.Sign(t, handlertest.Header, text+"{}"), "claims"},
	})
}

func TestCallerRefusesClaims(t *testing.T) {
	issuer := handlertest.NewIssuer(t)
	now := time.Now().Unix()
	token := func(c claims) string { return issuer.Token(t, c) }
	refuseAll(t, issuer, []forgery{
		{"wrong aud", token(claims{"aud": "https://evil.example"}), "PUSH_AUDIENCE"},
		{"aud with a slash more", token(claims{"aud": handlertest.Audience + "/"}), "PUSH_AUDIENCE"},
		{"aud in upper case", token(claims{"aud": strings.ToUpper(handlertest.Audience)}), "PUSH_AUDIENCE"},
		{"aud of gcloud users", token(claims{"aud": "32555940559.apps.googleusercontent.com"}), "PUSH_AUDIENCE"},
		{"aud missing", token(claims{"aud": nil}), "PUSH_AUDIENCE"},
		{"aud empty", token(claims{"aud": ""}), "PUSH_AUDIENCE"},
		{"aud a list", token(claims{"aud": []string{handlertest.Audience}}), "claims"},
		{"wrong iss", token(claims{"iss": "https://evil.example"}), "not issued by Google"},
		{"iss of IAP", token(claims{"iss": "https://cloud.google.com/iap"}), "not issued by Google"},
		{"iss with a slash more", token(claims{"iss": "https://accounts.google.com/"}), "not issued by Google"},
		{"iss missing", token(claims{"iss": nil}), "not issued by Google"},
		{"expired", token(claims{"exp": now - 1}), "expired"},
		{"exp missing", token(claims{"exp": nil}), "expired"},
		{"exp a string", token(claims{"exp": "9999999999"}), "claims"},
		{"exp with a fraction, past", token(claims{"exp": float64(now) - 0.5}), "expired"},
		{"exp beyond numbers", issuer.Sign(t, handlertest.Header, strings.Replace(handlertest.Claims(t, claims{"exp": 12345}), "12345", "1e999", 1)), "claims"},
		{"iat with a fraction, in the future", token(claims{"iat": float64(now) + 600.5}), "clock"},
		{"iat in the future", token(claims{"iat": now + 600}), "clock"},
		{"nbf in the future", token(claims{"nbf": now + 600}), "clock"},
		{"email a list", token(claims{"email": []string{handlertest.Email}}), "claims"},
	})
}

// es256 returns a token for the EC key in the certificates with a signature of
// n bytes. Fewer than 32 make the library panic.
func es256(header, claims string, n int) string {
	return handlertest.Join(header, claims, make([]byte, n))
}

// signHS256 returns a token whose MAC key is the public key, as one would for a
// library that takes the algorithm from the token and the key from the issuer.
func signHS256(t *testing.T, issuer *handlertest.Issuer, text string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&issuer.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	header := `{"alg":"HS256","typ":"JWT","kid":"rsa"}`
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	io.WriteString(mac, strings.TrimSuffix(handlertest.Join(header, text, nil), "."))
	return handlertest.Join(header, text, mac.Sum(nil))
}

// FuzzPrecheck looks for a token that makes the library panic, or that gets in
// although the library would not read it as one that Google signed for us.
func FuzzPrecheck(f *testing.F) {
	issuer := handlertest.NewIssuer(f)
	text := handlertest.Claims(f, claims{"exp": 1 << 40})
	f.Add(handlertest.Header, text, []byte("signature"))
	f.Add(`{"alg":"RS256","ALG":"ES256","kid":"ec"}`, text, []byte("short"))
	f.Add(`{"alg":"ES256","kid":"ec"}`, text, []byte(""))
	f.Add(handlertest.Header, strings.Replace(text, "1099511627776", "1099511627776.5", 1), []byte("signature"))
	f.Add(`null`, `null`, []byte("x"))
	f.Add(`[]`, `[]`, []byte("."))
	verify := newAuth(f, handler.ModeVerify, issuer.CertsURL())
	iam := newAuth(f, handler.ModeCloudRunIAM, issuer.CertsURL())

	f.Fuzz(func(t *testing.T, header, text string, signature []byte) {
		encoded := handlertest.Join(header, text, signature)
		raw := header + "." + text + "." + string(signature)
		for _, token := range []string{encoded, raw} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.Header = bearer(token)
			if _, err := verify.Caller(r); err == nil {
				t.Errorf("a token that nobody signed was admitted: %q", token)
			}
			if _, err := iam.Caller(r); err == nil {
				t.Errorf("a token that nobody signed was admitted where Cloud Run checks: %q", token)
			}
			placeholder := token[:strings.LastIndex(token, ".")] + ".SIGNATURE_REMOVED_BY_GOOGLE"
			r.Header = bearer(placeholder)
			if _, err := iam.Caller(r); err == nil {
				checkAdmitted(t, placeholder)
			}
		}
	})
}

// checkAdmitted reads the token in the library's way.
func checkAdmitted(t *testing.T, token string) {
	part := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(part[0])
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Alg, Kid any }
	if err := json.Unmarshal(text, &header); err != nil || header.Alg != "RS256" {
		t.Errorf("header %q was admitted", text)
	}
	payload, err := idtoken.ParsePayload(token)
	if err != nil {
		return // a time with a fraction: the library reads none
	}
	if len(part) != 3 || !slices.Contains([]string{handlertest.Audience, otherAudience}, payload.Audience) {
		t.Errorf("%d parts for audience %q were admitted", len(part), payload.Audience)
	}
}
