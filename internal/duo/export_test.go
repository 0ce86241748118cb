package duo

import "net/http"

// Transport is the one that the client sends with, for a test to look at or
// to give another dialler.
func (c *Client) Transport() *http.Transport { return c.http.Transport.(*http.Transport) }
