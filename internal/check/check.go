// Package check finds out what would keep the service from working. It changes
// nothing: it writes no object and no document, and takes no lease.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// timeout bounds the checks, which run at the same time.
const timeout = 15 * time.Second

// Statuses of a finding.
const (
	OK   = "ok"
	Warn = "warn" // the service may work all the same
	Fail = "fail"
)

// Finding is a result of a check: one line for a person.
type Finding struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Action string `json:"action"` // what to do about it; empty if OK
}

func good(name, detail string) Finding         { return Finding{name, OK, detail, ""} }
func warn(name, detail, action string) Finding { return Finding{name, Warn, detail, action} }
func fail(name, detail, action string) Finding { return Finding{name, Fail, detail, action} }

// of is the finding with what it is of.
func (f Finding) of(what string) Finding {
	f.Detail = what + ": " + f.Detail
	return f
}

// failOf takes the action from the error if that has a hint, else action.
func failOf(name string, err error, action string) Finding {
	if e, found := errors.AsType[*duo.Error](err); found {
		return fail(name, e.Reason(), e.Hint)
	}
	if e, found := errors.AsType[*writer.SetupError](err); found {
		return fail(name, e.Reason, e.Hint)
	}
	if e, found := errors.AsType[*store.SetupError](err); found {
		return fail(name, e.Reason.Error(), e.Hint)
	}
	if e, found := errors.AsType[*store.TemporaryError](err); found {
		return fail(name, e.Reason.Error(), e.Hint)
	}
	return fail(name, err.Error(), action)
}

// Check answers what takes one request, and ends with its context.
type Check func(context.Context) []Finding

// Run runs the checks concurrently and returns their findings in order.
func Run(ctx context.Context, checks []Check) []Finding {
	found := make([][]Finding, len(checks))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { found[i] = check(ctx) })
	}
	all.Wait()
	return slices.Concat(found...)
}

// Failed reports whether the service would not work.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Status == Fail })
}

// WriteText writes one line per finding, even if its texts have line breaks.
func WriteText(out io.Writer, findings []Finding) error {
	for _, f := range findings {
		text := f.Detail
		if f.Action != "" {
			text += "; " + f.Action
		}
		text = strings.Join(strings.Fields(text), " ")
		if _, err := fmt.Fprintf(out, "%-4s  %-13s  %s\n", f.Status, f.Name, text); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSON writes the findings as one line of JSON:
// {"ok":true,"checks":[{"name":…,"status":…,"detail":…,"action":…}]}.
func WriteJSON(out io.Writer, findings []Finding) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		OK     bool      `json:"ok"`
		Checks []Finding `json:"checks"`
	}{!Failed(findings), findings})
}
