package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/check"
)

// checked runs server check.
func checked(t *testing.T, env map[string]string, args ...string) (findings []check.Finding, code int) {
	t.Helper()
	p := launch(t, env, append([]string{"check", "-json"}, args...)...)
	code = p.wait()
	dec := json.NewDecoder(strings.NewReader(p.out.String()))
	dec.DisallowUnknownFields()
	var doc struct {
		OK     bool            `json:"ok"`
		Checks []check.Finding `json:"checks"`
	}
	if err := dec.Decode(&doc); err != nil || dec.More() || p.log.String() != "" {
		t.Fatalf("exit code %d, standard output is not one JSON document, or there is more: %v\n%s", code, err, p.out)
	}
	if want := map[bool]int{true: exitOK, false: exitFailed}[doc.OK]; code != want || doc.OK == check.Failed(doc.Checks) {
		t.Errorf("exit code %d with ok %t and %v", code, doc.OK, doc.Checks)
	}
	for _, f := range doc.Checks {
		if f.Detail == "" || (f.Action == "") != (f.Status == check.OK) {
			t.Errorf("a finding without a detail, or without an action where one is needed: %+v", f)
		}
	}
	return doc.Checks, code
}

// statusesOf returns the name and status of each finding, in order.
func statusesOf(findings []check.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Name+" "+f.Status)
	}
	return out
}

// wantFinding checks that a finding with this name and status has all of the texts.
func wantFinding(t *testing.T, findings []check.Finding, nameAndStatus string, texts ...string) {
	t.Helper()
	for _, f := range findings {
		said := f.Detail + "; " + f.Action
		missing := func(text string) bool { return !strings.Contains(said, text) }
		if f.Name+" "+f.Status == nameAndStatus && !slices.ContainsFunc(texts, missing) {
			return
		}
	}
	t.Errorf("no finding %q says %q:\n%+v", nameAndStatus, texts, findings)
}

func TestCheckCommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"-h":            {exitOK, "-only WHAT"},
		"-only cloud":   {exitConfig, `-only "cloud" is not duo`},
		"-only":         {exitConfig, "flag needs an argument"},
		"-verbose":      {exitConfig, "flag provided but not defined"},
		"-only duo now": {exitConfig, `unexpected argument "now"`},
	} {
		p := launch(t, nil, append([]string{"check"}, strings.Fields(args)...)...)
		if code := p.wait(); code != want.code || p.out.String() != "" || !p.hasLogged(want.says) {
			t.Errorf("server check %s: exit code %d, standard output %q and this:\n%s", args, code, p.out, p.log)
		}
	}
}

// If every setting is wrong, each fault has a line, and they are the same faults
// that keep the service from starting.
func TestCheckConfiguration(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"GCE_METADATA_HOST": "127.0.0.1:1", "K_SERVICE": "s", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
		"DUO_SKEY": captured.secret("Wq4ZcT9uNfJ0oYxE6sKbL2mVhR8aDp3GiU7tXk5H"), "DUO_SKEY_FILE": "/nowhere",
		"GCS_PREFIX": "a//b", "RUN_BUDGET": "1h", "LOG_LEVEL": "loud", "PORT": "http",
	}
	findings, code := checked(t, env)
	service := launch(t, env)
	if code != exitFailed || service.wait() != exitConfig {
		t.Errorf("exit code %d", code)
	}
	for _, f := range findings {
		if f.Name != "configuration" || !service.hasLogged(strings.TrimSuffix(fmt.Sprintf("%q", "configuration: "+f.Detail)[1:], `"`)) {
			t.Errorf("the service says nothing of %+v", f)
		}
	}
	if want := strings.Count(service.log.String(), "\n"); len(findings) != want {
		t.Errorf("%d findings, the service has %d:\n%v", len(findings), want, findings)
	}
}

// A fault in one setting does not stop the checks of the others.
func TestCheckParts(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for variable, want := range map[string][]string{
		"DUO_API_HOST":         {"bucket ok", "permissions ok", "firestore ok", "auth mode ok", "audience ok", "callers ok", "budget ok"},
		"GCS_BUCKET":           {"duo ok", "clock ok", "firestore ok", "auth mode ok", "audience ok", "callers ok", "budget ok"},
		"FIRESTORE_COLLECTION": {"duo ok", "clock ok", "bucket ok", "permissions ok", "auth mode ok", "audience ok", "callers ok", "budget ok"},
		"ALLOWED_CALLERS":      {"duo ok", "clock ok", "bucket ok", "permissions ok", "firestore ok", "state key fail", "budget ok"},
		"OVERLAP":              {"duo ok", "clock ok", "bucket ok", "permissions ok", "firestore ok", "auth mode ok", "audience ok", "callers ok"},
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(c.env)
			env[variable] = ""
			if variable == "ALLOWED_CALLERS" {
				env["STATE_KEY"] = "old/state.json"
			}
			findings, _ := checked(t, env)
			if diff := cmp.Diff(append([]string{"configuration fail"}, want...), statusesOf(findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			wantFinding(t, findings, "configuration fail", variable+": ")
		})
	}
}
