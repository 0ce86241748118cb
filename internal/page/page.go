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
	"duo-telephony-collector/internal/store"
)

// State is what the page shows.
type State struct {
	Version    string
	Revision   string           // Cloud Run's name for what it has deployed; empty elsewhere
	Delay      time.Duration    // how far behind now a window ends
	Streams    []collect.Status // the live stream and its backfill
	Unrecorded *store.Run       // a failure that the history lacks
	Err        error            // why Streams could not be read
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
	"number": number[int],
	"took":   took,
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
	var body bytes.Buffer
	status, err := http.StatusOK, error(nil)
	if s.Err != nil {
		status = http.StatusServiceUnavailable
		err = pages.ExecuteTemplate(&body, "unreadable", newUnreadable(s))
	} else {
		err = pages.ExecuteTemplate(&body, "page", newView(s))
	}
	if err != nil {
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

// view is what the template shows, with everything decided.
type view struct {
	State
	Name    string // the live stream's
	Asked   text   // when the store was
	Verdict verdict
	Figures []fact
	Lag     chart
	Records chart
	Panels  []panel
	Objects []object
	Unnamed int // objects of the last runs that are not in Objects
	Runs    []row
	Span    string // what the charts show: " of the last 50 runs"
}

func newView(s State) view {
	live, backfill := newStream(s.Streams[0], s), newStream(s.Streams[1], s)
	v := view{
		State: s, Name: live.Stream, Asked: live.say(live.Now), Verdict: live.verdict(), Figures: live.figures(),
		Lag: live.lagChart(), Records: live.recordsChart(), Span: live.lastRuns(" of "), Runs: live.rows(),
		Panels: []panel{live.leasePanel(), live.cursorPanel(), live.pacePanel(), live.gapPanel()},
	}
	if len(backfill.Runs) > 0 || backfill.Lease != nil {
		v.Panels = append(v.Panels, backfill.backfillPanel())
	}
	for _, stream := range []stream{live, backfill} {
		named, unnamed := stream.objects()
		v.Objects, v.Unnamed = append(v.Objects, named...), v.Unnamed+unnamed
	}
	return v
}

// unreadable is shown when the store can't be read.
type unreadable struct {
	State
	LastRun text // if it failed: what this instance knows of it
}

func newUnreadable(s State) unreadable {
	u := unreadable{State: s}
	if run := s.Unrecorded; run != nil {
		u.LastRun = say(time.Now(), "The last run of this instance failed, ", run.StartedAt, ": ", sentence(run.Reason))
	}
	return u
}
