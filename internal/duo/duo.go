// Package duo reads the logs of Duo's Admin API: it signs requests, waits and
// retries as Duo asks for, and hands out pages of records as the raw JSON that
// Duo sent. [Logs] says what the logs have in common and what not.
//
// A [Client] is safe for concurrent use; a [Session], the requests of one run,
// is not. Nothing here logs or returns a secret, a phone number or a body.
package duo

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	userAgent = "duo-telephony-collector"

	// requestTimeout bounds one attempt, from dialling to the body's end.
	requestTimeout = 30 * time.Second
	// maxBody bounds what is read of one answer, in bytes. A full page is a
	// quarter of a megabyte of telephony, and five of authentications.
	maxBody = 32 << 20
)

// Config says whom to ask and as whom.
type Config struct {
	IKey string
	// Secret returns the secret key. It is called before the first request
	// and again when Duo answers 401, so a rotated key needs no restart.
	Secret func() (string, error)
	// Host is api-….duosecurity.com: requests are sent to it and signed for it.
	Host string
	// URL is where to connect instead, whatever the host; for tests and the
	// simulator. The Host header still names the host.
	URL string
	// File is the accounts file that has Host and the keys, for what an operator
	// is told about them; empty where DUO_IKEY and its like have them.
	File     string
	Interval time.Duration // least time between the starts of a session's requests
	Log      *slog.Logger  // gets one line for every retry; nil discards them
}

// Client asks Duo about one account.
type Client struct {
	cfg    Config
	child  string // its account_id, where the keys are those of the account above it
	places *strings.Replacer
	http   *http.Client
	shared *shared
}

// shared is what an application's clients learn for each other.
type shared struct {
	// skew is what to add to this machine's clock to get Duo's, in
	// nanoseconds; 0 until Duo has refused a date.
	skew atomic.Int64

	mu  sync.Mutex
	key string // the secret key in use, "" before the first request
}

// New returns a client. It makes no request.
func New(cfg Config) *Client {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	http1 := new(http.Protocols)
	http1.SetHTTP1(true)
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, // never for a loopback address
		// The system's roots: Duo's own clients pin certificates, and those
		// that kept an old list broke when Duo changed them.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		// HTTP/1.1 alone, which closes a connection whose answer does not
		// come. HTTP/2 keeps it, and would send every later request into one
		// that a NAT has forgotten. Requests come one after another anyway.
		Protocols:       http1,
		IdleConnTimeout: 90 * time.Second,
		MaxIdleConns:    100, // a thousand accounts have a thousand hosts
	}
	return &Client{cfg: cfg, places: placesOf(cfg), shared: new(shared), http: &http.Client{
		Transport: transport,
		Timeout:   requestTimeout,
		// The API never redirects, and a signature must not reach another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// log returns the logger, which names the account where there are several. It is
// made for a line alone: a thousand of them would be a third of a megabyte.
func (c *Client) log() *slog.Logger {
	if c.child == "" && c.cfg.File == "" {
		return c.cfg.Log
	}
	return c.cfg.Log.With("account", c.cfg.Host)
}

// Session returns the start of a run that reads a log: no request made, no wait owed. It
// keeps the pace that an earlier one learned, 0 for none, if it is the slower one.
func (c *Client) Session(log Log, pace time.Duration) *Session {
	s := &Session{client: c, log: log, interval: c.cfg.Interval}
	if pace > s.interval {
		s.interval, s.stats.Pace = pace, pace
	}
	return s
}

// secret returns the secret key, from memory unless Duo has just refused that one.
func (c *Client) secret(refused string) (string, *Error) {
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.key != refused {
		return c.shared.key, nil
	}
	key, err := c.cfg.Secret()
	if err != nil {
		return "", &Error{Hint: c.places.Replace(hintSecret), Err: fmt.Errorf("reading the secret key: %w", err)}
	}
	c.shared.key = key
	return key, nil
}

// resync dates all later requests by an answer's Date header, and reports whether it had one.
func (c *Client) resync(ctx context.Context, date string) bool {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return false
	}
	skew := time.Until(theirs)
	c.shared.skew.Store(int64(skew))
	c.log().WarnContext(ctx, "clock differs from duo's, requests are dated by duo's", "skew_ms", skew.Milliseconds())
	return true
}
