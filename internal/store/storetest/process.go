package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"duo-telephony-collector/internal/store"
)

// Work executes commands of the suite in a separate process until in ends. Each
// command and each answer is a line:
//
//	acquire HOLDER   the token, or "held"
//	commit           "ok", or "lost"
//	churn            the pages after each commit and each run, without end
func Work(s *store.Store, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	fmt.Fprintln(out, "ready")
	var lease *store.Lease
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var answer any = "ok"
		var err error
		switch command, holder, _ := strings.Cut(lines.Text(), " "); command {
		case "acquire":
			if lease, _, err = s.Acquire(ctx, stream, claim(holder)); err == nil {
				answer = lease.Token
			}
		case "commit":
			err = s.Commit(ctx, lease, pages(1))
		default:
			err = churn(ctx, s, out)
		}
		switch {
		case errors.Is(err, store.ErrHeld):
			answer = "held"
		case errors.Is(err, store.ErrLost):
			answer = "lost"
		case err != nil:
			return err
		}
		fmt.Fprintln(out, answer)
	}
	return nil
}

// churn counts pages up in runs of two commits.
func churn(ctx context.Context, s *store.Store, out io.Writer) error {
	for n := 0; ; n++ {
		holder := fmt.Sprintf("%d of process %d", n, os.Getpid())
		lease, c, err := s.Acquire(ctx, stream, claim(holder))
		if err != nil {
			return err
		}
		c.Totals.Pages++
		if err := s.Commit(ctx, lease, c); err != nil {
			return err
		}
		fmt.Fprintln(out, c.Totals.Pages)
		c.Totals.Pages++
		if err := s.Finish(ctx, lease, c, run(holder)); err != nil {
			return err
		}
		fmt.Fprintln(out, c.Totals.Pages)
	}
}

// worker is a process that calls Work. It has said that it is ready.
type worker struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func startWorker(t *testing.T, b Backend) *worker {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), b.Env...)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	mustDo(t, err)
	out, err := cmd.StdoutPipe()
	mustDo(t, err)
	mustDo(t, cmd.Start())
	t.Cleanup(func() { // SIGKILL ends a stopped process too
		cmd.Process.Kill()
		cmd.Wait()
	})
	w := &worker{cmd, in, bufio.NewScanner(out)}
	wantSame(t, "first answer", "ready", w.answer(t))
	return w
}

func (w *worker) send(t *testing.T, command string) {
	t.Helper()
	_, err := fmt.Fprintln(w.in, command)
	mustDo(t, err)
}

func (w *worker) answer(t *testing.T) string {
	t.Helper()
	if !w.out.Scan() {
		t.Fatalf("the process ended without an answer: %v", w.out.Err())
	}
	return w.out.Text()
}

func testProcesses(t *testing.T, b Backend) {
	const rounds = 3
	var workers []*worker
	for range 8 {
		workers = append(workers, startWorker(t, b))
	}
	for round := range rounds {
		b.Delete(stream)
		for i, w := range workers {
			w.send(t, fmt.Sprintf("acquire %d of round %d", i, round))
		}
		answers := map[string]int{}
		for _, w := range workers {
			answers[w.answer(t)]++
		}
		wantSame(t, "answers to all at once", map[string]int{"1": 1, "held": len(workers) - 1}, answers)
	}
}

// startHolder starts a process that has the lease.
func startHolder(t *testing.T, b Backend) *worker {
	t.Helper()
	w := startWorker(t, b)
	w.send(t, "acquire holder")
	wantSame(t, "the holder's token", "1", w.answer(t))
	return w
}

func testKilledHolder(t *testing.T, b Backend) {
	w := startHolder(t, b)
	mustDo(t, w.cmd.Process.Kill())
	wantRefused(t, "acquiring after the holder was killed", b.Open(), claim("next"), store.ErrHeld)
	age(t, b, ttl)
	lease, _ := acquire(t, b.Open(), claim("next"))
	wantSame(t, "token after the holder's expiry", 2, lease.Token)
}

func testStoppedHolder(t *testing.T, b Backend) {
	w, s := startHolder(t, b), b.Open()
	w.send(t, "commit")
	wantSame(t, "the holder's commit", "ok", w.answer(t))
	mustDo(t, w.cmd.Process.Signal(syscall.SIGSTOP))
	wantRefused(t, "acquiring while the holder sleeps", s, claim("next"), store.ErrHeld)
	age(t, b, ttl)
	lease, _ := acquire(t, s, claim("next"))
	mustDo(t, s.Commit(t.Context(), lease, pages(2)))
	same := unchanged(t, b)
	mustDo(t, w.cmd.Process.Signal(syscall.SIGCONT))
	w.send(t, "commit")
	wantSame(t, "the commit of a holder that slept too long", "lost", w.answer(t))
	same("a holder that slept too long")
	mustDo(t, s.Finish(t.Context(), lease, pages(4), run("next")))
}

// testKilledAtAnyMoment kills a process in the middle of its work, again and
// again. Nothing that it reported is undone, and the lease can be taken as soon as
// the lock of its transaction is gone.
func testKilledAtAnyMoment(t *testing.T, b Backend) {
	s := b.Open()
	for range 4 {
		w := startWorker(t, b)
		w.send(t, "churn")
		var last int64
		for range 1 + rand.IntN(20) {
			n, err := strconv.ParseInt(w.answer(t), 10, 64)
			mustDo(t, err)
			last = n
		}
		mustDo(t, w.cmd.Process.Kill())
		w.cmd.Wait()
		killed := time.Now()
		lease, cursor, err := s.Acquire(t.Context(), stream, force("after"))
		for err != nil && time.Since(killed) < b.Lock {
			lease, cursor, err = s.Acquire(t.Context(), stream, force("after"))
		}
		if err != nil {
			t.Fatalf("acquiring after a process was killed: %v", err)
		}
		if cursor.Totals.Pages < last {
			t.Errorf("the cursor has %d pages, and the process reported %d", cursor.Totals.Pages, last)
		}
		mustDo(t, s.Release(t.Context(), lease, run("after")))
	}
}
