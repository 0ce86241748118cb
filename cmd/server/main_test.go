package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// asServer makes this test binary the server, so that the processes that tests kill
// are built like the tests, with the race detector too.
const asServer = "TEST_RUNS_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		go func() { // the input ends with the tests, even after SIGKILL
			io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		main()
	}
	code := m.Run()
	for _, fault := range captured.faults() {
		fmt.Fprintln(os.Stderr, fault)
		code = 1
	}
	os.Exit(code)
}

// captured is everything that servers wrote or answered in these tests.
var captured capture

type capture struct {
	mu      sync.Mutex
	buffers []*buffer
	secrets []string
}

// buffer returns a new buffer for one of a server's outputs.
func (c *capture) buffer(name string) *buffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &buffer{name: name}
	c.buffers = append(c.buffers, b)
	return b
}

// secret registers a text that no server may show.
func (c *capture) secret(s string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, s)
	return s
}

var phoneNumber = regexp.MustCompile(`\+1[0-9]{10}`)

// faults names the outputs with something forbidden, without quoting it.
func (c *capture) faults() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var faults []string
	for _, b := range c.buffers {
		text := b.String()
		if phoneNumber.MatchString(text) {
			faults = append(faults, b.name+" holds a phone number")
		}
		if slices.ContainsFunc(c.secrets, func(s string) bool { return strings.Contains(text, s) }) {
			faults = append(faults, b.name+" holds a secret or a token")
		}
		if _, report, found := strings.Cut(text, "WARNING: DATA RACE"); found {
			faults = append(faults, b.name+" tells of a data race:"+report)
		}
	}
	return faults
}

// TestCapture checks that the check of everything can fail.
func TestCapture(t *testing.T) {
	for text, want := range map[string]int{
		"nothing":                    0,
		"id +120155501 is too short": 0,
		"phone +12015550100":         1,
		"key s3cret":                 1,
		"WARNING: DATA RACE\n":       1,
	} {
		var c capture
		c.secret("s3cret")
		io.WriteString(c.buffer("log"), text)
		if got := c.faults(); len(got) != want || strings.Contains(fmt.Sprint(got), "s3cret") {
			t.Errorf("%q: %d faults, want %d", text, len(got), want)
		}
	}
}

// buffer collects a process's output while a test reads it.
type buffer struct {
	name string
	mu   sync.Mutex
	b    strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
