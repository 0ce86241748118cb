package duo

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"net/url"
	"strings"
)

// signed is what version 5 of Duo's signature covers, in its order.
type signed struct {
	date, method, host, path, query string
	// Of body and headers the hashes are covered. The headers are the x-duo- ones, as
	// name and value in turn, sorted, with a NUL between. Reading a log has neither.
	body, headers string
}

// signature returns the HMAC of the seven lines in hexadecimal digits.
func (s signed) signature(skey string) string {
	mac := hmac.New(sha512.New, []byte(skey))
	mac.Write([]byte(strings.Join([]string{
		s.date, s.method, strings.ToLower(s.host), s.path, s.query, hash(s.body), hash(s.headers),
	}, "\n")))
	return hex.EncodeToString(mac.Sum(nil))
}

func hash(s string) string {
	sum := sha512.Sum512([]byte(s))
	return hex.EncodeToString(sum[:])
}

// canonical returns the parameters as Duo wants them signed: sorted by name,
// everything but letters, digits and _.~- percent-encoded, a space as %20.
func canonical(params url.Values) string {
	return strings.ReplaceAll(params.Encode(), "+", "%20")
}
