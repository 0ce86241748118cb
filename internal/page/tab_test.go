package page_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tab is a page in a profile of its own.
type tab struct {
	*chromium
	t       *testing.T
	session string
	loaded  chan struct{}

	mu       sync.Mutex
	troubles []string // what the console would show in red
	requests []string // the URLs
}

// newTab opens a tab that is 1280 pixels wide, lies in a time zone that is never
// UTC, and holds its timers.
func (c *chromium) newTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{chromium: c, t: t, loaded: make(chan struct{}, 1)}
	var made struct{ BrowserContextID, TargetID, SessionID string }
	for _, step := range []struct {
		method string
		params func() map[string]any
	}{
		{"Target.createBrowserContext", func() map[string]any { return nil }},
		{"Target.createTarget", func() map[string]any {
			return map[string]any{"url": "about:blank", "browserContextId": made.BrowserContextID}
		}},
		{"Target.attachToTarget", func() map[string]any { return map[string]any{"targetId": made.TargetID, "flatten": true} }},
	} {
		if err := c.call("", step.method, step.params(), &made); err != nil {
			t.Fatal(err)
		}
	}
	b.session = made.SessionID
	c.mu.Lock()
	c.tabs[b.session] = b
	c.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.do(domain+".enable", nil, nil)
	}
	b.do("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": holdTimers}, nil)
	b.do("Emulation.setTimezoneOverride", map[string]any{"timezoneId": zone}, nil)
	b.show(1280, "light")
	return b
}

// holdTimers keeps what a page wants to do in many seconds, for the test to do
// it.
const holdTimers = `{
	const soon = setTimeout, forget = clearTimeout;
	window.timers = [];
	window.pending = () => timers.filter(Boolean);
	setTimeout = (f, ms, ...more) => ms >= 10000 ? timers.push({f, ms}) + 1e9 : soon(f, ms, ...more);
	clearTimeout = n => n > 1e9 ? delete timers[n - 1e9 - 1] : forget(n);
}`

const zone = "Europe/Zurich"

func (b *tab) do(method string, params map[string]any, result any) {
	b.t.Helper()
	if err := b.call(b.session, method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

// take remembers what an event tells.
func (b *tab) take(m message) {
	var p struct {
		Type    string
		Request struct{ URL string }
		Entry   struct{ Level, Text, URL string }
	}
	_ = json.Unmarshal(m.Params, &p)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case m.Method == "Page.loadEventFired":
		b.loaded <- struct{}{}
	case m.Method == "Network.requestWillBeSent":
		b.requests = append(b.requests, p.Request.URL)
	case m.Method == "Log.entryAdded" && p.Entry.Level != "verbose":
		b.troubles = append(b.troubles, p.Entry.Text)
	case m.Method == "Runtime.exceptionThrown", m.Method == "Runtime.consoleAPICalled":
		b.troubles = append(b.troubles, string(m.Params))
	}
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do("Page.navigate", map[string]any{"url": url}, nil)
	select {
	case <-b.loaded:
	case <-b.gone:
		b.t.Fatal("chromium has ended")
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
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	var v T
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%.80s: %s", expression, answer.ExceptionDetails)
	}
	if len(answer.Result.Value) > 0 {
		if err := json.Unmarshal(answer.Result.Value, &v); err != nil {
			b.t.Fatal(err)
		}
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
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		b.t.Error("the console shows:", trouble)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, origin+"/") && !strings.HasPrefix(url, "data:") {
			b.t.Error("a request to", url)
		}
	}
}
