package main

import (
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler"
)

func TestCheckAudience(t *testing.T) {
	for audience, want := range map[string]string{
		"https://collector-123.europe-west1.run.app": "ok",
		"duo-telephony-collector":                    "ok",
		"32555940559.apps.googleusercontent.com":     "fail",
		"http://collector.example":                   "warn",
		"https://":                                   "warn",
	} {
		c := config{auth: handler.AuthConfig{Audiences: []string{"https://collector.example", audience}}}
		found := c.audienceFindings()
		if len(found) != 2 || found[0].Status != checkOK || found[1].Status != want || !strings.Contains(found[1].Detail, audience) {
			t.Errorf("%s: %+v, want %s", audience, found, want)
		}
	}
}

func TestCheckCallers(t *testing.T) {
	const person, pushCaller = "ada@example.com", "duo-telephony-push@project.iam.gserviceaccount.com"
	for callers, want := range map[string]string{
		pushCaller:                      "ok",
		person + " " + pushCaller:       "ok",
		person:                          "warn none of them is a service account",
		pushCaller + " a@":              `fail "a@" is no e-mail address`,
		pushCaller + " A@example.com":   `fail "A@example.com" is no e-mail address in lower case`,
		pushCaller + " <a@example.com>": `fail "<a@example.com>" is no e-mail address`,
	} {
		c := config{auth: handler.AuthConfig{Callers: strings.Fields(callers)}}
		if found := c.callerFindings(); len(found) != 1 || !strings.HasPrefix(found[0].Status+" "+found[0].Detail, want) {
			t.Errorf("%s: %+v, want %s", callers, found, want)
		}
	}
}

func TestCheckMode(t *testing.T) {
	for mode, want := range map[handler.Mode]string{
		handler.ModeVerify:      "deploy with --no-invoker-iam-check",
		handler.ModeCloudRunIAM: "its invoker check must be on",
	} {
		c := config{auth: handler.AuthConfig{Mode: mode}}
		if f := c.modeFinding(); f.Status != checkOK || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %+v", mode, f)
		}
	}
}

func TestCheckBudget(t *testing.T) {
	for budget, want := range map[time.Duration]string{
		9 * time.Minute:   "ok a run ends within RUN_BUDGET and 30s, together 9m30s; give it an ack deadline and a request time-out of 10m0s",
		570 * time.Second: "ok a run ends within RUN_BUDGET and 30s, together 10m0s; give it an ack deadline and a request time-out of 10m0s",
		571 * time.Second: "warn a run may take RUN_BUDGET and 30s, together 10m1s, and its caller waits 10m0s",
	} {
		c := config{}
		c.collect.Budget = budget
		if found := c.checkBudget(t.Context()); found[0].Status+" "+found[0].Detail != want {
			t.Errorf("%v: %+v, want %s", budget, found, want)
		}
	}
}
