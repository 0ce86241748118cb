package handler

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"duo-telephony-collector/internal/store"
)

var (
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
	//go:embed page/page.html
	pageHTML string
)

// pages holds the status page and, as "unreadable", what takes its place when
// the store can't be read.
var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(pageStyle) },
	"script": func() template.JS { return template.JS(pageScript) },
}).Parse(pageHTML))

// pagePolicy lets the page do nothing but show itself and fetch itself anew.
// Style and script are in the page, allowed by their hashes: in production a
// browser has no Authorization header for a second request.
var pagePolicy = "default-src 'none'; style-src " + hashSource(pageStyle) + "; script-src " + hashSource(pageScript) +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page shows people what status tells programs.
func (s *server) page(w http.ResponseWriter, r *http.Request) error {
	streams, err := s.Collector.Status(r.Context())
	unrecorded := s.unrecordedOf(streams)
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
		return writePage(w, http.StatusServiceUnavailable, "unreadable", newUnreadable(s.build(), err, unrecorded))
	}
	return writePage(w, http.StatusOK, "page", newView(s.build(), withUnrecorded(streams, unrecorded), s.Collector.Delay))
}

func (s *server) build() build { return build{s.Version, s.Revision} }

// build is which program answers.
type build struct{ Version, Revision string }

// unreadable is what the page shows when the store can't be read.
type unreadable struct {
	build
	Reason  string
	LastRun prose // if it failed: what this instance knows of it
}

func newUnreadable(b build, err error, unrecorded *store.Run) unreadable {
	u := unreadable{build: b, Reason: err.Error()}
	if unrecorded != nil {
		u.LastRun = say(time.Now(), "The last run of this instance failed, ", unrecorded.StartedAt, ": ", sentence(unrecorded.Reason))
	}
	return u
}

func writePage(w http.ResponseWriter, status int, name string, data any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // that the client has gone is no news
	return nil
}
