package page_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// chromium is a headless browser. It reads and writes a pipe in the DevTools
// protocol: JSON messages with a zero byte after each. See
// https://chromedevtools.github.io/devtools-protocol
type chromium struct {
	toward *os.File
	back   *os.File
	reader *bufio.Reader
	lastID int
}

// message is a call, its reply or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// startChromium starts a browser that lives as long as the test. Where there is
// none the test is skipped, or fails if CI is true.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed: apt-get install chromium")
	}
	dir, err := os.MkdirTemp("", "page-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
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
	c := &chromium{toward: toward, back: back, reader: bufio.NewReader(back)}
	t.Cleanup(func() {
		_, _ = toward.WriteString(`{"id":-1,"method":"Browser.close"}` + "\x00")
		_, _ = io.Copy(io.Discard, back) // until it has ended
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

// tab is a page in a profile of its own.
type tab struct {
	*chromium
	t        *testing.T
	session  string
	loaded   bool
	troubles []string // what the console would show in red
	requests []string // the URLs
}

// newTab opens a tab that is 1280 pixels wide, lies in a time zone that is never
// UTC, and holds its timers.
func (c *chromium) newTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{chromium: c, t: t}
	var made struct{ BrowserContextID, TargetID, SessionID string }
	b.do("Target.createBrowserContext", nil, &made)
	b.do("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": made.BrowserContextID}, &made)
	b.do("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &made)
	b.session = made.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.do(domain+".enable", nil, nil)
	}
	b.do("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": holdTimers}, nil)
	b.do("Emulation.setTimezoneOverride", map[string]any{"timezoneId": zone}, nil)
	b.show(1280, "light")
	return b
}

const zone = "Europe/Zurich"

// holdTimers keeps what a page wants to do in many seconds, for the test to do
// it.
const holdTimers = `{
	const soon = setTimeout, forget = clearTimeout;
	window.timers = [];
	window.pending = () => timers.filter(Boolean);
	setTimeout = (f, ms, ...more) => ms >= 10000 ? timers.push({f, ms}) + 1e9 : soon(f, ms, ...more);
	clearTimeout = n => n > 1e9 ? delete timers[n - 1e9 - 1] : forget(n);
}`

// do calls a method and waits for its result.
func (b *tab) do(method string, params map[string]any, result any) {
	b.t.Helper()
	b.lastID++
	text, err := json.Marshal(message{ID: b.lastID, Session: b.session, Method: method, Params: params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.toward.Write(append(text, 0)); err != nil {
		b.t.Fatal("chromium:", err)
	}
	m := b.read()
	for m.ID != b.lastID {
		m = b.read()
	}
	if m.Error != nil {
		b.t.Fatalf("%s: %s", method, m.Error)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// read returns the browser's next message, and keeps what an event of this tab
// says.
func (b *tab) read() message {
	b.t.Helper()
	_ = b.back.SetReadDeadline(time.Now().Add(time.Minute)) // for a busy machine
	text, err := b.reader.ReadBytes(0)
	if err != nil {
		b.t.Fatal("chromium:", err)
	}
	var event struct {
		Request struct{ URL string }
		Entry   struct{ Level, Text string }
	}
	m := message{Params: &event}
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatalf("chromium: %v in %s", err, text)
	}
	switch {
	case m.Session != b.session:
	case m.Method == "Page.loadEventFired":
		b.loaded = true
	case m.Method == "Network.requestWillBeSent":
		b.requests = append(b.requests, event.Request.URL)
	case m.Method == "Log.entryAdded" && event.Entry.Level != "verbose":
		b.troubles = append(b.troubles, event.Entry.Text)
	case m.Method == "Runtime.exceptionThrown", m.Method == "Runtime.consoleAPICalled":
		b.troubles = append(b.troubles, string(text))
	}
	return m
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	b.loaded = false
	b.do("Page.navigate", map[string]any{"url": url}, nil)
	for !b.loaded {
		b.read()
	}
}

// press presses a key, which may write a text.
func (b *tab) press(key string, number int, text string) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "windowsVirtualKeyCode": number, "text": text}, nil)
	}
}

// show sets how wide the tab is and what its user prefers.
func (b *tab) show(width int, scheme string) {
	b.t.Helper()
	height := 900
	if width < 500 {
		height = 844
	}
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{
		map[string]any{"name": "prefers-color-scheme", "value": scheme},
	}}, nil)
}

// eval returns what an expression is in the page, or what its promise becomes.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var v T
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	answer.Result.Value = &v
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%.80s: %s", expression, answer.ExceptionDetails)
	}
	return v
}

// picture saves what is seen of the page, or the whole of it.
func (b *tab) picture(file string, whole bool) {
	b.t.Helper()
	var shot struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": whole}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// axe is what checks a page's accessibility, see https://github.com/dequelabs/axe-core
func axe(t *testing.T) string {
	t.Helper()
	const folder = "testdata/browser"
	script, err := os.ReadFile(filepath.Join(folder, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		missing(t, "axe-core is not installed: npm ci --prefix internal/page/"+folder)
	}
	return string(script)
}

// clean expects no trouble and no request to elsewhere.
func (b *tab) clean(origin string) {
	b.t.Helper()
	for _, trouble := range b.troubles {
		b.t.Error("the console shows:", trouble)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, origin+"/") && !strings.HasPrefix(url, "data:") {
			b.t.Error("a request to", url)
		}
	}
}
