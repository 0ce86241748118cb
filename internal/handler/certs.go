package handler

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"
)

const (
	// googleCerts is where Google publishes the keys of its id tokens.
	googleCerts = "https://www.googleapis.com/oauth2/v3/certs"
	// certsTimeout is for a whole fetch.
	certsTimeout = 5 * time.Second
	// maxCerts is in bytes; Google's key set has about 2 KiB.
	maxCerts = 1 << 20
	// minCertsAge is how long a set is kept at least, and how long an unknown
	// key id waits for the next fetch: strangers can make up key ids.
	minCertsAge = time.Minute
	// maxCertsAge is how long a set is kept at most. Google says some hours.
	maxCertsAge = 24 * time.Hour
)

// certs keeps Google's certificates for as long as Google says, or until a token names
// another key: Google may change its keys unannounced, which the library's cache misses.
type certs struct {
	url    string
	client *http.Client

	fetching sync.Mutex // held by who fetches; who waits shares the outcome

	mu    sync.Mutex // guards what follows
	set   *certSet   // the latest, empty before the first
	tried time.Time  // when the last fetch ended
	err   error      // how it ended
}

func newCerts(from string) *certs {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Timeout: certsTimeout, CheckRedirect: stay}
	return &certs{url: cmp.Or(from, googleCerts), client: client, set: &certSet{}}
}

// get returns the set in which to look for a key, or why there is none just now.
func (c *certs) get(ctx context.Context, kid string) (*certSet, error) {
	asked := time.Now()
	if set, settled, err := c.settled(kid, asked); settled {
		return set, err
	}
	c.fetching.Lock()
	defer c.fetching.Unlock()
	if set, settled, err := c.settled(kid, asked); settled {
		return set, err
	}
	// A caller who goes away must not fail those who wait.
	set, err := c.fetch(context.WithoutCancel(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried, c.err = time.Now(), err; err == nil {
		c.set = set
	}
	return set, err
}

// settled reports whether a caller who asked then can be answered without a fetch.
func (c *certs) settled(kid string, asked time.Time) (set *certSet, settled bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.set.keys[kid]
	switch fresh := time.Now().Before(c.set.until); {
	case fresh && known:
		return c.set, true, nil
	case fresh && time.Since(c.tried) < minCertsAge, c.tried.After(asked):
		return c.set, true, c.err
	}
	return nil, false, nil
}

func (c *certs) fetch(ctx context.Context) (*certSet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCerts))
	if err != nil {
		return nil, err
	}
	return newCertSet(ctx, body, time.Now().Add(certsAge(resp.Header)))
}

// certsAge is how long the answer may be kept.
func certsAge(h http.Header) time.Duration {
	var seconds int
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if strings.EqualFold(name, "max-age") {
			seconds, _ = strconv.Atoi(value) // 0 if it is no number
		}
	}
	age, _ := strconv.Atoi(h.Get("Age"))
	seconds = min(seconds-max(age, 0), int(maxCertsAge/time.Second))
	return max(time.Duration(seconds)*time.Second, minCertsAge)
}

// certSet is one answer with certificates. It never changes.
type certSet struct {
	keys      map[string]*rsa.PublicKey // by key id; nil for a key that is not RSA's
	validator *idtoken.Validator        // knows this answer and no other
	until     time.Time
}

func newCertSet(ctx context.Context, body []byte, until time.Time) (*certSet, error) {
	var answer struct {
		Keys []struct{ Kid, N, E string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Keys) == 0 {
		return nil, errors.New("the answer holds no keys")
	}
	set := &certSet{keys: map[string]*rsa.PublicKey{}, until: until}
	for _, key := range answer.Keys {
		set.keys[key.Kid] = rsaKey(key.N, key.E)
	}
	var err error
	set.validator, err = idtoken.NewValidator(ctx, option.WithHTTPClient(&http.Client{Transport: served(body)}))
	if err != nil {
		return nil, fmt.Errorf("setting up the id token check: %w", err)
	}
	return set, nil
}

// rsaKey returns nil for what is no RSA key.
func rsaKey(n, e string) *rsa.PublicKey {
	modulus, badN := base64.RawURLEncoding.DecodeString(n)
	exponent, badE := base64.RawURLEncoding.DecodeString(e)
	if errors.Join(badN, badE) != nil || len(modulus) == 0 || len(exponent) == 0 || len(exponent) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
}

// check verifies the token's signature. It leaves that to the library unless the token
// has fractions in exp or iat, which RFC 7519 allows and the library can't read.
func (s *certSet) check(ctx context.Context, token, kid, audience string) error {
	if _, unread := idtoken.ParsePayload(token); unread == nil {
		_, err := s.validator.Validate(ctx, token, audience)
		return err
	}
	key := s.keys[kid]
	if key == nil {
		return errors.New("no certificate has its keyId")
	}
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(token[:dot]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}

// served are certificates that were fetched, for the library, which asks for them.
type served []byte

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Cache-Control": {fmt.Sprintf("max-age=%.f", maxCertsAge.Seconds())}}
	body := io.NopCloser(bytes.NewReader(s))
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: body, Request: r}, nil
}
