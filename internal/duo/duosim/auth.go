package duosim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tolerance is how far a date may be from the clock. Duo does not say; this is
// strict enough to catch the date of an earlier attempt.
const tolerance = time.Minute

// authenticate checks key, date and signature.
func (s *Sim) authenticate(r *http.Request, now time.Time) *refusal {
	ikey, signature, ok := r.BasicAuth()
	if !ok {
		return &refusal{code: 40101, message: "Missing request credentials"}
	}
	if ikey != s.cfg.IKey {
		return &refusal{code: 40102, message: "Invalid integration key in request credentials"}
	}
	date, err := mail.ParseDate(r.Header.Get("Date"))
	if err != nil || now.Sub(date).Abs() > tolerance {
		return &refusal{code: 40105, message: "Bad request timestamp"}
	}
	if !hmac.Equal([]byte(strings.ToLower(signature)), []byte(s.signature(r))) {
		return &refusal{code: 40103, message: "Invalid signature in request credentials"}
	}
	return nil
}

// signature is Duo's version 5, without x-duo- headers, for the account's host.
func (s *Sim) signature(r *http.Request) string {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // a part of it is not what was signed
	r.Body = io.NopCloser(bytes.NewReader(body))         // it can be read again
	mac := hmac.New(sha512.New, []byte(s.cfg.SKey))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n%s\n%x\n%x", r.Header.Get("Date"), r.Method, strings.ToLower(s.cfg.Host),
		r.URL.Path, sortedParams(r.URL.RawQuery), sha512.Sum512(body), sha512.Sum512(nil))
	return hex.EncodeToString(mac.Sum(nil))
}

// sortedParams reads a query as a server does and writes it as Duo signs it.
func sortedParams(raw string) string {
	params, err := url.ParseQuery(raw)
	if err != nil {
		return raw
	}
	var pairs []string
	for name, values := range params {
		for _, value := range values {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape writes a space as %20, as Duo signs it.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
