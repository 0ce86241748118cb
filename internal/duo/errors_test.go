package duo_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var discard = log.New(io.Discard, "", 0)

// soon is a context that outlasts every answer, but not the wait before a
// second attempt.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestErrors(t *testing.T) {
	const page = `{"stat":"OK","response":{"items":null,"metadata":{}}}`
	tests := map[string]struct {
		fault duosim.Fault
		want  duo.Error // but for Hint and Err
		text  string    // where it begins
	}{
		"missing parameter": {
			duosim.Refuse(40001, "Missing required request parameters"),
			duo.Error{Status: 400, Code: 40001, Message: "Missing required request parameters"},
			"duo: HTTP 400 (40001 Missing required request parameters): the service asked",
		},
		"detail": {
			duosim.Status(400, `{"stat":"FAIL","code":40002,"message":"Invalid request parameters","message_detail":"for\n+17345551311"}`),
			duo.Error{Status: 400, Code: 40002, Message: "Invalid request parameters", Detail: "for +…"},
			"duo: HTTP 400 (40002 Invalid request parameters: for +…): ",
		},
		"signature": {
			duosim.Refuse(40103, "Invalid signature in request credentials"),
			duo.Error{Status: 401, Code: 40103, Message: "Invalid signature in request credentials"},
			"duo: HTTP 401 (40103 Invalid signature in request credentials): check DUO_IKEY, DUO_SKEY (or the file",
		},
		"permission": {
			duosim.Refuse(40301, "Access forbidden"),
			duo.Error{Status: 403, Code: 40301, Message: "Access forbidden"},
			`duo: HTTP 403 (40301 Access forbidden): grant the application "Grant read log"`,
		},
		"not found": {
			duosim.HTML(404),
			duo.Error{Status: 404},
			"duo: HTTP 404: check DUO_API_HOST",
		},
		"wrong verb": {
			duosim.Refuse(40501, ""),
			duo.Error{Status: 405, Code: 40501},
			"duo: HTTP 405 (40501): check DUO_API_HOST",
		},
		"code in a string": {
			duosim.Status(403, `{"stat":"FAIL","code":"40301","message":"to +17345551311"}`),
			duo.Error{Status: 403, Code: 40301, Message: "to +…"},
			"duo: HTTP 403 (40301 to +…): grant",
		},
		"code empty": {
			duosim.Status(403, `{"stat":"FAIL","code":"","message_detail":"Wrong integration type for this API."}`),
			duo.Error{Status: 403, Detail: "Wrong integration type for this API."},
			"duo: HTTP 403 (Wrong integration type for this API.): grant",
		},
		"FAIL with 200": {
			duosim.Status(200, `{"stat":"FAIL","code":40301,"message":"Access forbidden"}`),
			duo.Error{Status: 403, Code: 40301, Message: "Access forbidden"},
			"duo: HTTP 403 (40301 Access forbidden): grant",
		},
		"FAIL with nothing": {
			duosim.Status(200, `{"stat":"FAIL"}`),
			duo.Error{Status: 200, Temporary: true},
			"duo: HTTP 200: the next run tries again",
		},
		"redirect to nowhere": {
			duosim.Status(304, ""),
			duo.Error{Status: 304},
			"duo: HTTP 304: redirected to no address: check DUO_API_HOST",
		},
		"rate limit": {
			duosim.RateLimited(0),
			duo.Error{Status: 429, Code: 42901, Message: "Too Many Requests", Temporary: true, RetryAfter: time.Minute},
			"duo: HTTP 429 (42901 Too Many Requests): the next run goes on",
		},
		"rate limit with 200": {
			duosim.Status(200, `{"stat":"FAIL","code":42901}`),
			duo.Error{Status: 429, Code: 42901, Temporary: true, RetryAfter: time.Minute},
			"duo: HTTP 429 (42901): the next run goes on",
		},
		"rate limit with 400": {
			duosim.Status(400, `{"stat":"FAIL","code":42901,"message":"Too Many Requests"}`),
			duo.Error{Status: 429, Code: 42901, Message: "Too Many Requests", Temporary: true, RetryAfter: time.Minute},
			"duo: HTTP 429 (42901 Too Many Requests): the next run goes on",
		},
		"rate limit with 503": {
			duosim.Status(503, `{"stat":"FAIL","code":"42901"}`),
			duo.Error{Status: 429, Code: 42901, Temporary: true, RetryAfter: time.Minute},
			"duo: HTTP 429 (42901): the next run goes on",
		},
		"time-out of a proxy": {
			duosim.HTML(408),
			duo.Error{Status: 408, Temporary: true},
			"duo: HTTP 408: the next run tries again",
		},
		"internal error": {
			duosim.Refuse(50000, "Internal error"),
			duo.Error{Status: 500, Code: 50000, Message: "Internal error", Temporary: true},
			"duo: HTTP 500 (50000 Internal error): the next run tries again",
		},
		"bad gateway": {
			duosim.HTML(502),
			duo.Error{Status: 502, Temporary: true},
			"duo: HTTP 502: the next run tries again",
		},
		"page in HTML": {
			duosim.HTML(200),
			duo.Error{Status: 200, Temporary: true},
			"duo: HTTP 200: the body is not the JSON of a log page: the next run",
		},
		"items null": {
			duosim.Status(200, page),
			duo.Error{Status: 200, Temporary: true},
			"duo: HTTP 200: the body has no list of items: the next run",
		},
		"truncated": {
			duosim.Truncate,
			duo.Error{Status: 200, Temporary: true},
			"duo: HTTP 200: unexpected EOF: the next run",
		},
		"no HTTP": {
			func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					panic(err)
				}
				io.WriteString(conn, "call +17345551311\r\n\r\n")
				conn.Close()
			},
			duo.Error{Temporary: true},
			`duo: net/http: HTTP/1.x transport connection broken: malformed HTTP status code "+…": the next run`,
		},
		"reset": {
			duosim.Reset,
			duo.Error{Temporary: true},
			"duo: net/http: HTTP/1.x transport connection broken: unexpected EOF: the next run",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{}, 1)
			sim.Script(tt.fault)
			session := serve(t, sim, duo.Config{}).Session(telephony, 0)
			_, err := read(soon(t), session, lastDay())
			failure, ok := errors.AsType[*duo.Error](err)
			if !ok {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(tt.want, *failure, cmpopts.IgnoreFields(duo.Error{}, "Hint", "Err"), cmpopts.IgnoreUnexported(duo.Error{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			text := err.Error()
			if !strings.HasPrefix(text, tt.text) || failure.Hint == "" || !strings.HasSuffix(text, ": "+failure.Hint) {
				t.Errorf("text = %s, want %s… and the hint", text, tt.text)
			}
			if strings.Contains(text, "mintime=") || strings.Contains(text, "<") || strings.Contains(text, "\n") {
				t.Errorf("text shows the query or the body: %s", text)
			}
			if session.Stats().Requests != 1 || session.Stats().Retries != 0 {
				t.Errorf("%d requests, %d retries; want 1 and 0", session.Stats().Requests, session.Stats().Retries)
			}
		})
	}
}

func TestOffsetRefused(t *testing.T) {
	tests := map[string]struct {
		offset string
		fault  duosim.Fault
		want   bool
	}{
		"unknown offset":     {"1666714065304,a", duosim.Pass, true},
		"malformed offset":   {"gone", duosim.Pass, true},
		"without offset":     {"", duosim.Refuse(40002, "Invalid request parameters"), false},
		"something else":     {"1666714065304,a", duosim.Refuse(40001, "Missing required request parameters"), false},
		"nothing of Duo's":   {"1666714065304,a", duosim.Status(400, "<html>"), false},
		"not even a refusal": {"1666714065304,a", duosim.HTML(500), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{}, 1)
			sim.Script(tt.fault)
			q := lastDay()
			q.Offset = tt.offset
			_, err := read(soon(t), serve(t, sim, duo.Config{}).Session(telephony, 0), q)
			if failure, ok := errors.AsType[*duo.Error](err); !ok || failure.OffsetRefused() != tt.want {
				t.Errorf("%v; want an error with OffsetRefused %t", err, tt.want)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	client := newClient(t, duo.Config{URL: "http://127.0.0.1:1"})
	_, err := read(soon(t), client.Session(telephony, 0), lastDay())
	failure, ok := errors.AsType[*duo.Error](err)
	if !ok || !failure.Temporary || failure.Status != 0 || strings.Contains(err.Error(), "mintime") {
		t.Errorf("%v; want a temporary error without the query", err)
	}
	if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "DUO_API_HOST") {
		t.Errorf("%v; want the cause and what to check", err)
	}
}

func TestBadURL(t *testing.T) {
	session := newClient(t, duo.Config{URL: "http://bad host"}).Session(telephony, 0)
	_, err := read(t.Context(), session, lastDay())
	failure, ok := errors.AsType[*duo.Error](err)
	if !ok || failure.Temporary || strings.Contains(err.Error(), "mintime") {
		t.Errorf("%v; want a lasting error without the query", err)
	}
}

func TestServerOfHTML(t *testing.T) {
	client := serve(t, http.NotFoundHandler(), duo.Config{})
	_, err := read(t.Context(), client.Session(telephony, 0), lastDay())
	if failure, ok := errors.AsType[*duo.Error](err); !ok || failure.Status != 404 || failure.Message != "" {
		t.Errorf("%v; want HTTP 404 without a word of the body", err)
	}
}
