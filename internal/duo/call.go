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
	"strconv"
	"time"
)

// maxFailures is how often one request is repeated after a temporary failure,
// with waits of 1, 2, 4 and 8 seconds, or as long as a 429 asks for.
const maxFailures = 4

// call is one request, and what has been tried to have it answered.
type call struct {
	client *Client
	log    Log
	query  Query
	key    string
	body   *bytes.Buffer // for answers, the session's

	date     string // the Date header of the latest answer
	failures int    // temporary ones so far
	resynced bool   // sent again with Duo's time
	rekeyed  bool   // sent again with a new key
}

// send makes one attempt, dated and signed now.
func (c *call) send(ctx context.Context) (Page, *Error) {
	req, err := c.request(ctx)
	if err != nil {
		return Page{}, &Error{Hint: hintHost, Err: withoutURL(err)}
	}
	resp, err := c.client.http.Do(req)
	if err != nil {
		// The other idle connections went the same way: the next attempt
		// makes a new one.
		c.client.http.CloseIdleConnections()
		return Page{}, networkError(0, err)
	}
	defer resp.Body.Close()
	c.date = resp.Header.Get("Date")
	c.body.Reset()
	_, readErr := c.body.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	answer, err := decode(c.body.Bytes(), c.log)
	if resp.StatusCode != http.StatusOK {
		return Page{}, c.refusal(resp, answer)
	}
	if readErr != nil {
		return Page{}, networkError(resp.StatusCode, readErr)
	}
	if err != nil {
		return Page{}, malformed(resp.StatusCode, err)
	}
	page, err := answer.page()
	if errors.Is(err, errFail) {
		return Page{}, c.refusal(resp, answer)
	}
	if err != nil {
		return Page{}, malformed(resp.StatusCode, err)
	}
	return page, nil
}

// malformed is the error of an answer that is no page and no refusal.
func malformed(status int, err error) *Error {
	return &Error{Status: status, Temporary: true, Hint: hintMalformed, Err: err}
}

// request returns the request of one attempt. Its date is Duo's time, and the
// query is sent in the very form that is signed.
func (c *call) request(ctx context.Context) (*http.Request, error) {
	cfg := c.client.cfg
	signed := signed{
		date:   time.Now().Add(time.Duration(c.client.skew.Load())).UTC().Format(time.RFC1123Z),
		method: http.MethodGet,
		host:   cfg.Host,
		path:   c.log.Path,
		query:  canonical(c.params()),
	}
	req, err := http.NewRequestWithContext(ctx, signed.method, cfg.URL+signed.path+"?"+signed.query, nil)
	if err != nil {
		return nil, err
	}
	credentials := base64.StdEncoding.EncodeToString([]byte(cfg.IKey + ":" + signed.signature(c.key)))
	req.Header.Set("Authorization", "Basic "+credentials)
	req.Header.Set("Date", signed.date)
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// params returns all parameters, which Duo wants with an offset too: it
// requires the times, and without sort it would walk backwards.
func (c *call) params() url.Values {
	params := url.Values{
		"mintime": {strconv.FormatInt(c.query.Min.UnixMilli(), 10)},
		"maxtime": {strconv.FormatInt(c.query.Max.UnixMilli(), 10)},
		"limit":   {strconv.Itoa(cmp.Or(c.query.Limit, c.log.Limit))},
	}
	switch {
	case !c.log.Ordered: // it knows no sort
	case c.query.Newest:
		params.Set("sort", "ts:desc")
	default:
		params.Set("sort", "ts:asc")
	}
	if c.query.Offset != "" {
		params.Set(c.log.OffsetParam, c.query.Offset)
	}
	return params
}

// again says how long to wait before the attempt that follows a failure, or
// with which error the call ends instead.
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

// resync corrects the clock, once; it returns the refusal where that cannot
// help.
func (c *call) resync(ctx context.Context, refusal *Error) *Error {
	if c.resynced || !c.client.resync(ctx, c.date) {
		return refusal
	}
	c.resynced = true
	return nil
}

// rekey takes up a rotated key, once; it returns the refusal where there is
// none.
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
