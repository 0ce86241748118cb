package main

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// door accepts connections, closes them and counts them.
type door struct {
	addr   string
	opened atomic.Int32
}

func newDoor(t *testing.T) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &door{addr: l.Addr().String()}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			d.opened.Add(1)
			conn.Close()
		}
	}()
	return d
}

// Before the first trigger a service connects to nothing: starting an instance costs
// no request, and works whatever is unavailable.
func TestNoConnectionBeforeTrigger(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t, 1, time.Hour)
	doors, env := map[string]*door{}, maps.Clone(w.env)
	for _, name := range []string{"DUO_API_URL", "STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "OIDC_CERTS_URL"} {
		doors[name] = newDoor(t)
		env[name] = doors[name].addr
		if strings.HasSuffix(name, "_URL") {
			env[name] = "http://" + doors[name].addr
		}
	}
	p := listen(t, env)
	if p.do(http.MethodGet, "/health", "").status != http.StatusOK {
		t.Error("the service is not healthy")
	}
	p.stop() // so that whatever it began has ended
	for name, d := range doors {
		if n := d.opened.Load(); n != 0 {
			t.Errorf("the service connected to %s %d times", name, n)
		}
	}

	triggered := listen(t, env)
	triggered.token = w.token
	if status := triggered.push().status; status != http.StatusServiceUnavailable {
		t.Errorf("without certificates a push is answered with %d", status)
	}
	if doors["OIDC_CERTS_URL"].opened.Load() == 0 {
		t.Error("the doors count no connection, so they prove nothing")
	}
}
