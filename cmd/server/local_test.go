package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
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

// once runs server local -once.
func once(t *testing.T, env map[string]string, dir string) (*process, collect.Summary) {
	t.Helper()
	captured.secret(simulator.SKey)
	p := launch(t, env, "local", "-once", "-dir", dir)
	if code := p.wait(); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, p.log)
	}
	return p, p.report()
}

// report parses the one line on standard output.
func (p *process) report() collect.Summary {
	p.t.Helper()
	dec := json.NewDecoder(strings.NewReader(p.out.String()))
	dec.DisallowUnknownFields()
	var r collect.Summary
	if err := dec.Decode(&r); err != nil || strings.Count(p.out.String(), "\n") != 1 {
		p.t.Fatalf("standard output is not one line with a report: %v:\n%s", err, p.out)
	}
	return r
}

// simulated is what server local's own Duo shows of a log at a time.
func simulated(log string, now, from, to time.Time) []duosim.Record {
	cfg := simulator
	cfg.Now = func() time.Time { return now }
	return duosim.New(cfg).Log(log).Visible(from, to)
}

// wantLocal wants all of a log's simulated records of a range in the directory.
func wantLocal(t *testing.T, dir, log string, began, from, to time.Time) {
	t.Helper()
	ledger{shapeOf(t, log), simulator.Host, simulated(log, began, from, to), simulated(log, time.Now(), from, to)}.check(t, files(t, dir))
}

func TestLocalOnce(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"plain": {},
		"gzip":  {"COMPRESSION": "gzip", "MAX_WINDOW": "1h", "PAGE_INTERVAL": "0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p, first := once(t, env, dir)
			if first.Outcome != "complete" || first.Records < 800 || len(first.Objects) == 0 {
				t.Errorf("the first report is %+v", first)
			}
			if !p.hasLogged(`msg="run complete"`) {
				t.Errorf("the log does not tell of the run:\n%s", p.log)
			}
			for object := range files(t, dir) {
				if strings.HasSuffix(object, ".gz") != (name == "gzip") {
					t.Errorf("there is an object %s", object)
				}
			}
			before := files(t, dir)
			began := time.Now()
			_, second := once(t, env, dir)
			if second.Outcome != "complete" || second.Duplicates == 0 || !second.Watermark.After(*first.Watermark) || second.Token <= first.Token {
				t.Errorf("the second report is %+v", second)
			}
			if added := len(files(t, dir)) - len(before); added != len(second.Objects) || second.Records > 10 {
				t.Errorf("the second run wrote %d objects and %d records, and reports %v", added, second.Records, second.Objects)
			}
			wantLocal(t, dir, stream, began, first.Window.From, *second.Watermark)
		})
	}
}

// Two processes write only what is new.
func TestLocalTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := map[string]string{"MAX_WINDOW": "30m", "PAGE_INTERVAL": "0s"}
	both := []*process{launch(t, env, "local", "-once", "-dir", dir), launch(t, env, "local", "-once", "-dir", dir)}
	var outcomes []string
	for _, p := range both {
		if code := p.wait(); code != exitOK {
			t.Errorf("exit code %d:\n%s", code, p.log)
		}
		outcomes = append(outcomes, p.report().Outcome)
		if p.hasLogged("level=") {
			t.Errorf("the log tells of trouble:\n%s", p.log)
		}
	}
	if slices.Sort(outcomes); outcomes[1] != "complete" || outcomes[0] != "busy" && outcomes[0] != "complete" {
		t.Errorf("the outcomes are %v", outcomes)
	}
	began := time.Now()
	_, last := once(t, env, dir)
	from := both[0].report().Window
	if from == nil {
		from = both[1].report().Window
	}
	wantLocal(t, dir, stream, began, from.From, *last.Watermark)
}

// Every printed command must work as it is.
func TestLocalWelcome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := "127.0.0.1:" + freePort(t)
	p := launch(t, nil, "local", "-dir", dir, "-addr", address, "-every", "1h")
	eventually(t, "the first run is complete", func() bool { return p.hasLogged(`msg="run complete"`) })
	for _, text := range []string{"a simulated Duo", "every 1h0m0s", "Ctrl-C", filepath.Join(dir, "state.db")} {
		if !p.hasLogged(text) {
			t.Errorf("the welcome does not tell of %s:\n%s", text, p.log)
		}
	}
	commands := welcomed(p.log.String())
	for name, want := range map[string]*regexp.Regexp{
		"run now": regexp.MustCompile(`^{"outcome":"complete".*"late":0`),
		"count":   regexp.MustCompile(`^{"outcome":"complete".*"objects":\[\]`),
		"status":  regexp.MustCompile(`"watermark":"20.*"totals":{"pages":[1-9]`),
		"look":    regexp.MustCompile(`^{"context":.*"eventtype":"telephony","host":"api-simulated.duosecurity.com"}\n`),
	} {
		if got := shell(t, commands[name]); !want.MatchString(got) {
			t.Errorf("%s: %q is answered with %s", name, commands[name], phoneNumber.ReplaceAllString(got, "PHONE"))
		}
	}
	if page := curl(t, []string{commands["page"]}); commands["page"] != "http://"+address+"/" || !strings.Contains(page, "<title>Up to date") {
		t.Errorf("page: %q is no status page", commands["page"])
	}
	for name, strange := range map[string]func(*http.Request){
		"a web site":            func(r *http.Request) { r.Header.Set("Origin", "https://stranger.example") },
		"a web site's own name": func(r *http.Request) { r.Host = "stranger.example" },
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/run", nil)
		if err != nil {
			t.Fatal(err)
		}
		strange(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s is answered with %s", name, resp.Status)
		}
	}
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitOK {
		t.Errorf("SIGINT: exit code %d", code)
	}
}

// welcomed returns the commands and the link in the welcome, by name.
func welcomed(text string) map[string]string {
	commands := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  (page|run now|one log|count|status|look) +(.*)$`).FindAllStringSubmatch(text, -1) {
		commands[m[1]] = m[2]
	}
	return commands
}

// shell runs a command and returns its output, as a person would see it.
func shell(t *testing.T, command string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil && strings.HasPrefix(command, "curl ") {
		return curl(t, strings.Fields(command)[1:])
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%q: %v: %s", command, err, &stderr)
	}
	return string(out)
}

// curl replaces curl on a machine without it.
func curl(t *testing.T, args []string) string {
	t.Helper()
	method, url, data := http.MethodGet, "", ""
	for len(args) > 0 {
		switch args[0] {
		case "-X":
			method, args = args[1], args[1:]
		case "-d":
			data, args = strings.Trim(args[1], "'"), args[1:]
		default:
			url = args[0]
		}
		args = args[1:]
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// SIGTERM also ends it in the middle of a run, and the next one goes on.
func TestLocalTerminated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := map[string]string{"MAX_WINDOW": "1h", "PAGE_INTERVAL": "1m"}
	p := launch(t, env, "local", "-dir", dir, "-addr", "127.0.0.1:"+freePort(t))
	eventually(t, "there is an object", func() bool { return len(objectsIn(dir)) == 1 })
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK || !p.hasLogged(`msg="run partial"`) || !p.hasLogged("shutdown") {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
	env["PAGE_INTERVAL"] = "0s"
	began := time.Now()
	_, last := once(t, env, dir)
	if last.Outcome != "complete" {
		t.Errorf("the run after it is %+v", last)
	}
	start, err := time.Parse("20060102T150405.000Z", strings.Split(filepath.Base(objectsIn(dir)[0]), "_")[1])
	if err != nil {
		t.Fatal(err)
	}
	wantLocal(t, dir, stream, began, start, *last.Watermark)
}

func objectsIn(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "bucket", "*", "*", "*", "*", "*.ndjson"))
	return found
}

func TestCommandLine(t *testing.T) {
	t.Chdir(t.TempDir()) // for the default of -dir
	for args, want := range map[string]string{
		"serve":                      "unknown command \"serve\"\nusage:\n",
		"local -x":                   "flag provided but not defined: -x\n",
		"local -every 0s":            "-every must be positive\n",
		"local -every soon":          `invalid value "soon" for flag -every`,
		"local -once extra":          "unexpected argument \"extra\"\n",
		"local -addr 0.0.0.0:8080":   `-addr "0.0.0.0:8080" is no loopback address`,
		"local -addr :8080":          `-addr ":8080" is no loopback address`,
		"local -addr 8080":           `-addr "8080" is no loopback address`,
		"local -addr 127.0.0.1:1x":   "choose another address with -addr",
		"local -once -dir /dev/null": "choose another one with -dir",

		"page":                        "-url and -account are required: terraform ",
		"page -url=https://a.example": "-url and -account are required",
		"page -url=https://a.example -account=a@b extra":           "unexpected argument \"extra\"\n",
		"page -url=http://a.example -account=a@b":                  `-url "http://a.example" is no https:// address`,
		"page -url=a.example -account=a@b":                         `-url "a.example" is no https:// address`,
		"page -url=https://a.example/status -account=a@b":          "without a path",
		"page -url=https://a.example -account=a@b -addr=0.0.0.0:0": `-addr "0.0.0.0:0" is no loopback address`,
		"page -url=https://a.example -account=a@b -addr=:8081":     `-addr ":8081" is no loopback address`,
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(args), console{lookup: lookupIn(nil), out: &out, err: &errs})
		if line := errs.String(); code != exitConfig || !strings.Contains(line, want) || out.Len() > 0 {
			t.Errorf("server %s: exit code %d, want 2 and %q:\n%s%s", args, code, want, line, &out)
		}
	}
}

func TestLocalHelp(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"local", "-h"}, console{lookup: lookupIn(nil), out: &out, err: &errs})
	if code != exitOK || strings.Count(errs.String(), "\n  -") != 5 {
		t.Errorf("exit code %d:\n%s", code, &errs)
	}
}

// server local reports faults in the configuration like the service.
func TestLocalConfiguration(t *testing.T) {
	p := launch(t, map[string]string{"OVERLAP": "much", "LOG_LEVEL": "all"}, "local", "-once", "-dir", t.TempDir())
	if code := p.wait(); code != exitConfig || !p.hasLogged("OVERLAP: ") || !p.hasLogged("LOG_LEVEL: ") || p.out.String() != "" {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
}

// A failed run exits with 1, and its report is on standard output.
func TestLocalFails(t *testing.T) {
	strict := httptest.NewServer(duosim.New(duosim.Config{IKey: "DI", SKey: "another", Host: "api-1.duosecurity.com"}))
	t.Cleanup(strict.Close)
	p := launch(t, map[string]string{
		"DUO_IKEY": "DI", "DUO_SKEY": captured.secret("not-the-right-one"), "DUO_API_HOST": "api-1.duosecurity.com", "DUO_API_URL": strict.URL,
	}, "local", "-once", "-dir", t.TempDir())
	if code, r := p.wait(), p.report(); code != exitFailed || r.Outcome != "failed" || !strings.Contains(r.Reason, "DUO_SKEY") {
		t.Errorf("exit code %d, report %+v", code, r)
	}
}
