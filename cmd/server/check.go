package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
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

// checkTimeout bounds a check. All of them are made at the same time.
const checkTimeout = 15 * time.Second

// Statuses of a finding.
const (
	checkOK   = "ok"
	checkWarn = "warn" // the service works, or nothing is known to be wrong
	checkFail = "fail"
)

// finding is what a check found out: one line for a person.
type finding struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Action string `json:"action"` // what to do about it, empty with checkOK
}

func good(name, detail string) finding         { return finding{name, checkOK, detail, ""} }
func warn(name, detail, action string) finding { return finding{name, checkWarn, detail, action} }
func fail(name, detail, action string) finding { return finding{name, checkFail, detail, action} }

// failOf is a failure whose error may know what to do; action is for one that
// does not.
func failOf(name string, err error, action string) finding {
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

// checkFlags are the flags of server check.
type checkFlags struct {
	json bool
	only string
}

// checkCommand tells what keeps the service from working, and changes nothing:
// no object, no document, no lease.
func checkCommand(ctx context.Context, args []string, con console) int {
	f, err := parseCheck(args, con.err)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitConfig
	}
	findings := checkAll(ctx, con.lookup, f.only)
	write := writeText
	if f.json {
		write = writeJSON
	}
	if err := write(con.out, findings); err != nil {
		fmt.Fprintln(con.err, err)
		return exitFailed
	}
	if failed(findings) {
		return exitFailed
	}
	return exitOK
}

func parseCheck(args []string, out io.Writer) (checkFlags, error) {
	var f checkFlags
	flags := flag.NewFlagSet("server check", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.BoolVar(&f.json, "json", false, "print one JSON document")
	flags.StringVar(&f.only, "only", "", "check `PART` alone: duo, which needs nothing but the DUO_ variables")
	if err := flags.Parse(args); err != nil {
		return f, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case f.only != "" && f.only != "duo":
		err = fmt.Errorf("-only %q is not duo", f.only)
	}
	if err != nil {
		fmt.Fprintln(out, err)
	}
	return f, err
}

// check is one question, or several that one answer settles. It ends with its
// context.
type check func(context.Context) []finding

// checkAll reads the configuration, and makes every check for which the part
// that it needs is sound.
func checkAll(ctx context.Context, lookup func(string) (string, bool), only string) []finding {
	e := &env{lookup: lookup}
	var c config
	sound := func(read func(*config)) bool {
		before := len(e.faults)
		read(&c)
		return len(e.faults) == before
	}
	var checks []check
	if sound(e.readDuo) {
		checks = append(checks, c.checkDuo)
	}
	if only == "" {
		storage, documents := sound(e.readStorage), sound(e.readFirestore)
		if storage {
			checks = append(checks, c.checkBucket)
		}
		if documents {
			checks = append(checks, c.checkFirestore)
		}
		if storage && documents && c.stateKey != "" {
			checks = append(checks, c.checkStateKey)
		}
		if sound(e.readAuth) {
			checks = append(checks, c.checkAuth)
		}
		if sound(e.readCollect) {
			checks = append(checks, c.checkBudget)
		}
		e.readService(&c)
	}
	return append(configuration(e), together(ctx, checks)...)
}

// configuration has a line for each fault.
func configuration(e *env) []finding {
	const name = "configuration"
	var found []finding
	for _, fault := range e.faults {
		found = append(found, fail(name, fault.Error(), "the service does not start before that is put right"))
	}
	if found == nil {
		return []finding{good(name, "every variable that is read has a form that it can have")}
	}
	return found
}

// together makes the checks side by side, and returns what they found in
// order.
func together(ctx context.Context, checks []check) []finding {
	found := make([][]finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			found[i] = c(ctx)
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

func failed(findings []finding) bool {
	return slices.ContainsFunc(findings, func(f finding) bool { return f.Status == checkFail })
}

// writeText writes a line for each finding, whatever the texts hold.
func writeText(out io.Writer, findings []finding) error {
	for _, f := range findings {
		text := f.Detail
		if f.Action != "" {
			text += "; " + f.Action
		}
		_, err := fmt.Fprintf(out, "%-4s  %-13s  %s\n", f.Status, f.Name, strings.Join(strings.Fields(text), " "))
		if err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(out io.Writer, findings []finding) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		OK     bool      `json:"ok"`
		Checks []finding `json:"checks"`
	}{!failed(findings), findings})
}
