package handler_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "BREW"}
	for path, allowed := range map[string]string{"/": "GET, POST", "/run": "POST", "/status": "GET", "/health": "GET"} {
		for _, method := range methods {
			if path == "/" && method == http.MethodGet {
				continue // no JSON: TestPage
			}
			body := ""
			if path == "/" {
				body = push
			}
			a := w.send(method, path, body, nil)
			if strings.Contains(allowed, method) {
				if a.StatusCode != http.StatusOK {
					t.Errorf("%s %s = %d, want 200", method, path, a.StatusCode)
				}
				continue
			}
			if a.StatusCode != http.StatusMethodNotAllowed || strings.Join(a.Header.Values("Allow"), ", ") != allowed {
				t.Errorf("%s %s = %d, Allow %q, want 405, %q", method, path, a.StatusCode, a.Header.Values("Allow"), allowed)
			}
			checkError(t, a, "does not take that method")
		}
	}
	for _, path := range []string{"/other", "/run/", "/healthz", "/status/x", "//"} {
		a := w.send(http.MethodGet, path, "", nil)
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, a.StatusCode)
		}
		checkError(t, a, "no such path")
	}
	if a := w.send(http.MethodGet, "/health", "", nil); a.body != `{"status":"ok","version":"v1.2.3"}`+"\n" {
		t.Errorf("health = %s", a.body)
	}
}

// checkError expects an answer of one error with these words.
func checkError(t *testing.T, a answer, words string) {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got) != 1 || !strings.Contains(got["error"], words) {
		t.Errorf("answer = %d %s, want one error with %q", a.StatusCode, a.body, words)
	}
}

// TestAuth expects that whoever is turned away learns the status and no more,
// and that nothing has run.
func TestAuth(t *testing.T) {
	t.Parallel()
	issuer := handlertest.NewIssuer(t)
	good := issuer.Token(t, nil)
	w := newWorld(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	dead := newWorld(t, newAuth(t, handler.ModeVerify, start(t, http.NotFoundHandler())))
	tests := []struct {
		name   string
		world  *world
		header http.Header
		status int
		reason string // in the log
	}{
		{"no token", w, nil, 401, "got 0"},
		{"garbage", w, bearer("evil"), 401, "three parts"},
		{"two headers", w, http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, 401, "got 2"},
		{"expired", w, bearer(issuer.Token(t, claims{"exp": 1})), 401, "has expired"},
		{"stranger", w, bearer(issuer.Token(t, claims{"email": "stranger@example.com"})), 403, "ALLOWED_CALLERS"},
		{"no certificates", dead, bearer(good), 503, "fetching the certificates"},
	}
	for _, tt := range tests {
		for _, route := range []string{"POST /", "POST /run", "GET /status", "GET /"} {
			t.Run(tt.name+"/"+route, func(t *testing.T) {
				method, path, _ := strings.Cut(route, " ")
				a := tt.world.send(method, path, push, tt.header)
				if want := fmt.Sprintf("{%q:%q}\n", "error", http.StatusText(tt.status)); a.StatusCode != tt.status || a.body != want {
					t.Errorf("answer = %d %s, want %d %s", a.StatusCode, a.body, tt.status, want)
				}
				if got := a.Header.Get("WWW-Authenticate"); (got == "Bearer") != (tt.status == 401) {
					t.Errorf("WWW-Authenticate = %q with %d", got, tt.status)
				}
				if line := tt.world.log.last(t); line["level"] != "WARN" || !strings.Contains(fmt.Sprint(line["error"]), tt.reason) {
					t.Errorf("logged %v, want the reason %q", line, tt.reason)
				}
			})
		}
	}
	if n := len(w.sim.Requests()) + len(dead.sim.Requests()); n != 0 || w.state(stream).Lease.Token != 0 {
		t.Errorf("%d requests to Duo for strangers", n)
	}
	if a := dead.send(http.MethodGet, "/health", "", nil); a.StatusCode != http.StatusOK {
		t.Errorf("health = %d without a token, want 200", a.StatusCode)
	}
	if a := w.send(http.MethodPost, "/", push, bearer(good)); a.StatusCode != http.StatusOK || w.log.last(t)["caller"] != handlertest.Email {
		t.Errorf("answer = %d for %v, want 200 for %s", a.StatusCode, w.log.last(t)["caller"], handlertest.Email)
	}
}

// TestBodyLimit shows too that the token is checked before the body is read.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	issuer := handlertest.NewIssuer(t)
	w := newWorld(t, newAuth(t, handler.ModeVerify, issuer.CertsURL()))
	good := bearer(issuer.Token(t, nil))
	for path, body := range map[string]string{"/": push, "/run": "{}"} {
		for _, tt := range []struct {
			size   int
			header http.Header
			status int
		}{{1 << 20, good, 200}, {1<<20 + 1, good, 413}, {2 << 20, good, 413}, {2 << 20, nil, 401}} {
			a := w.send(http.MethodPost, path, body+strings.Repeat(" ", tt.size-len(body)), tt.header)
			if a.StatusCode != tt.status {
				t.Errorf("POST %s with %d bytes = %d, want %d", path, tt.size, a.StatusCode, tt.status)
			}
			if tt.status == 413 {
				checkError(t, a, "larger than 1048576 bytes")
			}
		}
	}
}

func TestBodyEndsEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400 ") || !strings.Contains(string(text), "ended early") {
		t.Errorf("answer = %s, %v, want 400", text, err)
	}
	if n := len(w.sim.Requests()); n != 0 {
		t.Errorf("%d requests to Duo for half a body", n)
	}
}

// TestPush delivers one message three times, the way Eventarc does it once.
func TestPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	if r := w.complete(); r.Records != 47 || len(r.Objects) != 4 {
		t.Errorf("%d records in %d objects, want 47 in 4", r.Records, len(r.Objects))
	}
	w.complete()
	eventarc := http.Header{
		"Content-Type": {"application/json"}, "Ce-Id": {"42"}, "Ce-Specversion": {"1.0"},
		"Ce-Type": {"google.cloud.pubsub.topic.v1.messagePublished"}, "Ce-Source": {"//pubsub.googleapis.com/projects/p/topics/t"},
	}
	if a := w.send(http.MethodPost, "/", push, eventarc); a.StatusCode != http.StatusOK {
		t.Errorf("answer = %d %s, want 200", a.StatusCode, a.body)
	}
	w.checkOnce()
	for body, words := range map[string]string{"": "wrapped", `[]`: "it is a JSON array", `{"message":"x"}`: "message is a JSON string", `{"message":null}`: "no message", `{"message":{"data":"?"}}`: "base64"} {
		a := w.send(http.MethodPost, "/", body, nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%q = %d, want 400", body, a.StatusCode)
		}
		checkError(t, a, words)
	}
	if got := w.state(stream).Lease.Token; got != 3 {
		t.Errorf("%d runs, want 3: a malformed push starts none", got)
	}
}

// TestMisdirected has everything that Google can be set to send here and that
// is no wrapped push. The answer names the setting, and nothing runs.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	const unwrap, scheduler, event = "switch payload unwrapping off", "target type to Pub/Sub", "google.cloud.pubsub.topic.v1.messagePublished"
	const structured = `{"specversion":"1.0","id":"42","type":"google.cloud.pubsub.topic.v1.messagePublished",` +
		`"source":"//pubsub.googleapis.com/projects/p/topics/t","datacontenttype":"application/json","data":` + push + `}`
	w := newWorld(t, nil)
	job := http.Header{
		"User-Agent": {"Google-Cloud-Scheduler"}, "X-Cloudscheduler": {"true"}, "X-Cloudscheduler-Jobname": {"tick"},
		"X-Cloudscheduler-Scheduletime": {"2026-11-22T12:00:00Z"}, "Content-Type": {"application/octet-stream"},
	}
	metadata := http.Header{
		"X-Goog-Pubsub-Message-Id": {"42"}, "X-Goog-Pubsub-Subscription-Name": {"projects/p/subscriptions/s"},
		"X-Goog-Pubsub-Publish-Time": {"2026-11-22T12:00:00Z"}, "Content-Type": {"application/x-www-form-urlencoded"},
	}
	object := http.Header{
		"Content-Type": {"application/json"}, "Ce-Id": {"42"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {"google.cloud.storage.object.v1.finalized"},
	}
	for _, tt := range []struct {
		name, body string
		header     http.Header
		want       string
	}{
		{"unwrapped", "tick", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, unwrap},
		{"unwrapped, JSON", `{"tick":1}`, nil, unwrap},
		{"unwrapped, empty", "", metadata, unwrap},
		{"unwrapped with metadata", "tick", metadata, unwrap + " (gcloud"},
		{"unwrapped, an attribute for each ce-header", "tick", joined(metadata, http.Header{"Ce-Id": {"42"}}), unwrap},
		{"structured event", structured, http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, event},
		{"batch of events", "[" + structured + "]", http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, event},
		{"event of another kind", `{"bucket":"b","name":"o"}`, object, event},
		{"Scheduler", "", job, scheduler},
		{"Scheduler with a body", "tick", job, scheduler},
		{"Scheduler with JSON", `{"dry_run":true}`, job, "its URL to /run"},
		{"Scheduler by its name alone", "", http.Header{"User-Agent": {"Google-Cloud-Scheduler"}}, scheduler},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := w.send(http.MethodPost, "/", tt.body, tt.header)
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d, want 400", a.StatusCode)
			}
			checkError(t, a, tt.want)
			if line := w.log.last(t); !strings.Contains(fmt.Sprint(line["error"]), tt.want) {
				t.Errorf("logged %v, want %q", line, tt.want)
			}
		})
	}
	if got := w.state(stream).Lease.Token; got != 0 {
		t.Errorf("%d runs", got)
	}
}

func joined(all ...http.Header) http.Header {
	out := http.Header{}
	for _, h := range all {
		maps.Copy(out, h)
	}
	return out
}

// TestReport pins the report's fields and their types, with and without
// something to do.
func TestReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	want := map[string]string{
		"outcome": "string", "run_id": "string", "stream": "string", "reason": "string", "act": "bool", "pages": "float64", "records": "float64",
		"duplicates": "float64", "late": "float64", "objects": "[]interface {}", "window": "map[from to]", "watermark": "string",
		"lag_seconds": "float64", "duration_ms": "float64", "duo_requests": "float64", "retries": "float64", "gap": "<nil>",
		"overlap_seconds": "float64", "token": "float64", "started_at": "string",
	}
	for range 2 { // the second one finds nothing to do
		var fields map[string]any
		a := w.send(http.MethodPost, "/", push, nil)
		if err := json.Unmarshal([]byte(a.body), &fields); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for key, value := range fields {
			got[key] = fmt.Sprintf("%T", value)
			if object, ok := value.(map[string]any); ok {
				got[key] = fmt.Sprint("map", slices.Sorted(maps.Keys(object)))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if fields["watermark"] != w.now.Add(-150*time.Second).Format(time.RFC3339) || fields["lag_seconds"] != 150.0 {
			t.Errorf("watermark = %v, lag %v s, want 150 s before %s", fields["watermark"], fields["lag_seconds"], w.now)
		}
		want["window"] = "<nil>"
	}
}
