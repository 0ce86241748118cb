package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/check"
)

const person, pushCaller = "ada@example.com", "duo-telephony-push@project.iam.gserviceaccount.com"

// auth returns the findings of that name.
func auth(t *testing.T, a check.Auth, name string) []check.Finding {
	t.Helper()
	return slices.DeleteFunc(a.Check(t.Context()), func(f check.Finding) bool { return f.Name != name })
}

func TestAudience(t *testing.T) {
	for audience, want := range map[string]string{
		"https://collector-123.europe-west1.run.app": check.OK,
		"duo-telephony-collector":                    check.OK,
		"32555940559.apps.googleusercontent.com":     check.Fail,
		"http://collector.example":                   check.Warn,
		"https://":                                   check.Warn,
	} {
		found := auth(t, check.Auth{Audiences: []string{"https://collector.example", audience}}, "audience")
		if len(found) != 2 || found[0].Status != check.OK || found[1].Status != want || !strings.Contains(found[1].Detail, audience) {
			t.Errorf("%s: %+v, want %s", audience, found, want)
		}
	}
}

func TestCallers(t *testing.T) {
	for callers, want := range map[string]string{
		pushCaller:                      "ok",
		person + " " + pushCaller:       "ok",
		person:                          "warn none of them is a service account",
		pushCaller + " a@":              `fail "a@" is no e-mail address`,
		pushCaller + " A@example.com":   `fail "A@example.com" is no e-mail address in lower case`,
		pushCaller + " <a@example.com>": `fail "<a@example.com>" is no e-mail address`,
	} {
		found := auth(t, check.Auth{Callers: strings.Fields(callers)}, "callers")
		if len(found) != 1 || !strings.HasPrefix(found[0].Status+" "+found[0].Detail, want) {
			t.Errorf("%s: %+v, want %s", callers, found, want)
		}
	}
}

func TestMode(t *testing.T) {
	for iam, want := range map[bool]string{
		false: "deploy with --no-invoker-iam-check",
		true:  "its invoker check must be on",
	} {
		found := auth(t, check.Auth{CloudRunIAM: iam}, "auth mode")
		if len(found) != 1 || found[0].Status != check.OK || !strings.Contains(found[0].Detail, want) {
			t.Errorf("Cloud Run's IAM %t: %+v", iam, found)
		}
	}
}

func TestBudget(t *testing.T) {
	for budget, want := range map[time.Duration]string{
		9 * time.Minute:   "ok a run ends within RUN_BUDGET and 30s, together 9m30s; give it an ack deadline and a request time-out of 10m0s",
		570 * time.Second: "ok a run ends within RUN_BUDGET and 30s, together 10m0s; give it an ack deadline and a request time-out of 10m0s",
		571 * time.Second: "warn a run may take RUN_BUDGET and 30s, together 10m1s, but its caller waits only 10m0s",
	} {
		if found := check.Budget(budget)(t.Context()); found[0].Status+" "+found[0].Detail != want {
			t.Errorf("%v: %+v, want %s", budget, found, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	if found := check.Configuration(nil)(t.Context()); len(found) != 1 || found[0].Status != check.OK {
		t.Errorf("without a fault: %+v", found)
	}
}
