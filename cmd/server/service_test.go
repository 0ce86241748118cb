package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/handler/handlertest"
)

// The whole service with its real clients, from a push to the objects.
func TestServicePush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1300, 2*time.Hour)
	p := w.start(nil)
	first := p.push()
	wantRun(t, first, http.StatusOK, collect.Complete)
	if first.Pages != 3 || len(first.Objects) != 3 || first.Requests != 3 || !strings.HasPrefix(first.Objects[0], "gs://bucket/duo-telephony/20") {
		t.Errorf("the first report is %+v", first.Summary)
	}
	w.wantLedger(first.sent, first.Watermark)

	// A late record, and one as new as possible.
	w.add(1, first.Watermark.Add(-5*time.Minute))
	began := time.Now()
	second := p.push()
	wantRun(t, second, http.StatusOK, collect.Complete)
	if second.Late != 1 || second.Duplicates == 0 {
		t.Errorf("the second report is %+v", second.Summary)
	}
	w.wantLedger(began, second.Watermark)
	wantStatus(t, p.status(), first, second)
}

func wantStatus(t *testing.T, s collect.Status, runs ...answer) {
	t.Helper()
	records, objects := 0, 0
	for _, r := range runs {
		records, objects = records+r.Records, objects+len(r.Objects)
	}
	last := runs[len(runs)-1]
	if s.Stream != last.Stream || s.Lease != nil || s.Cursor.Window != nil || !s.Watermark.Equal(*last.Watermark) {
		t.Errorf("the status is %+v, cursor %+v", s, s.Cursor)
	}
	if int(s.Totals.Records) != records || int(s.Totals.Objects) != objects || len(s.Runs) != len(runs) || s.Runs[0].ID != last.ID {
		t.Errorf("%d runs, totals %+v, want %d runs, %d records, %d objects", len(s.Runs), s.Totals, len(runs), records, objects)
	}
	if lag := *s.LagSeconds; lag < 150 || lag > 150+int64(patience.Seconds()) {
		t.Errorf("the lag is %d s", lag)
	}
}

// A push with nothing new writes nothing.
func TestServicePushAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, time.Hour)
	w.add(30, time.Now().Add(-10*time.Minute))
	p := w.start(nil)
	first := p.push()
	wantRun(t, first, http.StatusOK, collect.Complete)
	again := p.push()
	wantRun(t, again, http.StatusOK, collect.Complete)
	if again.Records != 0 || len(again.Objects) != 0 || len(w.objects()) != 1 {
		t.Errorf("the second report is %+v, %d objects", again.Summary, len(w.objects()))
	}
	w.wantLedger(first.sent, again.Watermark)
}

func TestServiceStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60, time.Hour)
	p := w.start(nil)
	for name, test := range map[string]struct {
		token string
		want  int
	}{
		"no token":         {"", http.StatusUnauthorized},
		"forged":           {handlertest.NewIssuer(t).Token(t, nil), http.StatusUnauthorized},
		"another audience": {issuer().Token(t, map[string]any{"aud": "https://other.example"}), http.StatusUnauthorized},
		"a stranger":       {issuer().Token(t, map[string]any{"email": "stranger@example.com"}), http.StatusForbidden},
	} {
		if p.token = test.token; p.token != "" {
			captured.secret(p.token)
		}
		for _, path := range []string{"POST /", "POST /run", "GET /status"} {
			method, path, _ := strings.Cut(path, " ")
			if a := p.do(method, path, tick); a.status != test.want || strings.Count(string(a.body), `"`) != 4 {
				t.Errorf("%s: %s %s is answered with %d %s", name, method, path, a.status, a.body)
			}
		}
	}
	if n := len(w.sim.Requests()); n > 0 || len(w.objects()) > 0 {
		t.Errorf("a stranger caused %d requests to Duo", n)
	}
	p.token = w.token
	wantRun(t, p.push(), http.StatusOK, collect.Complete)
	if n := len(p.runLines()); n != 1 {
		t.Errorf("there were %d runs, want that of the known caller alone", n)
	}
}

// The page leads to the runbook.
func TestServiceRunbook(t *testing.T) {
	t.Parallel()
	const runbook = "https://git.example/docs/operations.md"
	p := newWorld(t, 0, time.Hour).start(map[string]string{"RUNBOOK_URL": runbook})
	if a := p.do(http.MethodGet, "/", ""); !strings.Contains(string(a.body), `<a href="`+runbook+`#trigger-by-hand"`) {
		t.Errorf("the page has no link to %s:\n%s", runbook, a.body)
	}
}

// A backfill of what was delivered writes nothing, and a dry run never does.
func TestServiceManual(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 600, 2*time.Hour)
	p := w.start(nil)
	dry := p.manual(`{"dry_run":true}`)
	wantRun(t, dry, http.StatusOK, collect.Complete)
	if dry.Records < 1000 || len(w.objects()) != 0 {
		t.Errorf("the dry run counts %d records and leaves %d objects", dry.Records, len(w.objects()))
	}
	live := p.manual("")
	wantRun(t, live, http.StatusOK, collect.Complete)
	again := p.manual(fmt.Sprintf(`{"from":%q,"to":%q}`, time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Format(time.RFC3339)))
	wantRun(t, again, http.StatusOK, collect.Complete)
	if again.Stream != "telephony-backfill" || again.Duplicates == 0 || again.Records != 0 {
		t.Errorf("the backfill's report is %+v", again.Summary)
	}
	w.wantLedger(live.sent, live.Watermark)
}

// subscription is between Pub/Sub's emulator, which sends no tokens, and a service.
// It adds a token, delivers every message twice, and drops the first answer to each.
type subscription struct {
	proxy *httputil.ReverseProxy
	token string

	mu       sync.Mutex
	attempts map[string]int // deliveries by message
	statuses []int
}

func (s *subscription) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	body.ReadFrom(r.Body)
	var push struct{ Message struct{ MessageID string } }
	if err := json.Unmarshal(body.Bytes(), &push); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	for range 2 {
		rec := httptest.NewRecorder()
		copied := r.Clone(r.Context())
		copied.Header.Set("Authorization", "Bearer "+s.token)
		copied.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
		s.proxy.ServeHTTP(rec, copied)
		s.note(push.Message.MessageID, rec.Code)
	}
	if s.tried(push.Message.MessageID) == 2 {
		w.WriteHeader(http.StatusGatewayTimeout)
	}
}

func (s *subscription) note(message string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts[message]++
	s.statuses = append(s.statuses, status)
}

func (s *subscription) tried(message string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[message]
}

func (s *subscription) delivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	twice := 0
	for _, n := range s.attempts {
		if n >= 4 {
			twice++
		}
	}
	return twice
}

func TestServicePubSub(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 900, 2*time.Hour)
	p := w.start(map[string]string{"MAX_WINDOW": "30m"})
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	s := &subscription{proxy: httputil.NewSingleHostReverseProxy(target), token: w.token, attempts: map[string]int{}}
	api := "http://" + emulator.PubSub(t) + "/v1/projects/" + w.env["FIRESTORE_PROJECT"]
	rest(t, http.MethodPut, api+"/topics/trigger", `{}`)
	rest(t, http.MethodPut, api+"/subscriptions/push", fmt.Sprintf(
		`{"topic":"projects/%s/topics/trigger","pushConfig":{"pushEndpoint":%q},"ackDeadlineSeconds":600}`, w.env["FIRESTORE_PROJECT"], w.serve(s)))
	began := time.Now()
	const messages = 5
	rest(t, http.MethodPost, api+"/topics/trigger:publish", `{"messages":[`+strings.Repeat(`{"data":"e30="},`, messages-1)+`{"data":"e30="}]}`)
	eventually(t, "every message is delivered again", func() bool { return s.delivered() == messages })
	rest(t, http.MethodDelete, api+"/subscriptions/push", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, status := range s.statuses {
		if status != http.StatusOK {
			t.Errorf("a delivery is answered with %d", status)
		}
	}
	w.wantLedger(began, p.status().Watermark)
}

func rest(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, url, resp.Status)
	}
}
