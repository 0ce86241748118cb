package duo

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Codes of Duo that mean more than their HTTP status.
const (
	codeParameter = 40002
	codeTimestamp = 40105
	codeRateLimit = 42901
)

// What an operator does about an error. [placesOf] has what stands in braces.
const (
	hintSecret      = "{secret}"
	hintKeys        = "check {keys}"
	hintClock       = "set the clock of this machine, Duo accepts a difference of a minute at most"
	hintPermission  = `grant the application "Grant read log" in Duo's Admin Panel, and allow this service's address where the application restricts networks`
	hintEdition     = "; or this account has no %s log: %s"
	hintEnded       = "Duo has ended the %s log, or this account never had it: take it out of DUO_LOGS"
	hintRedirect    = "check {host}, and that no proxy answers in Duo's place"
	hintHost        = "check {host}"
	hintRate        = "the next run goes on; if it lasts, let other programs read this log less often or raise PAGE_INTERVAL"
	hintParameter   = "the service asked for something that this Duo does not know, report it with this line"
	hintServer      = "the next run tries again; if it lasts, see https://status.duo.com"
	hintNetwork     = "the next run tries again; if it lasts, check {host} and the way to its port 443"
	hintCertificate = "check {host}, and that no proxy opens the connection to Duo"
	hintMalformed   = "the next run tries again; if it lasts, check that no proxy changes Duo's answers"

	hintAccounts = "the list of child accounts is for the keys of an Accounts API application, which Duo Support enables for managed providers: " +
		"check {keys}, and that the application allows this service's address; without such an application give each account a line in an accounts file (DUO_ACCOUNTS)"
	hintDeployment = "this account is on another Duo deployment than the account above it, whose keys can't read it there: " +
		"ask Duo Support to move it, or create an Admin API application in it and give it a line in an accounts file (DUO_ACCOUNTS)"
	hintChild = "see in Duo's Admin Panel whether this account is still below the one that the keys belong to, " +
		"whether its edition has the %s log, and whether the application allows this service's address"
)

// placesOf returns where an operator finds the settings of an account.
func placesOf(cfg Config) *strings.Replacer {
	if cfg.File != "" {
		return strings.NewReplacer("{secret}", "correct this account's line in "+cfg.File,
			"{keys}", "this account's line in "+cfg.File, "{host}", "this account's host in "+cfg.File)
	}
	return strings.NewReplacer("{secret}", "make the file that DUO_SKEY_FILE names readable",
		"{keys}", "DUO_IKEY, DUO_SKEY (or the file that DUO_SKEY_FILE names) and DUO_API_HOST", "{host}", "DUO_API_HOST")
}

// placesOfChild is placesOf for an account that Duo has listed.
var placesOfChild = strings.NewReplacer("{secret}", "make the file that DUO_SKEY_FILE names readable",
	"{keys}", "that DUO_IKEY and DUO_SKEY (or the file that DUO_SKEY_FILE names) are an Accounts API application's, and that this account is still below the application's own",
	"{host}", "this account's API hostname in Duo's Admin Panel")

var errTimeout = fmt.Errorf("no complete answer within %s", requestTimeout)

// Error is a request that failed for good. Its text is a line without secrets.
type Error struct {
	// Status is the answer's HTTP status, or the one that Code belongs to
	// where Duo refused with a 200 or limits the rate; 0 without an answer.
	Status int
	Code   int // Duo's own, 0 without one
	// Message and Detail are Duo's words, bounded, without phone numbers.
	Message, Detail string
	Offset          bool          // the request carried one
	Temporary       bool          // a later run can succeed without a person
	RetryAfter      time.Duration // how long to wait after a 429, else 0
	Hint            string        // what an operator does
	// Err is the cause on this side, never a context's; nil where Duo said it all.
	Err error

	ended bool
}

// Error is why, and what an operator does about it.
func (e *Error) Error() string { return "duo: " + e.Reason() + ": " + e.Hint }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// RateLimited reports whether Duo asked to wait.
func (e *Error) RateLimited() bool { return e.Status == http.StatusTooManyRequests }

// Ended reports whether Duo itself says that it has ended the log, or never had it
// for this account. Another server's 404, such as a proxy's, does not say so.
func (e *Error) Ended() bool { return e.ended }

// OffsetRefused reports whether Duo refused the parameters of a request that
// carried an offset. It does not say which parameter it meant.
func (e *Error) OffsetRefused() bool { return e.Offset && e.Code == codeParameter }

// Reason is the error without the hint.
func (e *Error) Reason() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d%s", e.Status, e.said()))
	}
	if e.Err != nil {
		// Package net/http quotes the beginning of what is no HTTP.
		parts = append(parts, clean(e.Err.Error()))
	}
	return strings.Join(parts, ": ")
}

// said is Duo's part of the text, in brackets.
func (e *Error) said() string {
	code := ""
	if e.Code != 0 {
		code = strconv.Itoa(e.Code)
	}
	said := strings.Trim(code+" "+e.Message+": "+e.Detail, ": ")
	if said == "" {
		return ""
	}
	return " (" + said + ")"
}

// refusal is the error of an answer that is not a page. It often is a proxy's:
// what could not be read is left out.
func (c *call) refusal(resp *http.Response, a answer) *Error {
	code, _ := strconv.Atoi(text(a.Code))
	status := resp.StatusCode
	if status == http.StatusOK && code >= 40000 || code == codeRateLimit {
		status = code / 100
	}
	err := &Error{
		Status:    status,
		Code:      code,
		Message:   clean(text(a.Message)),
		Detail:    clean(text(a.Detail)),
		Offset:    c.params.Has(c.log.OffsetParam),
		Temporary: temporary(status),
		ended:     c.log.Path != "" && (status == http.StatusGone || status == http.StatusNotFound && text(a.Stat) == "FAIL"),
	}
	err.Hint = c.hint(err)
	if err.RateLimited() {
		err.RetryAfter = retryAfter(resp.Header)
	}
	if status >= 300 && status < 400 {
		err.Err = redirect(resp)
	}
	return err
}

// redirect names the host that it leads to; the rest of the address may hold anything.
func redirect(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil {
		return errors.New("redirected to no address")
	}
	return fmt.Errorf("redirected to %q, not followed", to.Host)
}

func temporary(status int) bool {
	return status < 300 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// hint is what an operator does about a refusal.
func (c *call) hint(e *Error) string {
	child, list := c.client.child != "", c.log.Path == ""
	switch status := e.Status; {
	case e.Code == codeTimestamp:
		return hintClock
	case status < 300:
		return hintMalformed
	case status < 400:
		return hintRedirect
	// "Cross-deployment Admin API usage through Accounts API is currently not available",
	// with a code that is not known.
	case child && status == http.StatusBadRequest && strings.Contains(strings.ToLower(e.Message+" "+e.Detail), "cross-deployment"):
		return hintDeployment
	case child && status == http.StatusBadRequest && !e.Offset:
		return hintParameter + "; or " + hintDeployment
	case status == http.StatusBadRequest:
		return hintParameter
	case status == http.StatusUnauthorized:
		return hintOf401(c.key)
	case list && (status == http.StatusForbidden || status == http.StatusNotFound):
		return hintAccounts
	case status == http.StatusForbidden:
		return c.hintOf403(child)
	case e.RateLimited():
		return hintRate
	case temporary(status):
		return hintServer
	case e.ended:
		return fmt.Sprintf(hintEnded, c.log.Name)
	}
	return hintHost
}

func (c *call) hintOf403(child bool) string {
	hint := hintPermission
	if child {
		hint = fmt.Sprintf(hintChild, c.log.Name)
	}
	if c.log.Edition != "" {
		hint += fmt.Sprintf(hintEdition, c.log.Name, c.log.Edition)
	}
	return hint
}

// networkError is for an answer that did not come, or, with a status, only in part.
func networkError(status int, err error) *Error {
	e := &Error{Status: status, Temporary: true, Hint: hintNetwork, Err: withoutURL(err)}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.Temporary, e.Hint = false, hintCertificate
	}
	// A time-out of one request must not be taken for the end of the run's
	// context, which it would match.
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Err = errTimeout
	}
	return e
}

// withoutURL takes the URL with its query out of an error's text.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// retryAfter returns how long the header asks to wait, a minute where it does not,
// and an hour at most: Duo is not known to send it, what answers in its place may.
func retryAfter(h http.Header) time.Duration {
	const unsaid, most = time.Minute, time.Hour
	value := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then it is the greatest
		return cmp.Or(time.Duration(min(seconds, uint64(most.Seconds())))*time.Second, unsaid)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return unsaid
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(cmp.Or(max(until.Sub(now), 0), unsaid), most)
}

var phone = regexp.MustCompile(`\+([ ().-]*[0-9]){7,}`)

// clean makes a text of Duo's fit for a log line: printable, without phone
// numbers, at most 200 characters.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	runes := []rune(phone.ReplaceAllString(s, "+…"))
	return string(runes[:min(len(runes), 200)])
}
