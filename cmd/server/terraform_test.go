package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// comparisons are what a filter for Cloud Logging asks of a field of ours, as
// it stands in Terraform (where quotes are escaped) or in a document.
var comparisons = regexp.MustCompile(`(?:jsonPayload\.(\w+)|\b(severity))(?:(:\*|=~|>=|=|>)(?:\\?"([^"\\]+)\\?"|(\w+))?)?`)

// TestFiltersNameFields expects every field that an alert, a metric or a query
// names in a line that the service really writes; of Terraform's filters, which
// nobody reads before they matter, the value asked for too.
func TestFiltersNameFields(t *testing.T) {
	lines := linesOfEveryKind(t)
	var logs []string
	for _, log := range duo.Logs {
		logs = append(logs, log.Name)
	}
	streams := strings.NewReplacer("${local.streams}", strings.Join(logs, "|")) // as logs = ["all"] makes it
	for _, file := range append(glob(t, "../../deploy/terraform/*.tf"), glob(t, "../../docs/*.md")...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range comparisons.FindAllStringSubmatch(streams.Replace(string(text)), -1) {
			field, operator, value := m[1]+m[2], m[3], m[4]+m[5]
			if field == "severity" && operator == "" {
				continue // a word, or an alert's own
			}
			if strings.HasSuffix(file, ".md") {
				operator = ":*"
			}
			if !anyMatches(lines, field, operator, value) {
				t.Errorf("%s: no line has what %s asks for", filepath.Base(file), m[0])
			}
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no file, %v", pattern, err)
	}
	return files
}

// anyMatches reports whether a line has the field, as a number where one is
// compared, and the value where there is one to reach.
func anyMatches(lines []map[string]any, field, operator, value string) bool {
	for _, line := range lines {
		got, ok := line[field]
		_, number := got.(float64)
		switch {
		case !ok:
		case operator == "=~":
			if regexp.MustCompile(value).MatchString(fmt.Sprint(got)) {
				return true
			}
		case operator == "=", operator == ">=":
			if fmt.Sprint(got) == value {
				return true
			}
		case operator == ">" && !number:
		default:
			return true
		}
	}
	return false
}

// linesOfEveryKind makes a service log what alerts and metrics look for: a run
// after a gap, a caller who is unknown and one who is not on the list, an account
// that is gone.
func linesOfEveryKind(t *testing.T) []map[string]any {
	t.Helper()
	var b bytes.Buffer
	log := newLog(&b, slog.LevelInfo)
	w := newWorld(t, 0, time.Hour)
	auth, err := handler.NewAuth(handler.AuthConfig{
		Mode: handler.ModeVerify, Audiences: []string{handlertest.Audience}, Callers: []string{handlertest.Email}, CertsURL: w.env["OIDC_CERTS_URL"],
	})
	if err != nil {
		t.Fatal(err)
	}
	c := collectorAfterGap(t, w, log)
	url := w.serve(handler.New(handler.Config{Streams: alone(c), Auth: auth, Log: log}))
	stranger := issuer().Token(t, map[string]any{"email": "stranger@example.com"})
	for token, want := range map[string]int{issuer().Token(t, nil): http.StatusOK, stranger: http.StatusForbidden, "": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(tick))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Fatalf("status %d, want %d", resp.StatusCode, want)
		}
	}
	gone := &children{log: log, names: map[string]string{contoso.Host: contoso.Name}}
	gone.replace(t.Context(), nil)
	var lines []map[string]any
	for dec := json.NewDecoder(&b); dec.More(); {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// collectorAfterGap collects from an empty Duo, after 200 days in which nothing
// ran.
func collectorAfterGap(t *testing.T, w *world, log *slog.Logger) *collect.Collector {
	t.Helper()
	dir := t.TempDir()
	state := store.NewBolt(filepath.Join(dir, "state.db"), time.Now)
	old := store.Cursor{Watermark: time.Now().Add(-200 * day).Truncate(time.Millisecond)}
	lease, _, err := state.Acquire(t.Context(), stream, store.Claim{Holder: "old", TTL: time.Minute,
		Next: func(context.Context, store.State) (store.Cursor, error) { return old, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Finish(t.Context(), lease, old, store.Run{ID: "old"}); err != nil {
		t.Fatal(err)
	}
	return &collect.Collector{
		Duo: duo.New(duo.Config{
			IKey: w.duo.IKey, Secret: func() (string, error) { return w.duo.SKey, nil }, Host: w.duo.Host, URL: w.env["DUO_API_URL"], Log: log,
		}),
		Store: state, Bucket: writer.NewDir(dir, "duo"), Logger: log,
		Config: collect.Config{Log: &duo.Logs[0], Host: w.duo.Host, Budget: time.Minute, Lookback: day, Delay: 150 * time.Second, MaxWindow: 180 * day},
	}
}
