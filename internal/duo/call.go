package duo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxFailures is how often one request is repeated after a temporary failure,
// with waits of 1, 2, 4 and 8 seconds, or as long as a 429 asks for.
const maxFailures = 4

// call is one request, and what has been tried to have it answered.
type call struct {
	client *Client
	question
	key  string
	body *bytes.Buffer // for answers, the session's

	date     string // the Date header of the latest answer
	failures int    // temporary ones so far
	resynced bool   // sent again with Duo's time
	rekeyed  bool   // sent again with a new key
}

// question is what a call asks, whoever asks it.
type question struct {
	method, path string
	params       url.Values
	sent         string // the body, JSON, "" for none
	log          Log    // that is read; no log's for the list of accounts
	// read takes what was asked for from an answer, with [answer.page]'s errors.
	read func(answer) error
}

// send makes one attempt, dated and signed now.
func (c *call) send(ctx context.Context) *Error {
	failure := c.attempt(ctx)
	if failure != nil {
		failure.Hint = c.client.places.Replace(failure.Hint)
	}
	return failure
}

func (c *call) attempt(ctx context.Context) *Error {
	req, err := c.request(ctx)
	if err != nil {
		return &Error{Hint: hintHost, Err: withoutURL(err)}
	}
	resp, err := c.client.http.Do(req)
	if err != nil {
		// The other idle connections went the same way: the next attempt makes a new one.
		c.client.http.CloseIdleConnections()
		return networkError(0, err)
	}
	defer resp.Body.Close()
	c.date = resp.Header.Get("Date")
	c.body.Reset()
	_, readErr := c.body.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	answer, err := decode(c.body.Bytes())
	if resp.StatusCode != http.StatusOK {
		return c.refusal(resp, answer)
	}
	if readErr != nil {
		return networkError(resp.StatusCode, readErr)
	}
	if err == nil {
		err = c.read(answer)
	}
	if errors.Is(err, errFail) {
		return c.refusal(resp, answer)
	}
	if err != nil {
		return &Error{Status: resp.StatusCode, Temporary: true, Hint: hintMalformed, Err: err}
	}
	return nil
}

// request returns the request of one attempt, dated by Duo's clock, and with the query
// in the form that is signed. The Host header is the account's wherever it connects to.
func (c *call) request(ctx context.Context) (*http.Request, error) {
	cfg := c.client.cfg
	signed := signed{
		date:   time.Now().Add(time.Duration(c.client.shared.skew.Load())).UTC().Format(time.RFC1123Z),
		method: c.method, host: cfg.Host, path: c.path, query: canonical(c.params), body: c.sent,
	}
	url := cmp.Or(cfg.URL, "https://"+cfg.Host) + c.path
	if signed.query != "" {
		url += "?" + signed.query
	}
	req, err := http.NewRequestWithContext(ctx, c.method, url, strings.NewReader(c.sent))
	if err != nil {
		return nil, err
	}
	credentials := base64.StdEncoding.EncodeToString([]byte(cfg.IKey + ":" + signed.signature(c.key)))
	req.Host = cfg.Host
	req.Header.Set("Authorization", "Basic "+credentials)
	req.Header.Set("Date", signed.date)
	req.Header.Set("User-Agent", userAgent)
	if c.sent != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// again returns how long to wait before another attempt, or the error to end with.
func (c *call) again(ctx context.Context, failure *Error) (time.Duration, *Error) {
	switch {
	case failure.RateLimited() && c.failures < maxFailures:
		c.failures++
		return failure.RetryAfter, nil
	case failure.Code == codeTimestamp:
		return 0, c.resync(ctx, failure)
	case failure.Status == http.StatusUnauthorized:
		return 0, c.rekey(failure)
	case failure.Temporary && c.failures < maxFailures:
		wait := time.Second << c.failures
		c.failures++
		return wait + rand.N(wait/4), nil
	}
	return 0, failure
}

// resync corrects the clock, once. It returns the refusal if that can't help.
func (c *call) resync(ctx context.Context, refusal *Error) *Error {
	if c.resynced || !c.client.resync(ctx, c.date) {
		return refusal
	}
	c.resynced = true
	return nil
}

// rekey takes up a rotated key, once. It returns the refusal if there is none.
func (c *call) rekey(refusal *Error) *Error {
	if c.rekeyed {
		return refusal
	}
	key, failure := c.client.secret(c.key)
	if failure != nil {
		return failure
	}
	if key == c.key {
		return refusal
	}
	c.key, c.rekeyed = key, true
	return nil
}
