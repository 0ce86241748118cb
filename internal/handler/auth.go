package handler

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mode says who checks the signature of an id token.
type Mode string

const (
	// ModeVerify checks the signature here, for a service that anyone may connect to.
	ModeVerify Mode = "verify"
	// ModeCloudRunIAM takes the placeholder that Cloud Run's invoker check puts in the
	// place of a signature. Anywhere else it lets everybody in who can write JSON.
	ModeCloudRunIAM Mode = "cloudrun-iam"
)

const (
	// maxSkew is how far Google's clock may be ahead of this one.
	maxSkew = 5 * time.Minute
	// serverless is the header that Cloud Run's invoker check prefers.
	serverless = "X-Serverless-Authorization"
	// stripped is what Cloud Run puts in the place of a signature, see
	// https://docs.cloud.google.com/run/docs/troubleshooting#signature-removed
	stripped = ".SIGNATURE_REMOVED_BY_GOOGLE"
)

// issuers are the two ways in which Google writes its name.
var issuers = []string{"https://accounts.google.com", "accounts.google.com"}

// AuthConfig says which id tokens are accepted.
type AuthConfig struct {
	// Mode counts as ModeVerify, the safe one, unless it is ModeCloudRunIAM.
	Mode      Mode
	Audiences []string // accepted audiences, exact; an empty one accepts none
	Callers   []string // accepted e-mail addresses, exact; likewise
	CertsURL  string   // of a JWKS in the place of Google's certificates, for tests
}

// Auth decides who may call. In this order it checks that there is one bearer token of
// the right shape (401), that Google issued it for one of our audiences and that it is
// in time (401), that its signature is good (401, or 503 where the certificates cannot
// be fetched), and that it names a caller on the list (403). So only a token that names
// our audience can cause a fetch. An Auth is safe for concurrent use.
type Auth struct {
	cfg   AuthConfig
	certs *certs
}

// Refused is why a request was turned away. Of the token the Reason holds at most the
// e-mail address, and that only once the signature is known to be good.
type Refused struct {
	Status int    // 401, 403 or 503: all that the caller is told
	Reason string // for the log
}

// Error is the reason.
func (r *Refused) Error() string { return r.Reason }

func refuse(status int, format string, args ...any) error {
	return &Refused{status, fmt.Sprintf(format, args...)}
}

func unauthorized(format string, args ...any) error {
	return refuse(http.StatusUnauthorized, format, args...)
}

// NewAuth returns an Auth, without a request.
func NewAuth(cfg AuthConfig) (*Auth, error) {
	if _, err := url.Parse(cfg.CertsURL); err != nil {
		return nil, fmt.Errorf("reading the URL of the certificates: %w", err)
	}
	return &Auth{cfg: cfg, certs: newCerts(cfg.CertsURL)}, nil
}

// Caller returns the e-mail address of a good id token. Every error is a [*Refused].
func (a *Auth) Caller(r *http.Request) (string, error) {
	token, err := a.bearer(r.Header)
	if err != nil {
		return "", err
	}
	kid, c, err := precheck(token)
	if err != nil {
		return "", err
	}
	if err := a.checkClaims(c); err != nil {
		return "", err
	}
	if err := a.checkSignature(r.Context(), token, kid, c.Audience); err != nil {
		return "", err
	}
	if err := a.checkCaller(c); err != nil {
		return "", err
	}
	return c.Email, nil
}

// bearer returns the request's only token. Where Cloud Run finds both headers
// it checks X-Serverless-Authorization alone, so the other one proves nothing
// there. Without Cloud Run's check that header means nothing.
func (a *Auth) bearer(h http.Header) (string, error) {
	name := "Authorization"
	if a.cfg.Mode == ModeCloudRunIAM && len(h.Values(serverless)) > 0 {
		name = serverless
	}
	values := h.Values(name)
	if len(values) != 1 {
		return "", unauthorized("want one %s header with an id token, got %d", name, len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", unauthorized("the %s header is not of the form Bearer TOKEN", name)
	}
	return token, nil
}

// checkClaims does what the library leaves out (the issuer, a list of audiences, times
// in the future) and, to save fetches, what it does as well. A token from the future
// shows that this clock is behind, and then an expired one would pass. Only its own end
// limits a token's age: Pub/Sub sends some that are up to an hour old.
func (a *Auth) checkClaims(c claims) error {
	now := float64(time.Now().UnixNano()) / 1e9
	switch {
	case !slices.Contains(issuers, c.Issuer):
		return unauthorized("the id token is not issued by Google: get one from Pub/Sub or gcloud")
	case c.Audience == "" || !slices.Contains(a.cfg.Audiences, c.Audience):
		return unauthorized("the id token's audience is not in PUSH_AUDIENCE: " +
			"set it as the subscription's push auth token audience; " +
			"a person adds --impersonate-service-account and --audiences to gcloud auth print-identity-token")
	case now >= c.Expires:
		return unauthorized("the id token has expired: get a new one")
	case max(c.IssuedAt, c.NotBefore) > now+maxSkew.Seconds():
		return unauthorized("the id token is from the future: set this machine's clock")
	}
	return nil
}

// checkSignature relies on checkClaims: given no audience the library accepts any.
func (a *Auth) checkSignature(ctx context.Context, token, kid, audience string) error {
	switch removed := strings.HasSuffix(token, stripped); {
	case removed && a.cfg.Mode == ModeCloudRunIAM:
		return nil
	case removed:
		return unauthorized("Cloud Run has taken the signature off the id token: "+
			"deploy with --no-invoker-iam-check, or leave the check to it with AUTH_MODE=%s", ModeCloudRunIAM)
	}
	set, err := a.certs.get(ctx, kid)
	if err != nil {
		return refuse(http.StatusServiceUnavailable, "fetching the certificates for id tokens: %v; "+
			"the service must be able to reach www.googleapis.com", err)
	}
	if err := set.check(ctx, token, kid, audience); err != nil {
		return unauthorized("the id token's signature is not Google's: %v", err)
	}
	return nil
}

func (a *Auth) checkCaller(c claims) error {
	switch {
	case c.Email == "":
		return refuse(http.StatusForbidden, "the id token names no e-mail address: add --include-email to gcloud auth print-identity-token")
	case c.Verified != true:
		return refuse(http.StatusForbidden, "Google has not verified the address %q: call as a service account", c.Email)
	case !slices.Contains(a.cfg.Callers, c.Email):
		return refuse(http.StatusForbidden, "%q is not in ALLOWED_CALLERS: add it if it may call", c.Email)
	}
	return nil
}

// maxToken is in bytes; Google's id tokens have about 1 KiB.
const maxToken = 8 << 10

// claims is what an id token says. A claim of another type makes the token malformed,
// and so does a list of audiences: Google issues none. Times are seconds since 1970,
// to which RFC 7519 allows a fraction.
type claims struct {
	Issuer    string  `json:"iss"`
	Audience  string  `json:"aud"`
	Expires   float64 `json:"exp"`
	IssuedAt  float64 `json:"iat"`
	NotBefore float64 `json:"nbf"`
	Email     string  `json:"email"`
	Verified  any     `json:"email_verified"` // all but true is an unverified address
}

// precheck reads a token that nobody has checked yet: the id of the key that is said to
// have signed it, "" if there is none, and the claims. It lets nothing but RS256 through
// to the library, which panics on a short ES256 signature
// (https://github.com/googleapis/google-api-go-client/pull/3668) and takes the keys for
// that from Google's IAP, which answers for other tokens. The header is decoded just as
// there, so that a repeated or odd alg can't mean another thing here.
func precheck(token string) (kid string, c claims, err error) {
	if len(token) > maxToken {
		return "", claims{}, unauthorized("the id token is longer than %d bytes", maxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return "", claims{}, unauthorized("the token does not have the three parts of an id token; " +
			"an access token will not do")
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     any    `json:"kid"`
	}
	if err := decodePart(parts[0], &header); err != nil || header.Algorithm != "RS256" {
		return "", claims{}, unauthorized("the id token's header does not say RS256, as all of Google's do")
	}
	if _, err := base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return "", claims{}, unauthorized("the id token's signature is not base64url")
	}
	if err := decodePart(parts[1], &c); err != nil {
		return "", claims{}, unauthorized("the id token's claims are no JSON or of other types than Google's")
	}
	kid, _ = header.KeyID.(string)
	return kid, c, nil
}

func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
