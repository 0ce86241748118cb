package page_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"duo-telephony-collector/internal/page"
)

// TestBrowser looks at the page with a real browser. With PAGE_PICTURES=DIR it
// saves what it sees.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	script := axe(t)
	c := startChromium(t)
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.state())
			b := c.newTab(t)
			b.open(s.URL + "/")
			if title := eval[string](b, "document.title"); !strings.HasPrefix(title, tt.title) {
				t.Errorf("the title is %q, want %q", title, tt.title)
			}
			b.do("Runtime.evaluate", map[string]any{"expression": script}, nil)
			for _, width := range []int{1280, 390} {
				for _, scheme := range []string{"light", "dark"} {
					shown := fmt.Sprintf("%s-%d-%s", name, width, scheme)
					b.show(width, scheme)
					b.look(shown, width)
					b.accessible(shown)
				}
			}
			if s.state.Load().Err == nil { // a status above 399 is an error on the console
				b.clean(s.URL)
			}
		})
	}
	t.Run("refresh", func(t *testing.T) { testRefresh(t, c) })
	t.Run("typing", func(t *testing.T) { testTyping(t, c) })
	t.Run("without script", func(t *testing.T) { testWithoutScript(t, c) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(t, c) })
}

// server serves a page that a test can change.
type server struct {
	*httptest.Server
	state atomic.Pointer[page.State]
}

func serve(t *testing.T, state page.State) *server {
	s := &server{}
	s.state.Store(&state)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state := *s.state.Load()
		state.Chosen = cmp.Or(r.URL.Query().Get("stream"), state.Chosen)
		if err := page.Write(w, state); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// look checks what is shown now and, if asked to, saves it.
func (b *tab) look(name string, width int) {
	b.t.Helper()
	if got := eval[int](b, "document.documentElement.scrollWidth"); got > width {
		b.t.Errorf("%s: the page is %d pixels wide", name, got)
	}
	if dir := os.Getenv("PAGE_PICTURES"); dir != "" {
		b.picture(filepath.Join(dir, name+".png"), false)
		b.picture(filepath.Join(dir, name+"-whole.png"), true)
	}
}

// accessible checks what is shown now with axe-core.
func (b *tab) accessible(name string) {
	b.t.Helper()
	for _, violation := range eval[[]string](b, `axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v =>
		v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + n.failureSummary).join("; ")))`) {
		b.t.Errorf("%s: accessibility: %s", name, violation)
	}
}

// testRefresh expects a new run to appear without the page being loaded again,
// and everything that a person was about to do to be left alone.
func testRefresh(t *testing.T, c *chromium) {
	s := serve(t, state(after(complete(8)...)))
	run := func(n int) { s.state.Store(new(state(after(complete(n)...)))) }
	b := c.newTab(t)
	b.show(390, "light")
	b.open(s.URL + "/")
	const rows = `document.querySelectorAll("tbody tr").length`
	due := func() []int { return eval[[]int](b, "pending().map(t => t.ms)") }
	expect := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("timers", fmt.Sprint(due()), "[15000]")
	eval[int](b, `window.kept = 1; const s = document.getElementById("runs-scroll"); s.focus(); s.scrollLeft = 40; scrollTo(0, 300); 0`)
	run(9)
	expect("rows, after a refresh", eval[int](b, "pending()[0].f().then(() => "+rows+")"), 9)
	expect("kept", eval[string](b, `[kept, document.activeElement.id, document.activeElement.scrollLeft, scrollY].join()`), "1,runs-scroll,40,300")

	run(10)
	expect("rows, with a name selected", eval[int](b, `getSelection().selectAllChildren(document.querySelector("li code")), pending()[0].f().then(() => `+rows+")"), 9)
	eval[int](b, "getSelection().removeAllRanges(), 0")

	const toggle = `document.dispatchEvent(new Event("visibilitychange"))`
	eval[int](b, `Object.defineProperty(document, "hidden", {value: true, configurable: true}); `+toggle+"; 0")
	expect("timers while hidden", len(due()), 0)
	expect("rows, shown again", eval[int](b, `new Promise(done => {
		new MutationObserver(() => done(`+rows+`)).observe(document.body, {childList: true});
		delete document.hidden; `+toggle+"})"), 10)

	eval[int](b, `document.getElementById("pause").click(), 0`)
	expect("timers while paused", len(due()), 0)
	eval[int](b, `document.getElementById("pause").click(), 0`)
	b.clean(s.URL)
	expect("requests", len(b.requests), 4)

	late := cases["behind"].state()
	late.Runbook = "https://git.example/operations.md"
	s.state.Store(&late)
	expect("the link in focus, after a refresh", eval[string](b, `pending()[0].f().then(() => {
		document.querySelector("dd a").focus();
		return pending()[0].f();
	}).then(() => document.activeElement.href)`), "https://git.example/operations.md#no-complete-run")

	s.state.Store(new(cases["unreadable"].state()))
	expect("what is said of a failure", eval[string](b, `pending()[0].f().then(() => document.getElementById("stale").innerText)`),
		"Not refreshed: the answer was 503 Service Unavailable. This is what was known before.")
	expect("rows, after a failure", eval[int](b, rows), 37)
}

// testTyping expects the text that somebody types to outlast a refresh.
func testTyping(t *testing.T, c *chromium) {
	s := serve(t, cases["4-mixed"].state())
	b := c.newTab(t)
	b.open(s.URL + "/")
	b.tabTo("find")
	b.press("c", 67, "c")
	s.state.Store(new(cases["4-well"].state()))
	if got := eval[string](b, `pending()[0].f().then(() => [document.activeElement.id, document.activeElement.value, document.title].join())`); got != "find,c,Up to date" {
		t.Errorf("after a refresh there are %s", got)
	}
	b.clean(s.URL)
}

// testWithoutScript expects the same page, in UTC.
func testWithoutScript(t *testing.T, c *chromium) {
	s := serve(t, state(after(complete(1)...)))
	r := s.state.Load().Logs[0].Runs[0]
	b := c.newTab(t)
	b.open(s.URL + "/")
	local := r.StartedAt.In(mustZone(t)).Format("15:04:05") + " local)"
	if text := eval[string](b, "document.body.innerText"); !strings.Contains(text, local) || strings.Contains(text, "Reload the page") {
		t.Errorf("with script the page does not show %s:\n%s", local, text)
	}
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(s.URL + "/")
	text := eval[string](b, "document.body.innerText")
	for _, want := range []string{"Up to date: everything before", "Reload the page", r.Objects[0], r.StartedAt.Format("15:04:05") + " UTC", "complete", "1 object and 1 page"} {
		if !strings.Contains(text, want) {
			t.Errorf("without script the page does not show %q:\n%s", want, text)
		}
	}
	for _, wrong := range []string{"local)", "Pause\n", "Refreshes"} {
		if strings.Contains(text, wrong) {
			t.Errorf("without script the page shows %q", wrong)
		}
	}
	b.clean(s.URL)
}

// testKeyboard finds a stream and goes to it by keys alone, and has no script help.
func testKeyboard(t *testing.T, c *chromium) {
	s := serve(t, cases["4-mixed"].state())
	b := c.newTab(t)
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(s.URL + "/")
	b.tabTo("find")
	b.press("c", 67, "c")
	b.enter()
	if listed := eval[string](b, `[...document.querySelectorAll(".streams a")].map(a => a.innerText).join()`); listed != "authentication,activity" {
		t.Errorf("c is found in the names %s", listed)
	}
	b.tabTo("stream-activity")
	b.enter()
	if title := eval[string](b, "document.title"); title != "Behind, but retrying · activity" {
		t.Errorf("the link leads to %q", title)
	}
	b.clean(s.URL)
}

// tabTo presses the tab key until the element with the id has the focus.
func (b *tab) tabTo(id string) {
	b.t.Helper()
	const focused = "document.activeElement.id"
	for range 10 {
		if eval[string](b, focused) == id {
			return
		}
		b.press("Tab", 9, "")
	}
	b.t.Fatalf("ten tabs lead to %q, not to %q", eval[string](b, focused), id)
}

// enter presses the enter key, and waits for the page that it leads to.
func (b *tab) enter() {
	b.t.Helper()
	b.loaded = false
	b.press("Enter", 13, "\r")
	for !b.loaded {
		b.read()
	}
}

func mustZone(t *testing.T) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return location
}
