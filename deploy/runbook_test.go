package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runbook is where each alert sends people in docs/operations.md.
var runbook = map[string]string{
	"act":             "a-person-must-act",
	"dead_letters":    "dead-letters",
	"gap":             "gap",
	"lag":             "lag",
	"no_complete_run": "no-complete-run",
	"refused":         "refused-callers",
	"service":         "the-service-itself",
	"vanished":        "account-no-longer-listed",
}

func TestAlertsNameRunbook(t *testing.T) {
	policies := regexp.MustCompile(`(?s)resource "google_monitoring_alert_policy" "(\w+)" \{(.*?)\n\}`)
	anchors := regexp.MustCompile(`Next: [^"]+ \$\{var\.runbook_url\}#([a-z-]+)"`)
	got := map[string]string{}
	for _, m := range policies.FindAllStringSubmatch(module(t), -1) {
		got[m[1]] = ""
		if anchor := anchors.FindStringSubmatch(m[2]); anchor != nil {
			got[m[1]] = anchor[1]
		}
	}
	if diff := cmp.Diff(runbook, got); diff != "" {
		t.Errorf("alerts and where they send people (-want +got):\n%s", diff)
	}
}

// TestRunbookHeadings expects those places to be there.
func TestRunbookHeadings(t *testing.T) {
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(readFile(t, "../docs/operations.md"), -1) {
		headings[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	for alert, anchor := range runbook {
		if !headings[anchor] {
			t.Errorf("the alert %s sends people to docs/operations.md#%s, which has no such heading", alert, anchor)
		}
	}
}
