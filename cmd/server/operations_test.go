package main

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
)

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Errors name headings of docs/operations.md, and the text links to others; all must
// exist. The headings that alerts link to are checked beside the alerts.
func TestOperationsHeadings(t *testing.T) {
	text := operations(t)
	if strings.Count(text, "\n## Reset the cursor\n") != 1 {
		t.Error("docs/operations.md does not tell how to reset the cursor, which an error names")
	}
	anchor := strings.NewReplacer(" ", "-", "?", "", "'", "").Replace
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(text, -1) {
		anchors[anchor(strings.ToLower(m[1]))] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		if !anchors[m[1]] {
			t.Errorf("docs/operations.md links to #%s, which is no heading", m[1])
		}
	}
}

// The documented commands that change the cursor lose nothing and write nothing
// twice.
func TestOperationsCursor(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	p := c.start(nil)
	first := p.push()
	wantRun(t, first, http.StatusOK, collect.Complete)

	const documented = "2026-11-20T00:00:00Z"
	patch := regexp.MustCompile(`"\$DOC(\?[^"]+)" \\\n +-d '(.+)'`).FindStringSubmatch(operations(t))
	if patch == nil || strings.Count(patch[2], documented) != 1 {
		t.Fatal("docs/operations.md does not tell how to move the watermark")
	}
	back := first.Watermark.Add(-30 * time.Minute)
	c.edit(http.MethodPatch, patch[1], strings.Replace(patch[2], documented, back.Format(time.RFC3339Nano), 1))
	if at := p.status().Watermark; !at.Equal(back) {
		t.Fatalf("the watermark is %s, want %s", at, back)
	}
	moved := p.push()
	wantRun(t, moved, http.StatusOK, collect.Complete)
	c.wantLedger(moved.sent, moved.Watermark)
	if moved.Duplicates < 20 {
		t.Errorf("of half an hour only %d records were recognised", moved.Duplicates)
	}

	c.edit(http.MethodDelete, "", "")
	last := p.push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	c.wantLedger(last.sent, last.Watermark)
}

// edit changes the stream's document like the documented curl.
func (c *cloud) edit(method, query, body string) {
	c.t.Helper()
	path := regexp.MustCompile(`DOC="https://firestore.googleapis.com([^"]+)"`).FindStringSubmatch(operations(c.t))
	if path == nil {
		c.t.Fatal("docs/operations.md does not tell where the document is")
	}
	where := strings.NewReplacer("$PROJECT", c.env["FIRESTORE_PROJECT"], "databases/duo-telephony", "databases/(default)").Replace(path[1])
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.env["FIRESTORE_EMULATOR_HOST"]+where+query, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer owner")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s", method, where, resp.Status)
	}
}
