// Package handlertest issues id tokens for tests: a real RSA key, a server with
// its certificates, and good and forged tokens.
//
//	issuer := handlertest.NewIssuer(t)
//	auth, err := handler.NewAuth(handler.AuthConfig{
//		Audiences: []string{handlertest.Audience},
//		Callers:   []string{handlertest.Email},
//		CertsURL:  issuer.CertsURL(),
//	})
//	req.Header.Set("Authorization", "Bearer "+issuer.Token(t, nil))
package handlertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// Audience is whom a token is for unless its claims say otherwise.
	Audience = "https://collector.example.com"
	// Email is whom a token names unless its claims say otherwise.
	Email = "push@project.iam.gserviceaccount.com"
	// Header is the header of a good token. All issuers use the same key id,
	// so one issuer's token is a forgery to another.
	Header = `{"alg":"RS256","typ":"JWT","kid":"rsa"}`
	// KidES256 is the id of the key in the certificates that is no RSA key.
	KidES256 = "ec"
)

// Issuer signs tokens, and is an http.Handler that serves its certificates.
type Issuer struct {
	Key *rsa.PrivateKey

	url     string
	fetches atomic.Int64
}

// NewIssuer starts a server with the certificates, which ends with the test.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{Key: key}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// CertsURL is where the certificates are.
func (i *Issuer) CertsURL() string { return i.url }

// Fetches is how often the certificates were served.
func (i *Issuer) Fetches() int { return int(i.fetches.Load()) }

// ServeHTTP answers with the certificates, which may be kept for an hour.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.fetches.Add(1)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	fmt.Fprintf(w, `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"rsa","n":%q,"e":%q},`+
		`{"kty":"EC","alg":"ES256","crv":"P-256","use":"sig","kid":%q,"x":"AQ","y":"AQ"}]}`,
		encode(i.Key.N.Bytes()), encode(big.NewInt(int64(i.Key.E)).Bytes()), KidES256)
}

// Token returns a good token with these [Claims].
func (i *Issuer) Token(t testing.TB, claims map[string]any) string {
	t.Helper()
	return i.Sign(t, Header, Claims(t, claims))
}

// Claims returns the text of a good token's claims with these in place of the
// usual ones. A claim that is nil is left out.
func Claims(t testing.TB, claims map[string]any) string {
	t.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": "https://accounts.google.com", "aud": Audience, "email": Email, "email_verified": true,
		"azp": "113774264463038321964", "sub": "113774264463038321964",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, claim any) bool { return claim == nil })
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Sign returns a token with any header and claims, and the issuer's RS256 signature.
func (i *Issuer) Sign(t testing.TB, header, claims string) string {
	t.Helper()
	signed := encode([]byte(header)) + "." + encode([]byte(claims))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, i.Key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

// Join returns a token with any header, claims and signature.
func Join(header, claims string, signature []byte) string {
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
