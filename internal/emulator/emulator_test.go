package emulator_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/emulator"
)

// startUser starts a process that uses an emulator. It returns its output, and its
// input, whose end ends it.
func startUser(t *testing.T, env ...string) (*exec.Cmd, *bufio.Reader, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"=user", "FIRESTORE_EMULATOR_HOST=", "CLOUDSDK_ROOT_DIR=")
	cmd.Env = append(cmd.Env, env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewReader(stdout), stdin
}

// fakeSDK returns a PATH that begins with a java and the gcloud of an SDK whose
// Firestore emulator is the shell script.
func fakeSDK(t *testing.T, script string) string {
	t.Helper()
	root, bin := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		filepath.Join(bin, "java"):        "#!/bin/sh\n",
		filepath.Join(root, "bin/gcloud"): "#!/bin/sh\n",
		filepath.Join(root, "platform/cloud-firestore-emulator/cloud_firestore_emulator"): "#!/bin/sh\n" + script,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "bin/gcloud"), filepath.Join(bin, "gcloud")); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

func TestAnswersAndIsShared(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) string{
		"Firestore": emulator.Firestore,
		"PubSub":    emulator.PubSub,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := start(t)
			runtime.GC() // would end an emulator whose lifeline nothing refers to
			resp, err := http.Get("http://" + addr + "/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("GET / answered %s, want 200", resp.Status)
			}
			if again := start(t); again != addr {
				t.Errorf("the second caller got %s, the first %s", again, addr)
			}
		})
	}
}

func TestEndsWithTheBinary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it needs an emulator")
	}
	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"returns": func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() },
		"killed":  func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, out, stdin := startUser(t)
			addr := readAddress(t, out)
			if err := end(cmd, stdin); err != nil {
				t.Fatal(err)
			}
			awaitSilence(t, addr)
		})
	}
}

// readAddress returns the address that a user prints first, and checks that a
// server listens there.
func readAddress(t *testing.T, out *bufio.Reader) string {
	t.Helper()
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if reason, ok := strings.CutPrefix(line, "skip: "); ok {
		t.Skip(reason)
	}
	addr := strings.TrimSpace(line)
	if !listens(addr) {
		t.Fatalf("nothing listens on %q", addr)
	}
	return addr
}

func awaitSilence(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for listens(addr) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the emulator on %s outlived its test binary by 10s", addr)
		}
	}
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestStartsAgainOnAnotherPort(t *testing.T) {
	t.Parallel()
	tried := filepath.Join(t.TempDir(), "tried")
	path := fakeSDK(t, `
echo "$*" >>"$TRIED"
test "$(wc -l <"$TRIED")" -ge 3 || exit 1
`+roleVar+`=server exec "$BINARY" "$@"
`)
	_, out, _ := startUser(t, path, "TRIED="+tried, "BINARY="+os.Args[0])
	readAddress(t, out)
	lines, err := os.ReadFile(tried)
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]bool{}
	for line := range strings.Lines(string(lines)) {
		ports[line] = true
	}
	if len(ports) != 3 {
		t.Errorf("three attempts used the arguments\n%swant three ports", lines)
	}
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	noJava := "PATH=" + t.TempDir()
	missing := "java: not installed: install Java and the Google Cloud SDK with the components" +
		" cloud-firestore-emulator and pubsub-emulator, or set FIRESTORE_EMULATOR_HOST\n"
	broken := fakeSDK(t, "echo no more memory; exit 1")
	for name, test := range map[string]struct {
		env     []string
		verdict string
		reason  string
	}{
		"missing":        {[]string{noJava, "CI="}, "skip: ", missing},
		"missing in CI":  {[]string{noJava, "CI=true"}, "fatal: ", missing},
		"does not start": {[]string{broken, "CI="}, "fatal: ", "it ended at once; it wrote:\nno more memory\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, _ := startUser(t, test.env...)
			got, err := io.ReadAll(out)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(got), test.verdict) || !strings.HasSuffix(string(got), test.reason) {
				t.Errorf("got %q, want %q and at the end %q", got, test.verdict, test.reason)
			}
		})
	}
}

func TestEnvironmentWins(t *testing.T) {
	t.Setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
	t.Setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:2")
	if got := emulator.Firestore(t); got != "127.0.0.1:1" {
		t.Errorf("Firestore is %s, want what FIRESTORE_EMULATOR_HOST says", got)
	}
	if got := emulator.PubSub(t); got != "127.0.0.1:2" {
		t.Errorf("PubSub is %s, want what PUBSUB_EMULATOR_HOST says", got)
	}
}
