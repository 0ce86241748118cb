package handler

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

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
		return "", claims{}, refuse(http.StatusUnauthorized, "the id token is longer than %d bytes", maxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return "", claims{}, refuse(http.StatusUnauthorized, "the token does not have the three parts of an id token; an access token will not do")
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     any    `json:"kid"`
	}
	if err := decodePart(parts[0], &header); err != nil || header.Algorithm != "RS256" {
		return "", claims{}, refuse(http.StatusUnauthorized, "the id token's header does not say RS256, as all of Google's do")
	}
	if _, err := base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return "", claims{}, refuse(http.StatusUnauthorized, "the id token's signature is not base64url")
	}
	if err := decodePart(parts[1], &c); err != nil {
		return "", claims{}, refuse(http.StatusUnauthorized, "the id token's claims are no JSON or of other types than Google's")
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
