package handler_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// chromium is a headless browser that is told what to do through a pipe, in the
// DevTools protocol: JSON messages with a zero byte after each. See
// https://chromedevtools.github.io/devtools-protocol
type chromium struct {
	toward *os.File
	gone   chan struct{} // closed when it has ended

	mu      sync.Mutex
	lastID  int
	replies map[int]chan message
	tabs    map[string]*tab // by session
}

// patience is how long a browser on a busy machine may take for one thing.
const patience = time.Minute

// message is a call, its reply or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// startChromium starts a browser that lives as long as the test. Where there is
// none the test is skipped, or fails if CI is true.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it starts a browser")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed: apt-get install chromium")
	}
	dir := tempDir(t)
	fromHere, toward, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	back, fromThere, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
		"--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--remote-debugging-pipe", "--user-data-dir="+dir, "about:blank")
	cmd.ExtraFiles = []*os.File{fromHere, fromThere} // it reads from 3 and writes to 4
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fromHere.Close()
	fromThere.Close()
	c := &chromium{toward: toward, gone: make(chan struct{}), replies: map[int]chan message{}, tabs: map[string]*tab{}}
	go c.read(back)
	t.Cleanup(func() {
		_ = c.send(message{ID: -1, Method: "Browser.close"})
		<-c.gone
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("chromium: %v\n%s", err, &stderr)
		}
		toward.Close()
		back.Close()
	})
	return c
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "true" {
		t.Skip(what)
	}
	t.Fatal(what)
}

// read hands out what the browser says until it has ended.
func (c *chromium) read(back *os.File) {
	defer close(c.gone)
	for r := bufio.NewReader(back); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			return
		}
		c.mu.Lock()
		reply, tab := c.replies[m.ID], c.tabs[m.Session]
		delete(c.replies, m.ID)
		c.mu.Unlock()
		switch {
		case reply != nil:
			reply <- m
		case m.Method != "" && tab != nil:
			tab.take(m)
		}
	}
}

func (c *chromium) send(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = c.toward.Write(append(text, 0))
	return err
}

// call asks for something and waits for the result.
func (c *chromium) call(session, method string, params map[string]any, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	reply := make(chan message, 1)
	c.mu.Lock()
	c.lastID++
	m := message{ID: c.lastID, Session: session, Method: method, Params: raw}
	c.replies[m.ID] = reply
	err = c.send(m)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m = <-reply:
	case <-c.gone:
		return errors.New("chromium has ended")
	case <-time.After(patience):
		return fmt.Errorf("%s: no reply within %v", method, patience)
	}
	if m.Error != nil {
		return fmt.Errorf("%s: %s", method, m.Error.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(m.Result, result)
}
