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
	Revision   string        // Cloud Run's name for what it has deployed; empty elsewhere
	Delay      time.Duration // how far behind now a window ends
	Log        collect.LogStatus
	Unrecorded *collect.Summary // a failure that the history lacks
	Err        error            // why Log could not be read
}

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	//go:embed page.html
	html string
)

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(style) },
	"script": func() template.JS { return template.JS(script) },
	"number": number[int], "took": took, "seconds": seconds, "when": when, "stamp": stamp,
	"pieces": pieces,
}).Parse(html))

// policy lets the page show itself and fetch itself anew, nothing else. Style
// and script are inline and allowed by their hashes: in production a browser
// has no Authorization header for a second request.
var policy = "default-src 'none'; style-src " + hashSource(style) + "; script-src " + hashSource(script) +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write answers with the page, or with 503 and the reason if s.Err is set. An
// error means that nothing is written yet.
func Write(w http.ResponseWriter, s State) error {
	name, status := "page", http.StatusOK
	if s.Err != nil {
		name, status = "unreadable", http.StatusServiceUnavailable
	}
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, newView(s)); err != nil {
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
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // an error means that the client is gone
	return nil
}

// view is what the templates show. If the store can't be read, there is nothing
// but LastRun.
type view struct {
	State
	LastRun text // if it failed: what this instance knows of it
	Live    stream
	Verdict verdict
	Figures []fact
	Lag     chart
	Records chart
	Panels  []panel
	Objects []object
	Unnamed int // objects of the last runs that are not in Objects
}

func newView(s State) view {
	v := view{State: s}
	if s.Err != nil {
		if run := s.Unrecorded; run != nil {
			v.LastRun = say(time.Now(), "The last run of this instance failed, ", run.StartedAt, ": ", sentence(run.Reason))
		}
		return v
	}
	live, backfill := newStream(s.Log.Status, s), newStream(s.Log.Backfill, s)
	v.Live, v.Verdict, v.Figures, v.Lag, v.Records = live, live.verdict(), live.figures(), live.lagChart(), live.recordsChart()
	v.Panels = []panel{live.leasePanel(), live.cursorPanel(), live.pacePanel(), live.gapPanel()}
	if len(backfill.Runs) > 0 || backfill.Lease != nil {
		v.Panels = append(v.Panels, backfill.backfillPanel())
	}
	for _, stream := range []stream{live, backfill} {
		named, unnamed := stream.objects()
		v.Objects, v.Unnamed = append(v.Objects, named...), v.Unnamed+unnamed
	}
	return v
}
