package bench_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/handler/handlertest"
)

// patience is how long a service may take to start.
const patience = 30 * time.Second

// build builds the program as the image does.
func build(b testing.TB) (exe string) {
	b.Helper()
	exe = filepath.Join(b.TempDir(), "server")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-tags=disable_grpc_modules,grpcnotrace", "-ldflags=-s -w", "-o", exe, "../../cmd/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return exe
}

// environment is a service's environment, with these servers.
func environment(b testing.TB, at addresses, issuer *handlertest.Issuer) map[string]string {
	return map[string]string{
		"DUO_IKEY": "DIWJ8X6AEYOR5OMC6TQ1", "DUO_SKEY": "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep", "DUO_API_HOST": apiHost,
		"DUO_API_URL": "http://" + at.Duo, "GCS_BUCKET": "bucket", "STORAGE_EMULATOR_HOST": at.Storage,
		"FIRESTORE_PROJECT": fmt.Sprintf("bench-%d", time.Now().UnixNano()), "FIRESTORE_EMULATOR_HOST": emulator.Firestore(b),
		"PUSH_AUDIENCE": handlertest.Audience, "ALLOWED_CALLERS": handlertest.Email, "OIDC_CERTS_URL": issuer.CertsURL(),
		"PAGE_INTERVAL": "0s", "RUN_BUDGET": "599s",
	}
}

// service is a process of the program.
type service struct {
	b     testing.TB
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from its start to the first 200
}

// launch starts the service and waits until it is ready.
func launch(b testing.TB, exe string, env map[string]string) service {
	b.Helper()
	port := freePort(b)
	s := service{b: b, cmd: exec.CommandContext(b.Context(), exe), url: "http://127.0.0.1:" + port}
	s.cmd.Env = []string{"PORT=" + port}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		s.cmd.Env = append(s.cmd.Env, k+"="+env[k])
	}
	s.ready = timed(func() {
		if err := s.cmd.Start(); err != nil {
			b.Fatal(err)
		}
		s.awaitHealth()
	})
	return s
}

// awaitHealth polls almost without a pause, because the time of the answer is
// measured.
func (s service) awaitHealth() {
	ctx, cancel := context.WithTimeout(s.b.Context(), patience)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil)
		if err != nil {
			s.b.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if ctx.Err() != nil {
			s.b.Fatal("the service does not start")
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// post triggers a run and returns its report.
func (s service) post(path, body, token string) []byte {
	s.b.Helper()
	req, err := http.NewRequestWithContext(s.b.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.b.Fatal(err)
	}
	defer resp.Body.Close()
	report, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.b.Fatalf("%s answered %d: %s", path, resp.StatusCode, report)
	}
	return report
}

// resident returns a line of /proc/PID/status in MiB: VmRSS, the memory in use now,
// or VmHWM, its peak.
func (s service) resident(line string) float64 {
	s.b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.b.Skipf("memory is read from /proc: %v", err)
	}
	m := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		s.b.Fatalf("there is no %s in the status", line)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		s.b.Fatal(err)
	}
	return kib / 1024
}

func (s service) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

func freePort(b testing.TB) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	return port
}
