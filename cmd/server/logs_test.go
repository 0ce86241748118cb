package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
)

// answered is the answer for several logs.
type answered struct {
	Outcome string
	Runs    []collect.Summary
}

func several(t *testing.T, body string) answered {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	var a answered
	if err := dec.Decode(&a); err != nil || strings.Count(body, "\n") != 1 || len(a.Runs) != len(allLogs) {
		t.Fatalf("not one line with a report for each log: %v:\n%s", err, body)
	}
	for i, log := range allLogs {
		if a.Runs[i].Stream != log {
			t.Errorf("report %d is of %s, want %s", i, a.Runs[i].Stream, log)
		}
	}
	return a
}

// onceAll runs server local -logs all -once to its end.
func onceAll(t *testing.T, env map[string]string, dir string) (*process, answered) {
	t.Helper()
	captured.secret(simulator.SKey)
	p := launch(t, env, "local", "-logs", "all", "-once", "-dir", dir)
	if code := p.wait(); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, p.log)
	}
	return p, several(t, p.out.String())
}

// TestLocalAll collects all logs twice into an empty folder: every record that the
// simulator shows is there, once, each log in a folder of its own.
func TestLocalAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, first := onceAll(t, nil, dir)
	if !p.hasLogged("Collecting telephony, authentication, activity, trust-monitor from a simulated Duo (set DUO_IKEY") {
		t.Errorf("it does not say what from where:\n%s", p.log)
	}
	count := len(files(t, dir))
	began := time.Now()
	_, second := onceAll(t, nil, dir)
	added := 0
	for i, log := range allLogs {
		one, two := first.Runs[i], second.Runs[i]
		if one.Outcome != collect.Complete || two.Outcome != collect.Complete || one.Records < 20 || two.Records > 10 || two.Duplicates == 0 {
			t.Errorf("%s: %s with %d records, then %s with %d and %d duplicates", log, one.Outcome, one.Records, two.Outcome, two.Records, two.Duplicates)
		}
		added += len(two.Objects)
		wantLocal(t, dir, log, began, one.Window.From, *two.Watermark)
	}
	if n := len(files(t, dir)); n != count+added {
		t.Errorf("the second run reports %d objects, and there are %d more", added, n-count)
	}
	folders, err := os.ReadDir(filepath.Join(dir, "bucket"))
	if err != nil || len(folders) != len(allLogs) {
		t.Errorf("%d folders, %v", len(folders), err)
	}
	verifyAll(t, dir, first)
}

// verifyAll has server verify compare each log. Of the trust monitor nothing is
// settled yet: its events may come a day late.
func verifyAll(t *testing.T, dir string, first answered) {
	t.Helper()
	from := func(i int) string { return first.Runs[i].Window.From.Format(time.RFC3339Nano) }
	for i, log := range allLogs[:3] {
		p := verify(t, nil, exitOK, "-dir", dir, "-log", log, "-from", from(i))
		if text := p.out.String(); !strings.Contains(text, "Exact:") || !strings.HasPrefix(text, "compared     "+log+", ") {
			t.Errorf("the report is\n%s", text)
		}
	}
	if p := verify(t, nil, exitFailed, "-dir", dir, "-log", allLogs[3], "-from", from(3)); !p.hasLogged("nothing is left of the range to compare") {
		t.Errorf("of the trust monitor it says:\n%s", p.log)
	}
	object := first.Runs[2].Objects[0]
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	a := verify(t, nil, exitFailed, "-dir", dir, "-log", allLogs[2], "-json").audited()
	if a.Log != allLogs[2] || a.Missing.Count == 0 || !strings.Contains(a.Call, `-d '{"log":"activity","from":"`) {
		t.Errorf("with an object deleted: %d missing of %s, %s", a.Missing.Count, a.Log, a.Call)
	}
	p := verify(t, map[string]string{"DUO_LOGS": "all"}, exitConfig, "-dir", dir)
	if !p.hasLogged("-log must name one of DUO_LOGS: telephony, authentication, activity, trust-monitor") {
		t.Errorf("without -log it does not ask for it:\n%s", p.log)
	}
}

// Every command that the welcome prints must work with several logs, too. DUO_LOGS
// does what -logs does.
func TestLocalWelcomeAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := launch(t, map[string]string{"DUO_LOGS": "all"}, "local", "-dir", dir, "-addr", "127.0.0.1:"+freePort(t), "-every", "1h")
	for _, log := range allLogs {
		eventually(t, "the first run is complete", func() bool { return p.hasLogged(`msg="run complete" stream=` + log + " ") })
		if !p.hasLogged(filepath.Join(dir, "bucket", "duo-"+log) + "\n") {
			t.Errorf("the welcome does not tell of the folder of %s:\n%s", log, p.log)
		}
	}
	commands := welcomed(p.log.String())
	for name, want := range map[string]*regexp.Regexp{
		"run now": regexp.MustCompile(`^{"outcome":"complete","runs":\[{`),
		"one log": regexp.MustCompile(`^{"outcome":"complete",.*"stream":"authentication"`),
		"count":   regexp.MustCompile(`^{"outcome":"complete","runs":.*"objects":\[\]`),
		"status":  regexp.MustCompile(`^{"version":"[^"]+","streams":\[{`),
		"look":    regexp.MustCompile(`^{`),
	} {
		if got := shell(t, commands[name]); !want.MatchString(got) {
			t.Errorf("%s: %q is answered with %s", name, commands[name], phoneNumber.ReplaceAllString(got, "PHONE"))
		}
	}
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitOK {
		t.Errorf("SIGINT: exit code %d", code)
	}
}

// Which Duo is asked is said with -once, too, and what the real one still lacks.
func TestLocalSource(t *testing.T) {
	for set, want := range map[string]string{
		"":                               "a simulated Duo (set DUO_IKEY, DUO_SKEY and DUO_API_HOST for the real one).",
		"DUO_IKEY=DI":                    "a simulated Duo, in spite of DUO_IKEY (the real one needs DUO_API_HOST and DUO_SKEY, too).",
		"DUO_SKEY_FILE=/x DUO_IKEY=DI":   "a simulated Duo, in spite of DUO_IKEY and DUO_SKEY_FILE (the real one needs DUO_API_HOST, too).",
		"DUO_API_HOST=api-1 DUO_IKEY=DI": "a simulated Duo, in spite of DUO_IKEY and DUO_API_HOST (the real one needs DUO_SKEY, too).",
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			if p, r := once(t, assigned(set), t.TempDir()); !p.hasLogged("Collecting from "+want+"\n") || r.Records == 0 {
				t.Errorf("%d records, and this, want %s:\n%s", r.Records, want, p.log)
			}
		})
	}
}

// SIGTERM with four streams under way: all end in time with what they have
// committed, and the next runs go on.
func TestShutdownAll(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t, 65, 2*time.Hour)
	for _, log := range allLogs {
		w.sim.Log(log).Script(duosim.Pass, duosim.Hang)
	}
	p := w.start(nil)
	push := begin(p.push)
	eventually(t, "all streams are in their second page", func() bool {
		return !slices.ContainsFunc(allLogs, func(log string) bool { return len(w.sim.Log(log).Requests()) < 2 })
	})
	got := terminate(t, p, push)
	a := several(t, string(got.body))
	if got.status != http.StatusOK || a.Outcome != collect.Partial {
		t.Errorf("the answer is %d %s", got.status, a.Outcome)
	}
	for _, r := range a.Runs {
		if r.Outcome != collect.Partial || r.Pages != 1 || !strings.Contains(r.Reason, "shutdown") {
			t.Errorf("%s: %s with %d pages, %s", r.Stream, r.Outcome, r.Pages, r.Reason)
		}
	}
	p = w.start(map[string]string{"CONCURRENCY": "2"})
	got = p.push()
	a = several(t, string(got.body))
	if got.status != http.StatusOK || a.Outcome != collect.Complete {
		t.Errorf("the next answer is %d %s", got.status, a.Outcome)
	}
	w.wantLedgers(w.objects(), got.sent, a.Runs)
}

// A check has a line for each log's permission, folder and document.
func TestCheckLogs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env["DUO_LOGS"] = "all"
	c.sim.Log("activity").Script(duosim.Refuse(40301, "Access forbidden"))
	c.sim.Log("trust-monitor").Script(duosim.Refuse(40401, "Resource not found"))
	findings, code := checked(t, c.env)
	want := []string{"configuration ok", "duo ok", "duo ok", "duo fail", "duo fail", "clock ok", "bucket ok", "bucket ok", "bucket ok", "bucket ok",
		"permissions ok", "firestore ok", "firestore ok", "firestore ok", "firestore ok", "auth mode ok", "audience ok", "callers ok", "budget ok"}
	if got := statusesOf(findings); !slices.Equal(got, want) || code != exitFailed {
		t.Errorf("findings\n%v, want\n%v", got, want)
	}
	wantFinding(t, findings, "duo ok", "telephony: api-12345678.duosecurity.com accepts")
	wantFinding(t, findings, "duo ok", "authentication: ", "no API feed of its own for DUO_AUTH")
	wantFinding(t, findings, "duo fail", "activity: ", "40301", "Grant read log", "on request only")
	wantFinding(t, findings, "duo fail", "trust-monitor: ", "40401", "take it out of DUO_LOGS")
	for _, log := range allLogs {
		wantFinding(t, findings, "bucket ok", "gs://bucket/duo-"+log+"/ can be listed")
		wantFinding(t, findings, "firestore ok", log+": database")
	}
	findings, _ = checked(t, c.env, "-only", "duo")
	if got := statusesOf(findings); !slices.Equal(got, []string{"configuration ok", "duo ok", "duo ok", "duo ok", "duo ok", "clock ok"}) {
		t.Errorf("-only duo: %v", got)
	}
}

// What all logs are refused for is one line.
func TestCheckLogsAlike(t *testing.T) {
	t.Parallel()
	env, sim := duoEnv(t, 0)
	env["DUO_LOGS"], env["DUO_SKEY"] = "all", captured.secret("Another1Secret1Key1Another1Secret1Key111")
	findings, _ := checked(t, env, "-only", "duo")
	if got := statusesOf(findings); fmt.Sprint(got) != "[configuration ok duo fail clock ok]" || len(sim.Requests()) != len(allLogs) {
		t.Errorf("%v after %d requests", got, len(sim.Requests()))
	}
	env["DUO_LOGS"] = "trust_monitor"
	findings, _ = checked(t, env, "-only", "duo")
	wantFinding(t, findings, "configuration fail", "DUO_LOGS: ")
}
