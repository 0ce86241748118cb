package check

import (
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// pushDeadline is the most that Pub/Sub and Cloud Run wait for a run.
	pushDeadline = 600 * time.Second
	// runMargin is the most that a run takes after its budget, to commit and release.
	runMargin = 30 * time.Second
	// gcloudAudience is the audience of every gcloud user's id tokens.
	gcloudAudience = "32555940559.apps.googleusercontent.com"
)

// Configuration has one finding per fault of the environment.
func Configuration(faults []error) Check {
	const name = "configuration"
	return func(context.Context) []Finding {
		var found []Finding
		for _, fault := range faults {
			found = append(found, fail(name, fault.Error(), "the service does not start until this is fixed"))
		}
		if found == nil {
			return []Finding{good(name, "all variables have valid values")}
		}
		return found
	}
}

// Auth checks who may call. Only a push shows whether the subscription's tokens fit.
type Auth struct {
	CloudRunIAM        bool // Cloud Run checks the signatures, not the service
	Audiences, Callers []string
}

// Check is a [Check].
func (a Auth) Check(context.Context) []Finding {
	return slices.Concat([]Finding{a.mode()}, a.audiences(), a.callers())
}

func (a Auth) mode() Finding {
	const name = "auth mode"
	if a.CloudRunIAM {
		return good(name, "cloudrun-iam: Cloud Run checks signatures, so its invoker check must be on for this service")
	}
	return good(name, "verify: signatures are checked here, so Cloud Run must leave them on: deploy with --no-invoker-iam-check")
}

func (a Auth) audiences() []Finding {
	const name = "audience"
	var found []Finding
	for _, audience := range a.Audiences {
		u, err := url.Parse(audience)
		switch isURL := strings.Contains(audience, "://"); {
		case audience == gcloudAudience:
			found = append(found, fail(name, audience+" is gcloud's own, which every gcloud user's tokens have",
				"set PUSH_AUDIENCE to the service's https:// URL or to a name of your own, and the push subscription's audience to the same"))
		case isURL && (err != nil || u.Scheme != "https" || u.Host == ""):
			found = append(found, warn(name, fmt.Sprintf("%q is neither an https:// URL nor a name", audience),
				"set PUSH_AUDIENCE to exactly the push subscription's audience"))
		default:
			found = append(found, good(name, audience+": the push subscription must have exactly this one"))
		}
	}
	return found
}

func (a Auth) callers() []Finding {
	const name = "callers"
	var found []Finding
	for _, caller := range a.Callers {
		address, err := mail.ParseAddress(caller)
		if err != nil || address.Address != caller || strings.ToLower(caller) != caller {
			found = append(found, fail(name, fmt.Sprintf("%q is no e-mail address in lower case, as Google writes them, so it lets nobody in", caller),
				"correct it in ALLOWED_CALLERS"))
		}
	}
	if !slices.ContainsFunc(a.Callers, func(caller string) bool { return strings.HasSuffix(caller, ".gserviceaccount.com") }) {
		found = append(found, warn(name, "none of them is a service account, but Pub/Sub calls as one",
			"add the push subscription's service account to ALLOWED_CALLERS"))
	}
	if found == nil {
		return []Finding{good(name, strings.Join(a.Callers, ", "))}
	}
	return found
}

// Budget compares how long a run may take with how long its caller waits.
func Budget(budget time.Duration) Check {
	const name = "budget"
	return func(context.Context) []Finding {
		end := budget + runMargin
		if end > pushDeadline {
			return []Finding{warn(name, fmt.Sprintf("a run may take RUN_BUDGET and %v, together %v, but its caller waits only %v", runMargin, end, pushDeadline),
				fmt.Sprintf("set RUN_BUDGET to %v or less", pushDeadline-runMargin))}
		}
		return []Finding{good(name, fmt.Sprintf("a run ends within RUN_BUDGET and %v, together %v; give it an ack deadline and a request time-out of %v", runMargin, end, pushDeadline))}
	}
}
