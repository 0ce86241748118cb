package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
)

const (
	// clockTolerance is how far this clock may be from Duo's unremarked. Duo's
	// is known in whole seconds, and is some time on its way.
	clockTolerance = 10 * time.Second
	// pushDeadline is what Pub/Sub and Cloud Run give a run at most.
	pushDeadline = 600 * time.Second
	// runMargin is what a run may take after its budget, to commit and to
	// give the lease back.
	runMargin = 30 * time.Second
	// gcloudAudience is in the id tokens of everybody who uses gcloud.
	gcloudAudience = "32555940559.apps.googleusercontent.com"
)

// checkDuo makes one request, which tells of the way to Duo, of this machine's
// clock, of the credentials and of the permission.
func (c config) checkDuo(ctx context.Context) []finding {
	date, err := newDuo(c, slog.New(slog.DiscardHandler)).Probe(ctx)
	found := []finding{duoAnswer(c.duoHost, err)}
	if err != nil {
		found = append(found, c.secretFindings()...)
	}
	if date.IsZero() {
		return found
	}
	return append(found, clockFinding(time.Until(date).Round(time.Second)))
}

// secretFindings looks at the secret key's form where Duo has not accepted it.
// Nothing is said of one that can't be read: Duo's answer was about that.
func (c config) secretFindings() []finding {
	const name = "secret key"
	key, err := c.duoSecret()
	if err != nil {
		return nil
	}
	if fault := duo.SecretFault(key); fault != "" {
		return []finding{warn(name, "the secret key "+fault, "correct DUO_SKEY, or the file that DUO_SKEY_FILE names")}
	}
	return nil
}

func duoAnswer(host string, err error) finding {
	const name = "duo"
	if err == nil {
		return good(name, host+" accepts the credentials and lets them read the log")
	}
	if e, found := errors.AsType[*duo.Error](err); found && e.RateLimited() {
		return warn(name, e.Reason()+", so whether the credentials are right is not known",
			"run this again in a minute; Duo allows one or two requests a minute, for all programs that read this log together")
	}
	return failOf(name, notInTime(err), "check DUO_API_HOST and the way to its port 443")
}

// clockFinding takes how far Duo's clock is ahead of this machine's.
func clockFinding(ahead time.Duration) finding {
	const name = "clock"
	if ahead.Abs() <= clockTolerance {
		return good(name, fmt.Sprintf("this machine's clock is within %v of Duo's", clockTolerance))
	}
	way := "behind"
	if ahead < 0 {
		way = "ahead of"
	}
	return warn(name, fmt.Sprintf("this machine's clock is %v %s Duo's", ahead.Abs(), way),
		fmt.Sprintf("set it to within %v: Duo refuses requests whose date is too far off", clockTolerance))
}

// notInTime says it in figures where a check's own time-out ended it.
func notInTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no success within %v: %w", checkTimeout, err)
	}
	return err
}

// checkAuth looks at who may call. Whether the tokens of the subscription fit
// shows only when it pushes.
func (c config) checkAuth(context.Context) []finding {
	return slices.Concat([]finding{c.modeFinding()}, c.audienceFindings(), c.callerFindings())
}

func (c config) modeFinding() finding {
	const name = "auth mode"
	if c.auth.Mode == handler.ModeCloudRunIAM {
		return good(name, "cloudrun-iam: Cloud Run checks signatures, so its invoker check must be on for this service")
	}
	return good(name, "verify: signatures are checked here, so Cloud Run must leave them on: deploy with --no-invoker-iam-check")
}

func (c config) audienceFindings() []finding {
	const name = "audience"
	var found []finding
	for _, audience := range c.auth.Audiences {
		u, err := url.Parse(audience)
		switch isURL := strings.Contains(audience, "://"); {
		case audience == gcloudAudience:
			found = append(found, fail(name, audience+" is gcloud's own, which is in the tokens of everybody who uses it",
				"set PUSH_AUDIENCE to the service's https:// URL or to a name of your own, and the push subscription's audience to the same"))
		case isURL && (err != nil || u.Scheme != "https" || u.Host == ""), strings.ContainsAny(audience, " \t"):
			found = append(found, warn(name, fmt.Sprintf("%q is neither an https:// URL nor one word", audience),
				"set PUSH_AUDIENCE to exactly what the push subscription has as its audience"))
		default:
			found = append(found, good(name, audience+": the push subscription must have exactly this one"))
		}
	}
	return found
}

func (c config) callerFindings() []finding {
	const name = "callers"
	var found []finding
	for _, caller := range c.auth.Callers {
		address, err := mail.ParseAddress(caller)
		if err != nil || address.Address != caller || strings.ToLower(caller) != caller {
			found = append(found, fail(name, fmt.Sprintf("%q is no e-mail address in lower case, as Google writes them, so nobody is let in by it", caller),
				"correct it in ALLOWED_CALLERS"))
		}
	}
	if !slices.ContainsFunc(c.auth.Callers, func(caller string) bool { return strings.HasSuffix(caller, ".gserviceaccount.com") }) {
		found = append(found, warn(name, "none of them is a service account, and Pub/Sub calls as one",
			"add the push subscription's service account to ALLOWED_CALLERS"))
	}
	if found == nil {
		return []finding{good(name, strings.Join(c.auth.Callers, ", "))}
	}
	return found
}

// checkBudget holds the budget against what the caller waits for.
func (c config) checkBudget(context.Context) []finding {
	const name = "budget"
	end := c.collect.Budget + runMargin
	if end > pushDeadline {
		return []finding{warn(name, fmt.Sprintf("a run may take RUN_BUDGET and %v, together %v, and its caller waits %v", runMargin, end, pushDeadline),
			fmt.Sprintf("set RUN_BUDGET to %v or less", pushDeadline-runMargin))}
	}
	return []finding{good(name, fmt.Sprintf("a run ends within RUN_BUDGET and %v, together %v; give it an ack deadline and a request time-out of %v", runMargin, end, pushDeadline))}
}
