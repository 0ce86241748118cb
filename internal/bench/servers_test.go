package bench_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// servers are Duo and Cloud Storage, served by a separate process.
type servers struct {
	Duo     *account
	Storage time.Duration // before every answer of Cloud Storage
}

// addresses are where they listen, host:port.
type addresses struct{ Duo, Storage string }

// start runs the servers until the benchmark ends.
func (s servers) start(b testing.TB) addresses {
	b.Helper()
	role, err := json.Marshal(s)
	if err != nil {
		b.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVar+"="+string(role))
	cmd.Stderr = os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { lifeline.Close(); cmd.Wait() })
	var at addresses
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		b.Fatal(err)
	}
	return at
}

// serve runs the servers until standard input ends.
func serve(role string) {
	s := servers{Duo: &account{}}
	if err := json.Unmarshal([]byte(role), &s); err != nil {
		quit(err)
	}
	gcs, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		quit(err)
	}
	storage := gcs.HTTPHandler()
	at := addresses{
		Duo:     listen(s.Duo),
		Storage: listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(s.Storage); storage.ServeHTTP(w, r) })),
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		quit(err)
	}
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func listen(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		quit(err)
	}
	go func() { quit(http.Serve(l, h)) }()
	return l.Addr().String()
}

// slowed is the way to a server on which what is sent arrives that much later, as on
// a long wire: many requests may be on it at once.
func slowed(b testing.TB, server string, wait time.Duration) (addr string) {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the benchmark has ended
			}
			go joinLate(client, server, wait)
		}
	}()
	return l.Addr().String()
}

func joinLate(client net.Conn, server string, wait time.Duration) {
	defer client.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	type chunk struct {
		due  time.Time
		data []byte
	}
	wire := make(chan chunk, 4096)
	go func() {
		defer close(wire)
		for {
			data := make([]byte, 16<<10)
			n, err := client.Read(data)
			if err != nil {
				return
			}
			wire <- chunk{time.Now().Add(wait), data[:n]}
		}
	}()
	go io.Copy(client, to)
	for c := range wire {
		time.Sleep(time.Until(c.due))
		to.Write(c.data)
	}
}

func quit(err error) {
	fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
	os.Exit(1)
}
