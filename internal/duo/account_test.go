package duo_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

var (
	contoso  = duo.Account{ID: "DAS1D2F3G4H5J6K7L8Z9", Name: "Contoso Dental", Host: "api-0a1b2c3d.duosecurity.com"}
	fabrikam = duo.Account{ID: "DAQ1W2E3R4T5Y6U7I8O9", Name: "Fabrikam", Host: "api-4e5f6a7b.duosecurity.com"}
)

// newProvider returns an account with children below it.
func newProvider(children ...duo.Account) (*duosim.Sim, []*duosim.Sim) {
	sim := newSim(duosim.Config{}, 0)
	var sims []*duosim.Sim
	for _, a := range children {
		sims = append(sims, sim.AddChild(duosim.Child{ID: a.ID, Name: a.Name, Host: a.Host}))
	}
	return sim, sims
}

func childOf(t *testing.T, client *duo.Client, a duo.Account) *duo.Client {
	t.Helper()
	child, err := client.Child(a)
	if err != nil {
		t.Fatal(err)
	}
	return child
}

// TestChildren reads the logs of two accounts that have records with the same
// ids. The simulator refuses what is not sent to the account's own host, signed for
// it and with its id.
func TestChildren(t *testing.T) {
	sim, sims := newProvider(contoso, fabrikam)
	at := time.Now().Add(-time.Hour)
	sims[0].Add(duosim.Record{TS: at, ID: id(1), Raw: []byte(`{"of":"contoso"}`)}, duosim.Record{TS: at, ID: id(2)})
	sims[1].Add(duosim.Record{TS: at, ID: id(1), Raw: []byte(`{"of":"fabrikam"}`)})
	client := serve(t, sim, duo.Config{})
	accounts, err := client.Children(t.Context())
	if diff := cmp.Diff([]duo.Account{contoso, fabrikam}, accounts); err != nil || diff != "" {
		t.Fatalf("%v; accounts (-want +got):\n%s", err, diff)
	}
	for i, a := range accounts {
		child := childOf(t, client, a)
		got, err := read(t.Context(), child.Session(telephony, 0), lastDay())
		if diff := cmp.Diff(ledger(sims[i]), got); err != nil || diff != "" {
			t.Errorf("%s: %v; records (-want +got):\n%s", a.Name, err, diff)
		}
		if _, err := child.Probe(t.Context(), telephony); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
		for _, r := range sims[i].Requests() {
			if r.Query.Get("account_id") != a.ID {
				t.Errorf("%s is asked with %v", a.Name, r.Query)
			}
		}
	}
	if n := len(sim.Requests()); n != 1 {
		t.Errorf("the account above was asked %d times, want once, for the list", n)
	}
	for _, log := range duo.Logs {
		if _, err := childOf(t, client, contoso).Probe(t.Context(), log); err != nil {
			t.Errorf("%s: %v", log.Name, err)
		}
	}
}

// TestChildUnusable: an account that can't be asked is refused by itself, with what
// to do, and nobody is asked in its place.
func TestChildUnusable(t *testing.T) {
	sim, _ := newProvider(contoso)
	client := serve(t, sim, duo.Config{})
	for name, test := range map[string]struct {
		account duo.Account
		want    string
	}{
		"no host":         {duo.Account{ID: contoso.ID}, "no API hostname"},
		"another host":    {duo.Account{ID: contoso.ID, Host: "api-1.duosecurity.com.evil.example"}, "no API hostname"},
		"a URL":           {duo.Account{ID: contoso.ID, Host: "https://api-1.duosecurity.com"}, "no API hostname"},
		"a port":          {duo.Account{ID: contoso.ID, Host: "api-1.duosecurity.com:443"}, "no API hostname"},
		"a phone number":  {duo.Account{ID: contoso.ID, Host: "+17345551311"}, `"+…"`},
		"no id":           {duo.Account{Host: contoso.Host}, "no account id"},
		"an odd id":       {duo.Account{ID: "DA&account_id=x", Host: contoso.Host}, "no account id"},
		"a very long one": {duo.Account{ID: strings.Repeat("D", 65), Host: contoso.Host}, "no account id"},
	} {
		child, err := client.Child(test.account)
		failure, _ := errors.AsType[*duo.Error](err)
		if child != nil || failure == nil || failure.Temporary || failure.Hint == "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	childOf(t, client, duo.Account{ID: "x", Host: "API-1.DuoFederal.com"})
}

// TestChildrenShapes has answers that Duo may give to the list.
func TestChildrenShapes(t *testing.T) {
	const one = `{"account_id":"DA1","api_hostname":"api-1.duosecurity.com","name":"One"}`
	first := duo.Account{ID: "DA1", Host: "api-1.duosecurity.com", Name: "One"}
	for name, test := range map[string]struct {
		response string
		want     []duo.Account
	}{
		"empty":              {`[]`, []duo.Account{}},
		"twice the same":     {`[` + one + `,` + one + `]`, []duo.Account{first}},
		"more members":       {`[{"x":[1],"account_id":"DA1","api_hostname":"api-1.duosecurity.com","name":"One","y":null}]`, []duo.Account{first}},
		"a number for an id": {`[{"account_id":7}]`, []duo.Account{{ID: "7"}}},
		"no account":         {`[null,` + one + `,7,["x"],{}]`, []duo.Account{{}, first}},
		"an odd host":        {`[` + one + `,{"account_id":"DA2","api_hostname":["x"],"name":null}]`, []duo.Account{first, {ID: "DA2"}}},
		"an odd name":        {`[{"account_id":"DA1","name":"One\n+17345551311"}]`, []duo.Account{{ID: "DA1", Name: "One +…"}}},
		"no more pages":      {`[` + one + `],"metadata":{"next_offset":null}`, []duo.Account{first}},
	} {
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			duosim.Status(http.StatusOK, `{"stat":"OK","response":`+test.response+`}`)(w, r, nil)
		}), duo.Config{})
		got, err := client.Children(t.Context())
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v; accounts (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestChildrenFail: what is not the whole list is none.
func TestChildrenFail(t *testing.T) {
	for name, test := range map[string]struct {
		fault     duosim.Fault
		temporary bool
		want      string
	}{
		"null":         {duosim.Status(200, `{"stat":"OK","response":null}`), true, "no list of accounts"},
		"missing":      {duosim.Status(200, `{"stat":"OK"}`), true, "no list of accounts"},
		"an object":    {duosim.Status(200, `{"stat":"OK","response":{"items":[]}}`), true, "no list of accounts"},
		"the last one": {duosim.Status(200, `{"stat":"OK","response":[],"response":7}`), true, "no list of accounts"},
		"paged":        {duosim.Status(200, `{"stat":"OK","response":[],"metadata":{"next_offset":100}}`), true, "only a part of the accounts"},
		"truncated":    {duosim.Truncate, true, "unexpected EOF"},
		"server":       {duosim.Refuse(50000, ""), true, "HTTP 500"},
		"rate limit":   {duosim.RateLimited(0), true, "HTTP 429"},
		"forbidden":    {duosim.Refuse(40301, "Access forbidden"), false, "keys of an Accounts API application"},
		"not found":    {duosim.Refuse(40401, ""), false, "keys of an Accounts API application"},
		"signature":    {duosim.Refuse(40103, ""), false, "check DUO_IKEY, DUO_SKEY (or the file that DUO_SKEY_FILE names) and DUO_API_HOST"},
		"redirect":     {duosim.Redirect("https://api-1.duosecurity.com/"), false, "not followed"},
	} {
		sim, _ := newProvider(contoso)
		sim.Script(test.fault)
		got, err := serve(t, sim, duo.Config{}).Children(soon(t))
		failure, _ := errors.AsType[*duo.Error](err)
		if got != nil || failure == nil || failure.Temporary != test.temporary || failure.Ended() || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v; want %s", name, got, err, test.want)
		}
	}
}

// TestChildrenRetry: the list is asked for again like a page.
func TestChildrenRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim, _ := newProvider(contoso)
		sim.Script(duosim.Refuse(50000, ""), duosim.RateLimited(0), duosim.Refuse(40105, ""))
		got, err := serveBubble(t, sim, duo.Config{}).Children(t.Context())
		if diff := cmp.Diff([]int{500, 429, 401, 200}, statuses(sim)); err != nil || diff != "" || len(got) != 1 {
			t.Errorf("%v, %v; statuses (-want +got):\n%s", got, err, diff)
		}
	})
}

// TestChildRotatedKey: a key that one client has read again is every client's.
func TestChildRotatedKey(t *testing.T) {
	sim, sims := newProvider(contoso, fabrikam)
	keys := []string{"old", skey}
	client := serve(t, sim, duo.Config{Secret: func() (string, error) {
		key := keys[0]
		keys = keys[1:]
		return key, nil
	}})
	for _, a := range []duo.Account{contoso, fabrikam} {
		if _, err := read(t.Context(), childOf(t, client, a).Session(telephony, 0), lastDay()); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.Children(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([][]int{{401, 200}, {200}, {200}}, [][]int{statuses(sims[0]), statuses(sims[1]), statuses(sim)}); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// TestChildHints: a child that refuses says what to do.
func TestChildHints(t *testing.T) {
	const deployment = "this account is on another Duo deployment than the account above it"
	const keys = "check that DUO_IKEY and DUO_SKEY (or the file that DUO_SKEY_FILE names) are an Accounts API application's"
	log, _ := duo.LogNamed("trust-monitor")
	for name, test := range map[string]struct {
		fault duosim.Fault
		want  []string
	}{
		"cross-deployment": {duosim.Refuse(40002, "Cross-deployment Admin API usage through Accounts API is currently not available"), []string{deployment, "accounts file (DUO_ACCOUNTS)"}},
		"in the detail":    {duosim.Status(400, `{"stat":"FAIL","message":"x","message_detail":"cross-deployment"}`), []string{deployment}},
		"another 400":      {duosim.Refuse(40000, "Bad request"), []string{"report it with this line; or " + deployment}},
		"edition":          {duosim.Refuse(40301, "Access forbidden"), []string{"still below the one", "has the trust-monitor log", "a part of Duo Advantage"}},
		"signature":        {duosim.Refuse(40103, ""), []string{keys, "still below"}},
		"unknown key":      {duosim.Refuse(40102, ""), []string{keys}},
		"ended":            {duosim.Refuse(41001, ""), []string{"take it out of DUO_LOGS"}},
		"redirect":         {duosim.Redirect("https://api-1.duosecurity.com/"), []string{"check this account's API hostname in Duo's Admin Panel"}},
		"reset":            {duosim.Reset, []string{"check this account's API hostname"}},
	} {
		sim, sims := newProvider(contoso)
		sims[0].Script(test.fault)
		_, err := childOf(t, serve(t, sim, duo.Config{}), contoso).Session(log, 0).Page(soon(t), lastDay())
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "{}") {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		if n := len(sim.Requests()); n != 0 {
			t.Errorf("%s: the account above was asked %d times", name, n)
		}
	}
}

// TestChildElsewhere has the simulator's own refusal.
func TestChildElsewhere(t *testing.T) {
	sim, _ := newProvider()
	sim.AddChild(duosim.Child{ID: contoso.ID, Host: contoso.Host, Elsewhere: true})
	_, err := childOf(t, serve(t, sim, duo.Config{}), contoso).Session(telephony, 0).Page(t.Context(), lastDay())
	if failure, _ := errors.AsType[*duo.Error](err); failure == nil || failure.Status != 400 || failure.Temporary || !strings.Contains(failure.Hint, "deployment") {
		t.Error(err)
	}
}

// TestHostHeader: the Host header names the account wherever the connection leads.
func TestHostHeader(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.Host)
		duosim.Status(http.StatusOK, `{"stat":"OK","response":{"items":[]}}`)(w, r, nil)
	}))
	defer server.Close()
	client := newClient(t, duo.Config{URL: server.URL})
	for _, c := range []*duo.Client{client, childOf(t, client, contoso)} {
		if _, err := c.Probe(t.Context(), telephony); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"GET " + host, "GET " + contoso.Host}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
}

// TestDials connects to the account's own host where no URL says otherwise.
func TestDials(t *testing.T) {
	client := newClient(t, duo.Config{})
	var dialled []string
	client.Transport().Proxy = nil
	client.Transport().DialContext = func(_ context.Context, _, address string) (conn net.Conn, err error) {
		dialled = append(dialled, address)
		return nil, errors.New("no network")
	}
	for _, c := range []*duo.Client{client, childOf(t, client, contoso)} {
		if _, err := c.Probe(t.Context(), telephony); err == nil {
			t.Error("a request was answered")
		}
	}
	if want := []string{host + ":443", contoso.Host + ":443"}; !slices.Equal(dialled, want) {
		t.Errorf("dialled %q, want %q", dialled, want)
	}
}

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"api-1234abcd.duosecurity.com": "api-1234abcd.duosecurity.com", "API-1.DuoFederal.com": "api-1.duofederal.com",
		"": "", "https://api-1.duosecurity.com": "", "api-1.duosecurity.com/": "", "api-1.duosecurity.com:443": "",
		"api-1.duosecurity.com.evil.example": "", "api-1.duosecurity.com\n": "", "evil.example": "", "api-.duosecurity.com": "", "x.api-1.duosecurity.com": "",
	} {
		if got, ok := duo.ParseHost(in); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %t", in, got, ok)
		}
	}
}

// TestApplication reads an account by the keys of its own application, through the
// connections of another client.
func TestApplication(t *testing.T) {
	sim := newSim(duosim.Config{}, 3)
	client := serve(t, sim, duo.Config{IKey: "DIXXXXXXXXXXXXXXXXXX"})
	own := duo.Application{Account: duo.Account{Name: "Own", Host: host}, IKey: ikey, Secret: secret}
	got, err := read(t.Context(), client.Application(own, "accounts.csv").Session(telephony, 0), lastDay())
	if diff := cmp.Diff(ledger(sim), got); err != nil || diff != "" {
		t.Errorf("%v; records (-want +got):\n%s", err, diff)
	}
	own.Secret = func() (string, error) { return "another", nil }
	_, err = read(t.Context(), client.Application(own, "accounts.csv").Session(telephony, 0), lastDay())
	if err == nil || !strings.Contains(err.Error(), "check this account's line in accounts.csv") {
		t.Errorf("with another key: %v", err)
	}
}
