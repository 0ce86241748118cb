// Package page renders the status page: where the streams stand, for people.
// GET /status has the same for programs.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"duo-telephony-collector/internal/collect"
)

// State is what the page shows.
type State struct {
	Version    string
	Revision   string // Cloud Run's name for what it has deployed; empty elsewhere
	Runbook    Runbook
	Delay      time.Duration // how far behind now a window ends
	Logs       []collect.LogStatus
	Vanished   []string          // hosts of accounts that were collected and are no longer listed
	Chosen     string            // the stream to show in full, or a part of the names to list; needed only where there are several
	Unrecorded []collect.Summary // failures that the history lacks, one a stream at most
	Err        error             // why Logs could not be read
	Unlisted   bool              // it is because the accounts could not be listed
}

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	//go:embed page.html
	markup string
)

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(style) },
	"script": func() template.JS { return template.JS(script) },
	"say":    say, "number": number[int], "counted": counted[int], "named": func() int { return maxNamed },
	"lag":          func(s stream) string { return duration(s.lag()) },
	"milliseconds": func(n int64) string { return duration(time.Duration(n) * time.Millisecond) },
	"seconds":      func(n int64) string { return duration(time.Duration(n) * time.Second) },
}).Parse(markup))

// policy lets the page show itself, fetch itself anew and ask for a stream, nothing else. Style
// and script are inline and allowed by their hashes: in production a browser
// has no Authorization header for a second request.
var policy = "default-src 'none'; style-src " + hashSource(style) + "; script-src " + hashSource(script) +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write answers with the page, or with 503 and the reason if s.Err is set. An
// error means that nothing is written yet.
func Write(w http.ResponseWriter, s State) error {
	var body bytes.Buffer
	if err := pages.Execute(&body, newView(s)); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.Err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = body.WriteTo(w) // an error means that the client is gone
	return nil
}

// view is what the template shows.
type view struct {
	State
	Now     time.Time
	Verdict verdict
	List    list    // all streams
	Found   list    // those of them to list if none is called Unknown; empty if it is no part of a name either
	Shown   *stream // in full; nil if none is chosen, or the state can't be read
	Unknown string  // what was chosen, if there is no such stream
}

func newView(s State) view {
	if s.Err != nil {
		return view{State: s, Now: time.Now(), Verdict: unreadable(s)}
	}
	v := view{State: s, List: newList(s.streams()), Unknown: s.Chosen}
	v.Now, v.Verdict = v.List[0].Now, v.List.verdict()
	if len(v.List) == 1 {
		v.Shown = v.List[0]
	}
	for _, of := range v.List {
		if of.Has(s.Chosen) {
			v.Shown, v.Unknown = of, ""
		}
	}
	v.Found = v.List.with(v.Unknown)
	if v.Shown != nil {
		v.Verdict = v.Shown.Verdict
	}
	return v
}
