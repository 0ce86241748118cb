package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/duo/duosim"
)

// duoEnv is the environment for a check of Duo alone: a simulated account whose
// clock is ahead.
func duoEnv(t *testing.T, ahead time.Duration) (map[string]string, *duosim.Sim) {
	t.Helper()
	account := duosim.Config{
		IKey: "DIWJ8X6AEYOR5OMC6TQ1", SKey: captured.secret("Yb7Kq2wPz9LrC4mNtX6vEoJ1sGdHuF8iA3cRkT5Q"), Host: "api-12345678.duosecurity.com",
		Generate: duosim.Generator{Seed: 7, PerHour: 3600, From: time.Now().Add(-2 * time.Hour)},
		Now:      func() time.Time { return time.Now().Add(ahead) },
	}
	sim := duosim.New(account)
	w := world{t: t}
	return map[string]string{
		"DUO_IKEY": account.IKey, "DUO_SKEY": account.SKey, "DUO_API_HOST": account.Host, "DUO_API_URL": w.serve(sim),
	}, sim
}

func TestCheckDuo(t *testing.T) {
	t.Parallel()
	refuse := func(code int, message string) duosim.Fault { return duosim.Refuse(code, message) }
	for name, test := range map[string]struct {
		ahead    time.Duration
		fault    duosim.Fault
		requests int
		statuses []string
		says     []string
	}{
		"good":           {0, duosim.Pass, 1, []string{"duo ok", "clock ok"}, []string{"api-12345678.duosecurity.com accepts"}},
		"integration":    {0, refuse(40102, "Invalid integration key"), 1, []string{"duo fail", "clock ok"}, []string{"40102", "DUO_IKEY"}},
		"permission":     {0, refuse(40301, "Access forbidden"), 1, []string{"duo fail", "clock ok"}, []string{"40301", "Grant read log", "networks"}},
		"rate limit":     {0, duosim.RateLimited(0), 1, []string{"duo warn", "clock ok"}, []string{"42901", "unknown", "in a minute"}},
		"redirect":       {0, duosim.Redirect("http://127.0.0.1:1/"), 1, []string{"duo fail", "clock ok"}, []string{"not followed", "DUO_API_HOST"}},
		"outage":         {0, duosim.HTML(http.StatusBadGateway), 1, []string{"duo fail", "clock ok"}, []string{"502", "status.duo.com"}},
		"reset":          {0, duosim.Reset, 1, []string{"duo fail"}, []string{"port 443"}},
		"not Duo":        {0, duosim.HTML(http.StatusOK), 1, []string{"duo fail", "clock ok"}, []string{"proxy"}},
		"clock ahead":    {-30 * time.Second, duosim.Pass, 1, []string{"duo ok", "clock warn"}, []string{"accepts"}},
		"clock refused":  {10 * time.Minute, duosim.Pass, 2, []string{"duo ok", "clock warn"}, []string{"accepts"}},
		"phone in error": {0, refuse(40002, "no +12025550123"), 1, []string{"duo fail", "clock ok"}, []string{"40002"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, sim := duoEnv(t, test.ahead)
			sim.Script(test.fault)
			findings, _ := checked(t, env, "-only", "duo")
			if diff := cmp.Diff(append([]string{"configuration ok"}, test.statuses...), statusesOf(findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if n := len(sim.Requests()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
			wantFinding(t, findings, test.statuses[0], test.says...)
		})
	}
}

// Duo itself says that the secret key is wrong.
func TestCheckWrongKey(t *testing.T) {
	t.Parallel()
	env, sim := duoEnv(t, 0)
	env["DUO_SKEY"] = captured.secret("Another0Secret0Key0Another0Secret0Key000")
	findings, code := checked(t, env, "-only", "duo")
	wantFinding(t, findings, "duo fail", "401", "40103", "check DUO_IKEY, DUO_SKEY")
	if n := len(sim.Requests()); n != 1 || code != exitFailed {
		t.Errorf("%d requests, exit code %d", n, code)
	}
}

// A key's form can explain why Duo refuses it. It is also checked if Duo could not be
// asked.
func TestCheckSecretForm(t *testing.T) {
	t.Parallel()
	env, sim := duoEnv(t, 0)
	file := filepath.Join(t.TempDir(), "skey")
	if err := os.WriteFile(file, []byte("\ufeff"+env["DUO_SKEY"]+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(env, "DUO_SKEY")
	env["DUO_SKEY_FILE"] = file
	for status, fault := range map[string]duosim.Fault{"duo fail": duosim.Pass, "duo warn": duosim.RateLimited(0)} {
		sim.Script(fault)
		findings, _ := checked(t, env, "-only", "duo")
		wantFinding(t, findings, status)
		wantFinding(t, findings, "secret key warn", "byte order mark", "DUO_SKEY_FILE")
		if status == "duo fail" {
			wantFinding(t, findings, status, "401", "byte order mark")
		}
	}
}

func TestCheckDuoUnreachable(t *testing.T) {
	t.Parallel()
	env, _ := duoEnv(t, 0)
	env["DUO_API_URL"] = "http://127.0.0.1:" + freePort(t)
	findings, _ := checked(t, env, "-only", "duo")
	wantFinding(t, findings, "duo fail", "connection refused", "port 443")
}

// Without -json the output is lines of text.
func TestCheckLines(t *testing.T) {
	t.Parallel()
	env, sim := duoEnv(t, 0)
	sim.Script(duosim.Pass, duosim.Refuse(40301, "Access forbidden"))
	for _, want := range []struct {
		code int
		out  string
	}{
		{exitOK, "ok    configuration  all variables have valid values\n" +
			"ok    duo            api-12345678.duosecurity.com accepts the credentials and lets them read the log\n" +
			"ok    clock          this machine's clock is within 10s of Duo's\n"},
		{exitFailed, "ok    configuration  all variables have valid values\n" +
			`fail  duo            HTTP 403 (40301 Access forbidden); grant the application "Grant read log" in Duo's Admin Panel, and allow this service's address where the application restricts networks` + "\n" +
			"ok    clock          this machine's clock is within 10s of Duo's\n"},
	} {
		p := launch(t, env, "check", "-only", "duo")
		if code := p.wait(); code != want.code || p.log.String() != "" {
			t.Errorf("exit code %d, want %d; standard error: %s", code, want.code, p.log)
		}
		if diff := cmp.Diff(want.out, p.out.String()); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	}
}
