package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
	"duo-telephony-collector/internal/store"
)

// write returns the page, after a look at what holds for every one.
func write(t *testing.T, state page.State) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := page.Write(w, state); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := w.Header().Get(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	checkPolicy(t, w.Header().Get("Content-Security-Policy"), w.Body.String())
	return w.Code, w.Body.String()
}

// checkPolicy expects nothing to be allowed but the page's own style and
// script, by their hashes, and its refresh.
func checkPolicy(t *testing.T, policy, body string) {
	t.Helper()
	want := regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[^' ]+'; script-src 'sha256-[^' ]+'; connect-src 'self'; img-src data:; ` +
		`base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`)
	if !want.MatchString(policy) {
		t.Errorf("policy %s, want %s", policy, want)
	}
	for _, element := range []string{"style", "script"} {
		_, text, found := strings.Cut(body, "<"+element+">")
		text, _, _ = strings.Cut(text, "</"+element+">")
		sum := sha256.Sum256([]byte(text))
		if allowed := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; found && !strings.Contains(policy, allowed) {
			t.Errorf("policy %s, want %s", policy, allowed)
		}
	}
	for _, wrong := range []string{" style=", " onclick=", " onload=", "javascript:", " src=\"", "http-equiv"} {
		if strings.Contains(body, wrong) {
			t.Errorf("the page holds %q, which the policy forbids", wrong)
		}
	}
}

func TestWrite(t *testing.T) {
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			status, body := write(t, tt.state())
			if want := "<title>" + tt.title; !strings.Contains(body, want) {
				t.Errorf("the page has no %s", want)
			}
			if unreadable := tt.state().Err != nil; unreadable != (status == http.StatusServiceUnavailable) {
				t.Errorf("status %d", status)
			}
		})
	}
}

// TestEscapes has markup in everything that comes from elsewhere.
func TestEscapes(t *testing.T) {
	const evil = `"'></title></code><script>alert(1)</script><img src=x onerror=alert(1)>`
	s := state(collect.Status{
		Stream: evil, Now: noon, Watermark: &noon, Lease: &collect.Holder{Holder: evil},
		Runs: []collect.Summary{{
			ID: evil, Outcome: evil, Reason: evil, Stream: evil, Objects: []string{"gs://b/" + evil}, StartedAt: noon, Watermark: &noon,
			Gap: &store.Gap{From: noon, To: noon, RunID: evil},
		}},
	})
	s.Version, s.Revision, s.Chosen = evil, evil, evil
	s.Logs = append(s.Logs, s.Logs[0])
	_, body := write(t, s)
	if strings.Count(body, "<script>") != 1 || strings.Contains(body, "<img") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Errorf("markup is not escaped:\n%s", body)
	}
	if strings.Count(body, "</title>") != strings.Count(body, "<title>") {
		t.Errorf("a title was ended early:\n%s", body)
	}
}

func TestTable(t *testing.T) {
	runs := complete(2)
	runs[0].Records, runs[1].Records = 1234, 84
	s := state(after(runs...))
	s.Logs[0].Runs[0].Watermark = nil
	_, body := write(t, s)
	for _, want := range []string{
		`11:55:00 UTC</time></th><td class="complete">complete</td><td class="n">1,234</td><td class="n">2 min 30 s</td>`,
		`12:00:00 UTC</time></th><td class="complete">complete</td><td class="n">84</td><td class="n">–</td>`,
		"Lag of the last 2 runs",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not hold %s", want)
		}
	}
}

// TestUnrecorded expects such a failure at its own stream alone.
func TestUnrecorded(t *testing.T) {
	_, body := write(t, cases["unrecorded"].state())
	if !strings.Contains(body, "no network; the history lacks this run, only this instance knows of it.") || strings.Contains(body, "Last backfill run") {
		t.Errorf("the page does not show the failure, or shows it as a backfill's:\n%s", body)
	}
}

// TestLinks expects a link to each stream, the chosen one marked, and a way
// back.
func TestLinks(t *testing.T) {
	_, body := write(t, cases["4-chosen"].state())
	for _, want := range []string{
		`href="?stream=authentication">authentication</a>`, `href="?stream=activity" aria-current="page">activity</a>`, `href="?">All 4 streams</a>`,
		"<h1 id=\"verdict\"><strong>Behind, but retrying:</strong>", "Lag of the last 37 runs",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not hold %s", want)
		}
	}
}

// TestRunbook expects a link wherever the page names a section and knows the address
// of the runbook, and no link where it does not.
func TestRunbook(t *testing.T) {
	for name, section := range map[string]string{
		"0-runs": "Trigger by hand", "person-must-act": "A person must act", "behind": "No complete run", "in-progress": "Lag",
		"gap": "Gap", "unreadable": "What Firestore refuses", "fleet": "A managed provider",
	} {
		s := fleet(2)
		s.Vanished = []string{"api-gone.duosecurity.com"}
		if tt, found := cases[name]; found {
			s = tt.state()
		}
		anchor := "#" + strings.ReplaceAll(strings.ToLower(section), " ", "-")
		if _, body := write(t, s); !strings.Contains(body, "<code>docs/operations.md"+anchor+"</code>") || strings.Contains(body, "noreferrer") {
			t.Errorf("%s: the page does not name %s, or has a link to it:\n%s", name, anchor, body)
		}
		s.Runbook = `https://git.example/"duo"/operations.md?plain=1&b`
		want := `<a href="https://git.example/&#34;duo&#34;/operations.md?plain=1&amp;b` + anchor + `" rel="noreferrer">` + section + "</a>"
		if _, body := write(t, s); !strings.Contains(body, want) || strings.Contains(body, "docs/operations.md") {
			t.Errorf("%s: the page does not hold %s:\n%s", name, want, body)
		}
	}
}

// TestUnknown opens the page at a stream that there is none of, as an alert does
// that concerns every account.
func TestUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"4-mixed": "No stream is called <code>every-account</code>.\n    Below are all streams, the worst first.",
		"50-runs": "No stream is called <code>every-account</code>.\n    Below is the <a href=\"?\">only one</a>.",
	} {
		s := cases[name].state()
		s.Chosen = "every-account"
		_, body := write(t, s)
		alone := len(s.Logs) == 1
		if !strings.Contains(body, want) || strings.Contains(body, "Lag of") != alone || strings.Contains(body, "<form") == alone || strings.Contains(body, `<a id="all" href="?">All 4 streams</a>`) == alone {
			t.Errorf("%s: the page does not say %q, or shows a stream of several:\n%s", name, want, body)
		}
	}
}

// TestFind lists the streams that have a part of a name in theirs, or in their
// account's, and leads back to all.
func TestFind(t *testing.T) {
	for asked, want := range map[string]struct {
		streams int
		says    string
	}{
		"API-007":  {10, `<p class="note">Streams with <code>API-007</code> in their name or their account’s, the worst first.`},
		"api-2999": {1, `<h2 id="streams">1 of <a id="all" href="?">3,000 streams</a></h2>` + "\n    " + `<p class="note">a person must act: 1</p>`},
		"dental>":  {100, `<h2 id="streams"><a id="all" href="?">All 3,000 streams</a></h2>`},
		"other":    {100, `<p class="alarm">No stream is called <code>other</code>.` + "\n    Below are all streams"},
		"":         {100, `<h2 id="streams">3,000 streams</h2>`},
	} {
		s := fleet(3000)
		s.Chosen = asked
		_, body := write(t, s)
		field := `<label for="find">Stream or account</label> <input type="search" id="find" name="stream" value="` + html.EscapeString(asked) + `"`
		if strings.Count(body, `id="stream-`) != want.streams || !strings.Contains(body, want.says) || !strings.Contains(body, field) {
			t.Errorf("%q: %d streams, want %d and %s:\n%s", asked, strings.Count(body, `id="stream-`), want.streams, want.says, body)
		}
	}
}

// fleet is so many streams in short, the last of which has failed.
func fleet(n int) page.State {
	s := state(collect.Status{})
	s.Logs = nil
	for i := range n {
		live := after(complete(1)...)
		live.Stream = fmt.Sprintf("telephony@api-%04d.duosecurity.com", i)
		live.Account = &collect.Account{Host: live.Stream[10:], Name: "Contoso <Dental>"}
		live.Brief = &collect.Brief{Started: []time.Time{noon, noon.Add(-5 * time.Minute), noon.Add(-10 * time.Minute)}}
		if i == n-1 {
			live.Runs[0].Outcome, live.Runs[0].Act, live.Runs[0].Reason = collect.Failed, true, "the permission is missing"
			live.Brief.Failing = noon.Add(-time.Hour)
		}
		s.Logs = append(s.Logs, collect.LogStatus{Status: live, Backfill: collect.Status{Stream: live.Stream + "-backfill", Now: noon, Brief: &collect.Brief{}}})
	}
	return s
}

// TestListPart lists the worst of very many streams. The others are counted, and
// accounts are named, also those that are no longer there.
func TestListPart(t *testing.T) {
	s := fleet(3000)
	for i := range 12 {
		s.Vanished = append(s.Vanished, "api-gone"+strconv.Itoa(i)+".duosecurity.com")
	}
	_, body := write(t, s)
	for _, want := range []string{
		"A person must act (telephony@api-2999.duosecurity.com):</strong> runs have failed since <time datetime=\"2026-11-22T11:00:00.000Z\">", "the permission is missing.",
		"3,000 streams</h2>", "a person must act: 1; up to date: 2,999", "These are the 100 that are worst.", "</a> Contoso &lt;Dental&gt;</p>",
		"No longer among the accounts, so no longer collected: 12 accounts,\n    <code>api-gone0.duosecurity.com, ", "api-gone9.duosecurity.com</code> and others.",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not hold %s:\n%s", want, body)
		}
	}
	if _, rest, _ := strings.Cut(body, "api-2999"); !strings.Contains(rest, "api-0098") || strings.Contains(rest, "api-0099") || strings.Contains(rest, "in the last") {
		t.Errorf("the page does not list the first by name after the worst, or tells what it does not know:\n%s", body)
	}
	if len(body) > 200_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
}
