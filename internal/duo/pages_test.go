package duo_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: TestDecodeLikeJSON reads answers")
	}
	requests := map[duosim.Cursor]map[int]int{ // per number of records
		duosim.EveryPage:   {0: 1, 1: 1, 1000: 2, 2001: 3},
		duosim.NullAtEnd:   {0: 1, 1: 1, 1000: 1, 2001: 3},
		duosim.AbsentAtEnd: {0: 1, 1: 1, 1000: 1, 2001: 3},
	}
	for cursor, want := range requests {
		for records, want := range want {
			for _, m := range []duosim.Manners{
				{Cursor: cursor},
				{Cursor: cursor, Offset: duosim.ListOffset, TotalAs: duosim.Object},
				{Cursor: cursor, InclusiveCursor: true},
			} {
				t.Run(fmt.Sprintf("%d/%d/%t/%d", cursor, records, m.InclusiveCursor, m.Offset), func(t *testing.T) {
					sim := newSim(duosim.Config{Manners: m}, records)
					session := serve(t, sim, duo.Config{}).Session(telephony, 0)
					got, err := read(t.Context(), session, lastDay())
					if err != nil {
						t.Fatal(err)
					}
					// An inclusive cursor repeats a record; that is the caller's to drop.
					if diff := cmp.Diff(ledger(sim), slices.Compact(got)); diff != "" {
						t.Errorf("records (-ledger +read):\n%s", diff)
					}
					if session.Stats().Requests != want || len(sim.Requests()) != want || session.Stats().Retries != 0 {
						t.Errorf("%d requests of which %d came, %d retries; want %d and 0", session.Stats().Requests, len(sim.Requests()), session.Stats().Retries, want)
					}
				})
			}
		}
	}
}

func TestEveryRequestIsWhole(t *testing.T) {
	sim := newSim(duosim.Config{}, 1500)
	q := duo.Query{Min: time.Now().Add(-2 * time.Hour), Max: time.Now()}
	if _, err := read(t.Context(), serve(t, sim, duo.Config{}).Session(telephony, 0), q); err != nil {
		t.Fatal(err)
	}
	first := url.Values{
		"mintime": {fmt.Sprint(q.Min.UnixMilli())},
		"maxtime": {fmt.Sprint(q.Max.UnixMilli())},
		"limit":   {"1000"},
		"sort":    {"ts:asc"},
	}
	second := url.Values{"next_offset": {fmt.Sprintf("%d,%s", sim.Visible(q.Min, q.Max)[999].TS.UnixMilli(), id(999))}}
	for name, value := range first {
		second[name] = value
	}
	var got []url.Values
	for _, r := range sim.Requests() {
		got = append(got, r.Query)
	}
	if diff := cmp.Diff([]url.Values{first, second}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestWire(t *testing.T) {
	var got *http.Request
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		duosim.Status(http.StatusOK, `{"stat":"OK","response":{"items":[]}}`)(w, r, nil)
	}), duo.Config{})
	q := duo.Query{Min: time.UnixMilli(1666714000000), Max: time.UnixMilli(1666714065304), Offset: "1666714065304,5bf1 a"}
	sent := time.Now().Truncate(time.Second)
	if _, err := read(t.Context(), client.Session(telephony, 0), q); err != nil {
		t.Fatal(err)
	}
	const wantURI = "/admin/v2/logs/telephony?limit=1000&maxtime=1666714065304&mintime=1666714000000&next_offset=1666714065304%2C5bf1%20a&sort=ts%3Aasc"
	if got.RequestURI != wantURI {
		t.Errorf("URI = %s, want %s", got.RequestURI, wantURI)
	}
	if agent := got.UserAgent(); agent != "duo-telephony-collector" {
		t.Errorf("User-Agent = %s", agent)
	}
	date, err := time.Parse(time.RFC1123Z, got.Header.Get("Date"))
	if _, offset := date.Zone(); err != nil || offset != 0 || date.Before(sent) || date.After(time.Now()) {
		t.Errorf("Date = %s, %v; want the time in UTC", got.Header.Get("Date"), err)
	}
}

func TestPagesFromOffset(t *testing.T) {
	sim := newSim(duosim.Config{}, 1500)
	all := ledger(sim)
	q := lastDay()
	q.Offset = fmt.Sprintf("%d,%s", sim.Visible(q.Min, q.Max)[299].TS.UnixMilli(), id(299))
	page, err := serve(t, sim, duo.Config{}).Session(telephony, 0).Page(t.Context(), q)
	if err != nil || page.Total != len(all) {
		t.Errorf("total %d, %v; want %d", page.Total, err, len(all))
	}
	if diff := cmp.Diff(all[300:1300], texts(page)); diff != "" {
		t.Errorf("records (-ledger +read):\n%s", diff)
	}
}

func TestNewestFirst(t *testing.T) {
	sim := newSim(duosim.Config{}, 1500)
	q := lastDay()
	q.Newest = true
	got, err := read(t.Context(), serve(t, sim, duo.Config{}).Session(telephony, 0), q)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger(sim)
	slices.Reverse(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-ledger +read):\n%s", diff)
	}
}

func TestRepeatedOffset(t *testing.T) {
	full := `{"stat":"OK","response":{"items":[0` + string(slices.Repeat([]byte(",0"), telephony.Limit-1)) +
		`],"metadata":{"next_offset":"1666714065304,a"}}}`
	sim := newSim(duosim.Config{}, 0)
	same := duosim.Status(http.StatusOK, full)
	sim.Script(same, same, same)
	got, err := read(t.Context(), serve(t, sim, duo.Config{}).Session(telephony, 0), lastDay())
	failure, _ := errors.AsType[*duo.Error](err)
	if len(got) != 3*telephony.Limit || failure == nil || !failure.OffsetRefused() {
		t.Errorf("%d records, %v; want three pages, then the simulator's refusal of that offset", len(got), err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with credentials: %t", r.Header.Get("Authorization") != "")
	}))
	defer elsewhere.Close()
	sim := newSim(duosim.Config{}, 1)
	sim.Script(duosim.Redirect(elsewhere.URL + "/login?token=hidden"))
	session := serve(t, sim, duo.Config{}).Session(telephony, 0)
	_, err := read(t.Context(), session, lastDay())
	want := fmt.Sprintf("duo: HTTP 302: redirected to %q, not followed: check DUO_API_HOST, and that no proxy answers in Duo's place",
		elsewhere.Listener.Addr())
	if err == nil || err.Error() != want || session.Stats().Requests != 1 {
		t.Errorf("%v after %d requests, want %s after 1", err, session.Stats().Requests, want)
	}
}

func TestProxy(t *testing.T) {
	proxy := duo.New(duo.Config{}).Transport().Proxy
	for target, want := range map[string]string{"https://" + host: "http://127.0.0.1:1", "http://127.0.0.1:8080": "<nil>"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if got, err := proxy(r); fmt.Sprint(got) != want || err != nil {
			t.Errorf("proxy of %s = %v, %v; want %s", target, got, err, want)
		}
	}
}

func TestTLS(t *testing.T) {
	tests := map[string]struct {
		trusted   bool
		version   uint16
		temporary bool
		want      bool
	}{
		"trusted":     {trusted: true, version: tls.VersionTLS12, want: true},
		"not trusted": {trusted: false, version: tls.VersionTLS12, temporary: false},
		"too old":     {trusted: true, version: tls.VersionTLS11, temporary: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{}, 3)
			server := httptest.NewUnstartedServer(sim)
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.version}
			server.Config.ErrorLog = discard
			server.StartTLS()
			defer server.Close()
			client := newClient(t, duo.Config{URL: server.URL})
			if tt.trusted {
				client.Transport().TLSClientConfig.RootCAs = x509.NewCertPool()
				client.Transport().TLSClientConfig.RootCAs.AddCert(server.Certificate())
			}
			got, err := read(soon(t), client.Session(telephony, 0), lastDay())
			if tt.want {
				if err != nil || len(got) != 3 {
					t.Errorf("%d records, %v; want 3", len(got), err)
				}
				return
			}
			failure, _ := errors.AsType[*duo.Error](err)
			if failure == nil || failure.Temporary != tt.temporary || len(sim.Requests()) != 0 {
				t.Errorf("%v, %d requests; want an error (temporary %t) before any", err, len(sim.Requests()), tt.temporary)
			}
		})
	}
}
