package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// startLimit bounds an attempt to start an emulator. A cold start takes four seconds
// on an idle machine. If its port is taken, Pub/Sub's emulator neither answers nor
// ends, so only the limit brings the next attempt.
const startLimit = 30 * time.Second

// guard runs its arguments, the emulator, in the background. It kills its whole
// process group as soon as its standard input ends or the emulator does. The test
// binary holds the other end of that input, which the kernel closes even after a
// SIGKILL or a panic. A signal to the SDK's script alone would leave its Java
// process running.
const guard = `
{ "$@"; kill -KILL 0; } &
cat
kill -KILL 0
`

// start tries again, because another test binary can take the port before Java does.
func start(script string, args ...string) (addr string, err error) {
	path, err := locate(script)
	if err != nil {
		return "", err
	}
	for range 3 {
		if addr, err = launch(path, args); err == nil {
			break
		}
	}
	return addr, err
}

func launch(path string, args []string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("sh", slices.Concat(
		[]string{"-c", guard, "sh", path}, args,
		[]string{"--host=127.0.0.1", "--port=" + port})...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("starting %s: %w", path, err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting %s: %w", path, err)
	}
	exited := make(chan struct{})
	// Waiting also keeps the lifeline alive: garbage collected, it ends the emulator.
	go func() {
		defer close(exited)
		cmd.Wait()
	}()
	addr := net.JoinHostPort("127.0.0.1", port)
	if err := ready(addr, exited); err != nil {
		lifeline.Close()
		<-exited // until then the output is incomplete
		return "", fmt.Errorf("starting %s: %w; it wrote:\n%s", path, err, output.Bytes())
	}
	return addr, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// ready has its own context: the emulator outlives the test that needs it first.
func ready(addr string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	// Both emulators answer the root with 200.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err
	}
	for {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v", startLimit)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
