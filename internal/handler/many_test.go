package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// addAccounts has the service collect n accounts in the place of its own.
func (w *world) addAccounts(n int) {
	w.t.Helper()
	own := *w.streams.Collectors[0]
	w.streams.Collectors = nil
	for i := range n {
		a := duo.Account{ID: fmt.Sprintf("DA%04d", i), Name: fmt.Sprintf("Customer %d", i), Host: fmt.Sprintf("api-%04d.duosecurity.com", i)}
		w.sim.AddChild(duosim.Child{ID: a.ID, Name: a.Name, Host: a.Host})
		client, err := own.Duo.Child(a)
		if err != nil {
			w.t.Fatal(err)
		}
		c := own
		c.Duo, c.Account, c.Host, c.Bucket = client, a, a.Host, writer.NewDir(w.dir, "duo/"+a.Host)
		w.streams.Collectors = append(w.streams.Collectors, &c)
	}
}

// TestManyStreams has more streams than an answer has in full: all run, and answers
// and the page stay small. Each stream is found by its name.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestManyStreamsReads has as many")
	}
	const n = 120
	w := newWorld(t, nil)
	w.addAccounts(n)
	w.streams.Collectors[110].Fault = &duo.Error{Err: fmt.Errorf("it has no host"), Hint: "ask Duo Support"}
	failing := w.streams.Collectors[110].Live().String()
	a := w.send(http.MethodPost, "/", push, nil)
	var ran struct {
		Outcome   string
		Runs      []collect.Summary
		Total     int            `json:"runs_total"`
		ByOutcome map[string]int `json:"by_outcome"`
	}
	if err := json.Unmarshal([]byte(a.body), &ran); err != nil || a.StatusCode != http.StatusInternalServerError {
		t.Fatalf("answer = %d %s, %v", a.StatusCode, a.body, err)
	}
	want := map[string]int{"complete": n - 1, "failed": 1}
	if diff := cmp.Diff(want, ran.ByOutcome); diff != "" || ran.Total != n || len(ran.Runs) != 100 || ran.Runs[0].Stream != failing {
		t.Errorf("%d of %d runs, the first is %s, by outcome (-want +got):\n%s", len(ran.Runs), ran.Total, ran.Runs[0].Stream, diff)
	}
	if lines := len(w.log.lines(t, "run complete")); lines != n-1 {
		t.Errorf("%d lines of complete runs", lines)
	}
	s, streams := w.statuses()
	if diff := cmp.Diff(want, s.ByOutcome); diff != "" || s.Total != n || len(streams) != 100 || streams[0] != failing {
		t.Errorf("%d of %d streams, by outcome (-want +got):\n%s", len(streams), s.Total, diff)
	}
	if len(s.Unrecorded) != 1 || s.Unrecorded[0].Stream != failing || s.Streams[1].Account == nil || s.Streams[1].Account.Name == "" {
		t.Errorf("unrecorded %v, the second stream is %+v", s.Unrecorded, s.Streams[1].Account)
	}
	if body := w.page(http.StatusOK, nil); !strings.Contains(body, "120 streams") || !strings.Contains(body, "the 100 that are worst") || !strings.Contains(body, "a person must act: 1; up to date: 119") {
		t.Errorf("the page says %s", seen(body))
	}
	if a := w.send(http.MethodGet, "/status", "", nil); len(a.body) > 100<<10 || strings.Contains(a.body, "totals") || strings.Contains(a.body, `"seen"`) {
		t.Errorf("the status has %d bytes, or tells what was not read: %.2000s", len(a.body), a.body)
	}
	left := slices.IndexFunc(w.streams.Collectors, func(c *collect.Collector) bool { return !slices.Contains(streams, c.Live().String()) })
	w.wantFound(w.streams.Collectors[left])
}

// reads counts what the store is asked for.
type reads struct {
	collect.Store
	overviews, streams *atomic.Int64
}

func (r reads) Standings(ctx context.Context) ([]store.Standing, time.Time, error) {
	r.overviews.Add(1)
	return r.Store.Standings(ctx)
}

func (r reads) Load(ctx context.Context, stream string) (store.State, error) {
	r.streams.Add(1)
	return r.Store.Load(ctx, stream)
}

// TestManyStreamsReads holds answers of many streams to one overview, even if all have
// failed, and those of one stream to its two documents.
func TestManyStreamsReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.addAccounts(21)
	r := reads{w.store, new(atomic.Int64), new(atomic.Int64)}
	for _, c := range w.streams.Collectors {
		c.Store = r
		c.Fault = &duo.Error{Err: fmt.Errorf("it has no host"), Hint: "ask Duo Support"}
	}
	w.send(http.MethodPost, "/", push, nil)
	name := w.streams.Collectors[7].Live().String()
	for path, want := range map[string][2]int64{"/status": {1, 0}, "/": {1, 0}, "/?stream=" + name: {1, 2}, "/status?stream=" + name: {0, 2}, "/status?stream=x": {0, 0}} {
		r.overviews.Store(0)
		r.streams.Store(0)
		resp, err := http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := [2]int64{r.overviews.Load(), r.streams.Load()}; got != want {
			t.Errorf("GET %s reads %d overviews and %d streams, want %d", path, got[0], got[1], want)
		}
	}
}

// wantFound asks for one stream that the list leaves out.
func (w *world) wantFound(c *collect.Collector) {
	w.t.Helper()
	name := c.Live().String()
	for _, query := range []string{name, c.Backfill().String(), "%20" + name} {
		a := w.send(http.MethodGet, "/status?stream="+query, "", nil)
		var s collect.LogStatus
		if err := json.Unmarshal([]byte(a.body), &s); err != nil || s.Stream != name || len(s.Runs) != 1 {
			w.t.Errorf("?stream=%s: %d %s, %v", query, a.StatusCode, a.body, err)
		}
	}
	a := w.send(http.MethodGet, "/status?stream=other", "", nil)
	if a.StatusCode != http.StatusNotFound {
		w.t.Errorf("another stream = %d, want 404", a.StatusCode)
	}
	checkError(w.t, a, "no stream has that name")
}

// TestAccountsNamed narrows a run to an account, by its host, id or name; a backfill
// has to.
func TestAccountsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.addAccounts(3)
	const stream = "telephony@api-0001.duosecurity.com"
	for _, name := range []string{"API-0001.duosecurity.com", "DA0001", "Customer 1"} {
		for path, body := range map[string]string{"/": pushWith("account", name), "/run": fmt.Sprintf(`{"account":%q,"log":"telephony"}`, name)} {
			if r := w.run(path, body, http.StatusOK); r.Stream != stream {
				t.Errorf("%s with %s ran %s", path, name, r.Stream)
			}
		}
	}
	from, to := w.now.Add(-12*time.Hour), w.now.Add(-6*time.Hour)
	a := w.send(http.MethodPost, "/run", span(from, to, ""), nil)
	if a.StatusCode != http.StatusBadRequest {
		t.Errorf("a range of all accounts = %d, want 400", a.StatusCode)
	}
	checkError(t, a, "a backfill is of one account: add account, its API hostname, id or name")
	if r := w.run("/run", span(from, to, `,"account":"DA0001"`), http.StatusOK); r.Stream != "telephony-backfill@api-0001.duosecurity.com" {
		t.Errorf("the backfill of one: %+v", r.Summary)
	}
}
