package duosim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

const listPath = "/accounts/v1/account/list"

var (
	contoso  = duosim.Child{ID: "DAS1D2F3G4H5J6K7L8Z9", Name: "Contoso Dental", Host: "api-0a1b2c3d.duosecurity.com"}
	fabrikam = duosim.Child{ID: "DAQ1W2E3R4T5Y6U7I8O9", Name: "Fabrikam", Host: "api-4e5f6a7b.duosecurity.com"}
)

// listRequest is a good request for the accounts list.
func listRequest(sim *duosim.Sim, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, listPath, strings.NewReader(body))
	r.Header.Set("Date", noon.Format(time.RFC1123Z))
	r.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", sim.Signature(r))
	return r
}

// childRequest is a request for a log of an account, signed for signer's host.
func childRequest(log string, signer *duosim.Sim, host string, params ...string) *http.Request {
	r := requestFor(log, signer, noon, params...)
	r.Host = host
	return r
}

// serveText returns the answer's status and body.
func serveText(sim *duosim.Sim, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAccountsList(t *testing.T) {
	sim := newSim(duosim.Config{})
	one, two := sim.AddChild(contoso), sim.AddChild(fabrikam)
	const first = `{"account_id":"DAS1D2F3G4H5J6K7L8Z9","api_hostname":"api-0a1b2c3d.duosecurity.com","name":"Contoso Dental"}`
	const second = `{"account_id":"DAQ1W2E3R4T5Y6U7I8O9","api_hostname":"api-4e5f6a7b.duosecurity.com","name":"Fabrikam"}`
	for _, test := range []struct {
		listed []*duosim.Sim
		want   string
	}{
		{[]*duosim.Sim{one, two}, first + "," + second},
		{[]*duosim.Sim{two}, second},
		{nil, ""},
		{[]*duosim.Sim{two, one}, second + "," + first},
	} {
		sim.List(test.listed...)
		status, body := serveText(sim, listRequest(sim, "{}"))
		if want := `{"stat":"OK","response":[` + test.want + `]}`; status != http.StatusOK || body != want {
			t.Errorf("HTTP %d, %s; want %s", status, body, want)
		}
	}
	if n := len(sim.Requests()); n != 4 {
		t.Errorf("%d requests are noted", n)
	}
}

func TestAccountsListRefused(t *testing.T) {
	plain, sim := newSim(duosim.Config{}), newSim(duosim.Config{})
	child := sim.AddChild(contoso)
	other := listRequest(sim, "{}")
	other.Body = listRequest(sim, "[]").Body
	at := listRequest(child, "{}")
	at.Host = contoso.Host
	for name, test := range map[string]struct {
		sim     *duosim.Sim
		request *http.Request
		code    int
	}{
		"GET":               {sim, httptest.NewRequest(http.MethodGet, listPath, nil), 40501},
		"not signed":        {sim, httptest.NewRequest(http.MethodPost, listPath, nil), 40101},
		"another body":      {sim, other, 40103},
		"an Admin API's":    {plain, listRequest(plain, "{}"), 40301},
		"at a child's host": {sim, at, 40301},
	} {
		if w, a := do(t, test.sim, test.request); w.Code != test.code/100 || a.Code != test.code {
			t.Errorf("%s: HTTP %d, code %d; want %d", name, w.Code, a.Code, test.code)
		}
	}
}

// TestChild addresses a child's host, signs for it and names it, and leaves out
// one of the three.
func TestChild(t *testing.T) {
	sim := newSim(duosim.Config{})
	child, other := sim.AddChild(contoso), sim.AddChild(fabrikam)
	far := sim.AddChild(duosim.Child{ID: "DAFAR", Host: "api-far.duofederal.com", Elsewhere: true})
	const host = "api-XXXXXXXX.duosecurity.com"
	id := "account_id=" + contoso.ID
	twice := childRequest("telephony", child, contoso.Host, id)
	twice.URL.RawQuery = "account_id=X&" + twice.URL.RawQuery
	twice.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", child.Signature(twice))
	for name, test := range map[string]struct {
		request *http.Request
		status  int
	}{
		"good":                    {childRequest("telephony", child, contoso.Host, id), 200},
		"good, with a port":       {childRequest("telephony", child, strings.ToUpper(contoso.Host)+":443", id), 200},
		"without an id":           {childRequest("telephony", child, contoso.Host), 403},
		"another's id":            {childRequest("telephony", child, contoso.Host, "account_id="+fabrikam.ID), 403},
		"two ids":                 {twice, 403},
		"signed for the parent":   {childRequest("telephony", sim, contoso.Host, id), 401},
		"signed for another":      {childRequest("telephony", other, contoso.Host, id), 401},
		"sent to the parent":      {childRequest("telephony", child, host, id), 401},
		"sent to another":         {childRequest("telephony", child, fabrikam.Host, id), 401},
		"all but the id parent's": {childRequest("telephony", sim, host, id), 403},
		"the parent's own":        {childRequest("telephony", sim, host), 403},
		"on another deployment":   {childRequest("telephony", far, "api-far.duofederal.com", "account_id=DAFAR"), 400},
	} {
		if w, a := do(t, sim, test.request); w.Code != test.status || (a.Stat == "OK") != (test.status == 200) {
			t.Errorf("%s: HTTP %d, %+v; want %d", name, w.Code, a, test.status)
		}
	}
}

// TestChildrenApart: logs, rate limits, scripts and requests are a child's, and
// one seed makes other records for each.
func TestChildrenApart(t *testing.T) {
	sim := newSim(duosim.Config{RateLimit: 1, GenerateFor: map[string]duosim.Generator{"activity": {PerHour: 60}}})
	children := []*duosim.Sim{sim.AddChild(contoso), sim.AddChild(fabrikam)}
	ask := func(i int, log string) int {
		as := []duosim.Child{contoso, fabrikam}[i]
		w, _ := do(t, sim, childRequest(log, children[i], as.Host, "account_id="+as.ID))
		return w.Code
	}
	children[0].Script(duosim.HTML(http.StatusBadGateway))
	children[1].Add(abc()...)
	if status, _ := serveText(sim, childRequest("telephony", children[0], contoso.Host, "account_id="+contoso.ID)); status != http.StatusBadGateway {
		t.Errorf("the child's script is not followed: HTTP %d", status)
	}
	var got []int
	for _, log := range []string{"telephony", "telephony", "authentication"} {
		got = append(got, ask(0, log), ask(1, log))
	}
	if diff := cmp.Diff([]int{200, 200, 429, 429, 200, 200}, got); diff != "" {
		t.Errorf("statuses of the two in turn (-want +got):\n%s", diff)
	}
	all := func(sim *duosim.Sim, log string) []duosim.Record {
		return sim.Log(log).Visible(noon.Add(-24*time.Hour), noon)
	}
	if a, b := len(all(children[0], "telephony")), len(all(children[1], "telephony")); a != 0 || b != 3 {
		t.Errorf("%d and %d records, want 0 and 3", a, b)
	}
	if a, b := all(children[0], "activity"), all(children[1], "activity"); len(a) == 0 || len(b) == 0 || a[0].ID == b[0].ID {
		t.Error("the same records are made for both")
	}
	if a, b, of := len(children[0].Requests()), len(children[1].Requests()), len(sim.Requests()); a != 4 || b != 3 || of != 0 {
		t.Errorf("%d, %d and %d requests, want 4, 3 and 0", a, b, of)
	}
}
