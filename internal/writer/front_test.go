package writer_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// fault answers a request instead of the server, or with its help.
type fault func(w http.ResponseWriter, r *http.Request, server http.Handler)

func pass(w http.ResponseWriter, r *http.Request, server http.Handler) { server.ServeHTTP(w, r) }

// answer answers like Cloud Storage, without storing anything.
func answer(code int, message string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.WriteHeader(code)
		if message == "" {
			io.WriteString(w, "a page that names +1 555 0100")
			return
		}
		fmt.Fprintf(w, `{"error":{"code":%d,"message":%q}}`, code, message)
	}
}

// loseAnswer lets the server store the object and f answer.
func loseAnswer(f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		server.ServeHTTP(httptest.NewRecorder(), r)
		f(w, r, server)
	}
}

func drop(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// flip changes a byte of the records on their way to the server.
func flip(w http.ResponseWriter, r *http.Request, server http.Handler) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte(`{"a":1}`), []byte(`{"a":3}`), 1)))
	server.ServeHTTP(w, r)
}

// traffic is what went over the wire.
type traffic struct {
	mu      sync.Mutex
	uploads []upload
	reads   int
}

// requests counts all so far. The handler of a lost connection may still run.
func (s *traffic) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads) + s.reads
}

type upload struct {
	query url.Values
	head  http.Header
	body  []byte
}

// startFaulty starts a server whose uploads get the faults in order, the last one
// from then on. Its other requests get the fault reads.
func startFaulty(t *testing.T, reads fault, faults ...fault) (*fakeGCS, *traffic) {
	t.Helper()
	var seen traffic
	return startGCS(t, func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.meet(r, reads, faults)(w, r, server)
		})
	}), &seen
}

// meet records a request and returns its fault.
func (s *traffic) meet(r *http.Request, reads fault, faults []fault) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/upload/") {
		s.reads++
		return reads
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.uploads = append(s.uploads, upload{r.URL.Query(), r.Header, body})
	return faults[min(len(s.uploads), len(faults))-1]
}
