package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/check"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

var (
	contoso  = duosim.Child{ID: "DAS1D2F3G4H5J6K7L8Z9", Name: "Contoso Dental", Host: "api-0a1b2c3d.duosecurity.com"}
	fabrikam = duosim.Child{ID: "DAQ1W2E3R4T5Y6U7I8O9", Name: "Fabrikam", Host: "api-4e5f6a7b.duosecurity.com"}
)

// accountsFile writes a file of accounts, whose keys all are a world's.
func accountsFile(t *testing.T, env map[string]string, accounts ...duosim.Child) string {
	t.Helper()
	text := "name,host,ikey,skey\n"
	for i, a := range accounts {
		text += fmt.Sprintf("%s,%s,DIWJ8X6AEYOR5OMC6TQ%d,%s\n", a.Name, a.Host, i+1, env["DUO_SKEY"])
	}
	file := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConfigAccounts: whose logs are collected, by which documents, into which
// folders.
func TestConfigAccounts(t *testing.T) {
	file := accountsFile(t, required(), contoso, fabrikam)
	const one, two = "api-0a1b2c3d.duosecurity.com", "api-4e5f6a7b.duosecurity.com"
	for name, tt := range map[string]struct {
		set                map[string]string
		documents, folders []string
		ofOne              string // the folder of an account
	}{
		"own":              {nil, []string{"telephony"}, []string{"duo-telephony"}, "duo-telephony/" + one},
		"own, by account":  {map[string]string{"GCS_PREFIX": "{account}/{log}"}, []string{"telephony"}, []string{"api-12345678.duosecurity.com/telephony"}, one + "/telephony"},
		"children":         {map[string]string{"DUO_ACCOUNTS": " Children "}, nil, []string{"duo-telephony"}, "duo-telephony/" + one},
		"children, a root": {map[string]string{"DUO_ACCOUNTS": "children", "GCS_PREFIX": ""}, nil, []string{""}, one},
		"children, by account": {map[string]string{"DUO_ACCOUNTS": "children", "GCS_PREFIX": "x/{account}-{log}"}, nil, []string{"x/{account}-telephony"},
			"x/" + one + "-telephony"},
		"a file": {map[string]string{"DUO_ACCOUNTS": file, "DUO_IKEY": "", "DUO_SKEY": "", "DUO_API_HOST": ""}, []string{"telephony@" + one, "telephony@" + two},
			[]string{"duo-telephony"}, "duo-telephony/" + one},
		"a file, by account": {map[string]string{"DUO_ACCOUNTS": file, "GCS_PREFIX": "{account}"}, []string{"telephony@" + one, "telephony@" + two}, []string{one, two}, one},
	} {
		c, err := with(tt.set)
		if err != nil || !slices.Equal(c.streams(), tt.documents) || !slices.Equal(c.folders(), tt.folders) || c.folder(defaultLog, one) != tt.ofOne {
			t.Errorf("%s: documents %v, folders %v, of one %s; %v", name, c.streams(), c.folders(), c.folder(defaultLog, one), err)
		}
	}
}

func TestConfigAccountsBad(t *testing.T) {
	empty := accountsFile(t, required())
	for _, tt := range []struct{ assignments, want string }{
		{"DUO_ACCOUNTS=child", "DUO_ACCOUNTS: it is neither own nor children, so it names an accounts file: the file that it names can't be read: "},
		{"DUO_ACCOUNTS=" + empty, "DUO_ACCOUNTS: it is neither own nor children, so it names an accounts file: the accounts file " + empty + " can't be used:\nit has no account"},
		{"DUO_ACCOUNTS=children STATE_KEY=old/state.json", "STATE_KEY: is the state of a function that collects one account"},
		{"DUO_ACCOUNTS=children GCS_PREFIX=a//b", `GCS_PREFIX: "a//b/api-00000000.duosecurity.com" has an empty folder`},
		{"DUO_LOGS=all GCS_PREFIX={account}", `GCS_PREFIX: "{account}" would mix the logs`},
		{"DUO_ACCOUNTS=children DUO_IKEY=", "DUO_IKEY: is required"},
	} {
		if _, err := with(assigned(tt.assignments)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.assignments, err, tt.want)
		}
	}
}

// listed is a list of accounts that a test changes, and what its reader logs.
type listed struct {
	*children
	accounts []duo.Account
	err      error
	asked    int
	log      strings.Builder
}

func newListed() *listed {
	l := &listed{}
	l.children = &children{
		client: duo.New(duo.Config{Host: "api-12345678.duosecurity.com"}), concurrency: 8,
		list: func(context.Context) ([]duo.Account, error) { l.asked++; return l.accounts, l.err },
		of: func(client *duo.Client, a duo.Account) []*collect.Collector {
			return []*collect.Collector{{Duo: client, Config: collect.Config{Log: &defaultLog, Account: a}}}
		},
		log: slog.New(slog.NewTextHandler(&l.log, nil)),
	}
	return l
}

// streams are the names of the streams of this moment, those that can't be
// collected with the reason.
func (l *listed) now(t *testing.T) (names []string) {
	t.Helper()
	s, err := l.Now(t.Context())
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	for _, c := range s.Collectors {
		name := c.Live().String()
		if c.Fault != nil {
			name += ": " + c.Fault.Error()
		}
		names = append(names, name)
	}
	return names
}

var (
	first  = duo.Account{ID: contoso.ID, Name: contoso.Name, Host: contoso.Host}
	second = duo.Account{ID: fabrikam.ID, Name: fabrikam.Name, Host: fabrikam.Host}
)

// TestChildrenRefreshed goes through what a list of accounts can come to: it is read
// every ten minutes, kept where it can't be read or is empty, and told of where it
// changes.
func TestChildrenRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListed()
		one, two := "telephony@"+first.Host, "telephony@"+second.Host
		away := errors.New("no route to Duo")
		for i, step := range []struct {
			after    time.Duration
			accounts []duo.Account
			err      error
			asked    int
			want     []string
			log      string
		}{
			{0, nil, away, 1, []string{"error: the child accounts can't be listed: no route to Duo"}, ""},
			{4 * time.Second, []duo.Account{first}, nil, 1, []string{"error: the child accounts can't be listed: no route to Duo"}, ""},
			{time.Second, nil, nil, 2, []string{"error: the child accounts can't be listed: " + errNone.Error()}, ""},
			{5 * time.Second, []duo.Account{first}, nil, 3, []string{one}, ""},
			{9 * time.Minute, []duo.Account{second}, nil, 3, []string{one}, ""},
			{time.Minute, []duo.Account{first, second}, nil, 4, []string{one, two}, "account added"},
			{10 * time.Minute, nil, away, 5, []string{one, two}, "level=WARN msg=\"the child accounts can't be listed, those listed before are collected\" error=\"no route to Duo\""},
			{30 * time.Second, nil, away, 5, []string{one, two}, ""},
			{30 * time.Second, nil, nil, 6, []string{one, two}, "no account is listed below"},
			{time.Minute, []duo.Account{second}, nil, 7, []string{two}, "level=WARN msg=\"account no longer listed"},
			{10 * time.Minute, []duo.Account{second}, nil, 8, []string{two}, ""},
			{10 * time.Minute, []duo.Account{second, first}, nil, 9, []string{two, one}, "account added"},
		} {
			time.Sleep(step.after)
			l.accounts, l.err = step.accounts, step.err
			l.log.Reset()
			got := l.now(t)
			if diff := cmp.Diff(step.want, got); diff != "" || l.asked != step.asked {
				t.Errorf("step %d: asked %d times, want %d; streams (-want +got):\n%s", i, l.asked, step.asked, diff)
			}
			if log := l.log.String(); !strings.Contains(log, step.log) || (step.log == "") != (log == "") {
				t.Errorf("step %d: logged %q, want %q", i, log, step.log)
			}
		}
	})
}

// TestChildrenCallerGone has the caller leave for whom the accounts are listed: others
// wait for the list.
func TestChildrenCallerGone(t *testing.T) {
	l := newListed()
	l.children.list = func(ctx context.Context) ([]duo.Account, error) { return []duo.Account{first}, ctx.Err() }
	gone, leave := context.WithCancel(t.Context())
	leave()
	if s, err := l.Now(gone); err != nil || len(s.Collectors) != 1 {
		t.Errorf("%v, %v", s, err)
	}
}

// TestChildrenUnusable has accounts that can't be asked: each fails for itself, under
// a name that a document can have.
func TestChildrenUnusable(t *testing.T) {
	l := newListed()
	l.accounts = []duo.Account{
		{ID: first.ID, Name: "Evil", Host: "api-1.duosecurity.com.evil.example"}, {ID: "a/b", Name: "Slash", Host: second.Host},
		{Name: "Nothing/at all"}, {ID: first.ID, Name: first.Name, Host: strings.ToUpper(first.Host)}, {ID: "DATWICE", Name: "Twice", Host: first.Host},
	}
	want := []string{
		"telephony@unusable-" + first.ID + ": duo: ", "telephony@unusable-a-b: duo: ", "telephony@unusable-Nothing-at-all: duo: ",
		"telephony@" + first.Host, "telephony@unusable-DATWICE: duo: the account is listed with the API hostname " + first.Host + `, as "Contoso Dental" is: `,
	}
	got := l.now(t)
	if len(got) != len(want) {
		t.Fatalf("streams %v", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || (want[i] == "telephony@"+first.Host) != (got[i] == want[i]) {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
}

// hosts are the ids of the records in the bucket, by the folder of an account.
func (w *world) hosts() map[string][]string {
	w.t.Helper()
	ids := map[string][]string{}
	for name, data := range w.objects() {
		host := strings.Split(name, "/")[1]
		for line := range strings.Lines(string(data)) {
			var r struct {
				ID   string `json:"telephony_id"`
				Host string
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.Host != host {
				w.t.Errorf("%s has a record of %q, %v", name, r.Host, err)
			}
			ids[host] = append(ids[host], r.ID)
		}
	}
	for _, of := range ids {
		slices.Sort(of)
	}
	return ids
}

// TestProvider has the real service collect two accounts whose records have the same
// ids. One is added between two instances, left out of the list for a while and
// listed again; a third refuses: nothing is lost or doubled, and it fails alone.
func TestProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, time.Hour)
	one := w.sim.AddChild(contoso)
	two := w.sim.AddChild(fabrikam)
	far := w.sim.AddChild(duosim.Child{ID: "DAFAR", Name: "Far", Host: "api-far.duofederal.com", Elsewhere: true})
	at := time.Now().Add(-time.Hour)
	var want []string
	for i, listed := range [][]*duosim.Sim{{one}, {one, two}, {one}, {far, one, two}} {
		id := fmt.Sprintf("220f89ff-bff8-4466-b6cb-%012d", i)
		want = append(want, id)
		for _, child := range []*duosim.Sim{one, two} {
			child.Add(duosim.Record{TS: at.Add(time.Duration(i) * time.Minute), ID: id})
		}
		w.sim.List(listed...)
		p := w.start(map[string]string{"DUO_ACCOUNTS": "children", "OVERLAP": "1h"})
		a := p.push()
		switch i {
		case 3:
			wantRun(t, a, http.StatusInternalServerError, collect.Failed)
			if body := string(a.body); strings.Count(body, `"outcome":"complete"`) != 2 || !strings.Contains(body, "ask Duo Support to move it") {
				t.Errorf("the answer is %s", body)
			}
		default:
			wantRun(t, a, http.StatusOK, collect.Complete)
		}
		var vanished []string
		if i == 2 {
			vanished = []string{fabrikam.Host}
		}
		var s struct{ Vanished []string }
		if err := json.Unmarshal(p.do(http.MethodGet, "/status", "").body, &s); err != nil || i > 0 && !slices.Equal(s.Vanished, vanished) {
			t.Errorf("tick %d: vanished are %v, %v, want %v", i, s.Vanished, err, vanished)
		}
		p.stop()
	}
	if diff := cmp.Diff(map[string][]string{contoso.Host: want, fabrikam.Host: want}, w.hosts()); diff != "" {
		t.Errorf("records by account (-want +got):\n%s", diff)
	}
}

// TestAccountsFile has the real service collect by a file of accounts, which the check
// is content with, before and after.
func TestAccountsFile(t *testing.T) {
	t.Parallel()
	w := newCloud(t)
	own := duosim.Child{Name: "Own", Host: w.duo.Host}
	changes := map[string]string{"DUO_ACCOUNTS": accountsFile(t, w.env, own), "DUO_IKEY": "", "DUO_SKEY": "", "DUO_API_HOST": ""}
	maps.Copy(w.env, changes)
	sound := func() {
		t.Helper()
		findings, _ := checked(t, w.env)
		for _, f := range findings {
			if f.Status == check.Fail {
				t.Errorf("check: %+v", f)
			}
		}
		wantFinding(t, findings, "accounts ok", changes["DUO_ACCOUNTS"]+" has 1")
	}
	sound()
	p := w.start(nil)
	wantRun(t, p.push(), http.StatusOK, collect.Complete)
	sound()
	if got := p.statuses()[0]; got.Stream != "telephony@"+own.Host || *got.Account != (collect.Account{Host: own.Host, Name: "Own"}) {
		t.Errorf("the stream is %s of %v", got.Stream, got.Account)
	}
	if got := w.hosts(); len(got) != 1 || len(got[own.Host]) < 50 {
		t.Errorf("%d records in the account's folder", len(got[own.Host]))
	}
	p.stop()
}

// TestLocalChildren collects the simulated accounts below one, and compares them.
func TestLocalChildren(t *testing.T) {
	t.Parallel()
	captured.secret(simulator.SKey)
	dir, env := t.TempDir(), map[string]string{"DUO_ACCOUNTS": "children"}
	p := launch(t, env, "local", "-once", "-dir", dir)
	if code := p.wait(); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, p.log)
	}
	var a answered
	if err := json.Unmarshal([]byte(p.out.String()), &a); err != nil || len(a.Runs) != len(simulatedChildren) || a.Outcome != collect.Complete {
		t.Fatalf("the answer is %s, %v", p.out, err)
	}
	for i, child := range simulatedChildren {
		if r := a.Runs[i]; r.Stream != "telephony@"+child.Host || r.Records < 500 || !strings.Contains(r.Objects[0], filepath.Join("duo-telephony", child.Host)) {
			t.Errorf("%s: %d records, %v", r.Stream, r.Records, r.Objects)
		}
		since := a.Runs[i].Window.From.Format(time.RFC3339Nano)
		if text := verify(t, env, exitOK, "-dir", dir, "-account", child.Name, "-from", since).out.String(); !strings.HasPrefix(text, "compared     telephony of "+child.Host+", ") {
			t.Errorf("verify says %s", text)
		}
	}
	if err := os.Remove(a.Runs[1].Objects[0]); err != nil {
		t.Fatal(err)
	}
	call := verify(t, env, exitFailed, "-dir", dir, "-account", simulatedChildren[1].ID, "-json").audited().Call
	if !strings.Contains(call, `-d '{"account":"`+simulatedChildren[1].Host+`","from":"`) {
		t.Errorf("the call is %s", call)
	}
	if p := verify(t, env, exitConfig, "-dir", dir); !p.hasLogged("-account must name one of the accounts") {
		t.Errorf("without -account it does not ask for it:\n%s", p.log)
	}
}

// TestCheckChildren lists the accounts, and asks for the logs of the first that can
// be asked.
func TestCheckChildren(t *testing.T) {
	t.Parallel()
	env, sim := duoEnv(t, 0)
	env["DUO_ACCOUNTS"] = "children"
	findings, _ := checked(t, env, "-only", "duo")
	wantFinding(t, findings, "accounts fail", "Accounts API application")
	bad := sim.AddChild(duosim.Child{ID: "DABAD", Name: "Bad", Host: "evil.example"})
	good := sim.AddChild(contoso)
	findings, _ = checked(t, env, "-only", "duo")
	if diff := cmp.Diff([]string{"configuration ok", "accounts ok", "accounts fail", "duo ok", "clock ok"}, statusesOf(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	wantFinding(t, findings, "accounts fail", "Bad: ", "ask Duo Support")
	wantFinding(t, findings, "duo ok", contoso.Host)
	if len(good.Requests()) != 1 {
		t.Errorf("%d requests for the first account", len(good.Requests()))
	}
	sim.List(bad)
	findings, _ = checked(t, env, "-only", "duo")
	if diff := cmp.Diff([]string{"configuration ok", "accounts ok", "accounts fail"}, statusesOf(findings)); diff != "" {
		t.Errorf("with none that can be asked (-want +got):\n%s", diff)
	}
	sim.List()
	findings, _ = checked(t, env, "-only", "duo")
	wantFinding(t, findings, "accounts fail", "no account below")
}
