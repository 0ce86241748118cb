package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
)

// patience is how long a test waits for something that must happen.
const patience = 45 * time.Second

// eventually polls until the condition is true.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v for this: %s", patience, what)
		}
	}
}

// receive waits for a channel's next value or its close.
func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for this: %s", patience, what)
	}
	panic("unreachable")
}

// process is a server, which is killed at the end of its test.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, log *buffer
	ended    chan struct{}
	url      string
	token    string
}

// launch starts the server with only env as its environment.
func launch(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it starts processes")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := t.Name() + " server " + strings.Join(args, " ")
	p := &process{
		t: t, cmd: exec.CommandContext(t.Context(), exe, args...), ended: make(chan struct{}),
		out: captured.buffer(name + " stdout"), log: captured.buffer(name + " stderr"),
	}
	p.cmd.Env = []string{asServer + "=1", "PATH=" + os.Getenv("PATH")}
	if cover := flag.Lookup("test.gocoverdir"); cover.Value.String() != "" { // go test -cover counts what it runs, too
		p.cmd.Env = append(p.cmd.Env, "GOCOVERDIR="+cover.Value.String())
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		p.cmd.Env = append(p.cmd.Env, k+"="+env[k])
	}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.log
	lifeline, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		lifeline.Close()
		close(p.ended)
	}()
	t.Cleanup(func() {
		<-p.ended
		if t.Failed() {
			t.Logf("%s:\n%s", p.log.name, p.log)
		}
	})
	return p
}

// listen starts a service and waits until it serves. If another process takes the
// free port first, it tries another one.
func listen(t *testing.T, env map[string]string) *process {
	t.Helper()
	for range 5 {
		port := freePort(t)
		env := maps.Clone(env)
		env["PORT"] = port
		p := launch(t, env)
		p.url = "http://127.0.0.1:" + port
		eventually(t, "the service serves or ends", func() bool { return p.hasLogged(`"message":"serving"`) || p.hasEnded() })
		if !p.hasEnded() {
			eventually(t, "/health answers", func() bool { return p.do(http.MethodGet, "/health", "").status == http.StatusOK })
			return p
		}
		if !p.hasLogged("configuration: PORT:") {
			t.Fatalf("the service ended:\n%s", p.log)
		}
	}
	t.Fatal("found no free port")
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (p *process) hasLogged(text string) bool { return strings.Contains(p.log.String(), text) }

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process like a power cut.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	receive(p.t, p.ended, "the process ends")
	return p.cmd.ProcessState.ExitCode()
}

// answer is a response with its report where it has one. With several streams that
// is the outcome alone, and Runs are their reports.
type answer struct {
	collect.Summary
	Runs   []collect.Summary
	status int
	body   []byte
	err    error
	sent   time.Time
}

// do sends a request. It does not use t, so any goroutine may call it.
func (p *process) do(method, path, body string) answer {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	defer cancel()
	a := answer{sent: time.Now()}
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.body, a.err = io.ReadAll(resp.Body)
	captured.buffer(p.t.Name() + " answer to " + method + " " + path).Write(a.body)
	if path == "/" || path == "/run" {
		a.err = json.Unmarshal(a.body, &a)
	}
	return a
}

// tick is the body of a push.
const tick = `{"message":{"data":"e30=","messageId":"1","publishTime":"2026-01-02T15:04:05Z","attributes":{}},"subscription":"projects/p/subscriptions/s"}`

func (p *process) push() answer               { return p.do(http.MethodPost, "/", tick) }
func (p *process) manual(wish string) answer  { return p.do(http.MethodPost, "/run", wish) }
func (p *process) force() answer              { return p.manual(`{"force":true}`) }
func begin(request func() answer) chan answer { return beginAll(1, request) }

// beginAll sends n requests at once, and returns a channel of their answers.
func beginAll(n int, request func() answer) chan answer {
	answers := make(chan answer, n)
	for range n {
		go func() { answers <- request() }()
	}
	return answers
}

// wantRun checks the status and outcome of an answer.
func wantRun(t *testing.T, a answer, status int, outcome string) {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	if a.status != status || a.Outcome != outcome {
		t.Fatalf("the run is %d %q (%s), want %d %q", a.status, a.Outcome, a.Reason, status, outcome)
	}
}

// stop ends the process like Cloud Run.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		p.t.Errorf("exit code %d after SIGTERM", code)
	}
}

// runLines stops the process, so that its log is complete, and returns the log lines
// of finished runs.
func (p *process) runLines() []map[string]any {
	p.t.Helper()
	p.stop()
	var runs []map[string]any
	for line := range strings.Lines(p.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			p.t.Fatalf("a line of the log is no JSON: %s", line)
		}
		if message, _ := fields["message"].(string); strings.HasPrefix(message, "run ") {
			runs = append(runs, fields)
		}
	}
	return runs
}
