package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// certsTimeout is for a whole fetch; the library itself sets no limit.
	certsTimeout = 5 * time.Second
	// maxCerts is in bytes; Google's key set has about 2 KiB.
	maxCerts = 1 << 20
)

// certs fetches the key set for the library, whose URL is a constant. Left to
// itself the library reports a bad status or body as plain text, no different
// from a bad token. Here both are errors of the transport, which http.Client
// wraps in a *url.Error: by that [Auth] tells a token that is bad from one that
// nobody can check just now.
type certs struct {
	url *url.URL // where to fetch, nil for where the library says
}

func (c certs) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.url != nil {
		r = r.Clone(r.Context())
		r.URL, r.Host = c.url, c.url.Host
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCerts))
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kid string }
	}
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) == 0 {
		return nil, errors.New("the answer holds no keys")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
