package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// maxBack is how far back Duo answers.
const maxBack = 180 * 24 * time.Hour

const wishes = `POST /run takes a JSON object with dry_run, force, redeliver (true or false), log (one of DUO_LOGS), account (an API hostname, id or name), from and to (RFC 3339 times such as "2026-01-31T08:00:00Z")`

// wish is what the body of POST /run asks for.
type wish struct {
	dryRun, force, redeliver bool
	log, account             *string // nil for every one
	from, to                 time.Time
}

// decodeWish reads what POST /run is asked to do. No body asks for an ordinary
// run, which writes. Whatever may have been meant as something else must not
// become one, so only what can be read in one way is taken.
func decodeWish(body []byte) (wish, error) {
	var w wish
	if len(bytes.TrimSpace(body)) > 0 {
		if err := w.read(body); err != nil {
			return wish{}, fmt.Errorf("reading the body: %w; %s", err, wishes)
		}
	}
	switch {
	case w.from.IsZero() && w.to.IsZero() && !w.redeliver:
		return w, nil
	case w.from.IsZero() || w.to.IsZero():
		return wish{}, errors.New("a backfill needs both from and to")
	case w.to.Sub(w.from) < time.Millisecond:
		return wish{}, errors.New("from must be before to, by a millisecond or more")
	case w.from.Before(time.Now().Add(-maxBack)):
		return wish{}, errors.New("from is older than the 180 days that Duo answers for")
	}
	return w, nil
}

// job is what each run has to do for it.
func (w wish) job() collect.Job {
	job := collect.Job{Force: w.force, DryRun: w.dryRun}
	if !w.from.IsZero() {
		job.Backfill = &store.Backfill{From: w.from.UTC(), To: w.to.UTC(), Redeliver: w.redeliver}
	}
	return job
}

// read takes no name twice, none in another case, and no null.
func (w *wish) read(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	if dec.PeekKind() != '{' {
		return errors.New("it is no JSON object")
	}
	var fields map[string]jsontext.Value
	err := json.UnmarshalDecode(dec, &fields)
	if twice, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("it has %q twice", twice.JSONPointer.LastToken())
	}
	if err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("it holds more than one JSON value")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.set(name, fields[name]); err != nil {
			return err
		}
	}
	return nil
}

func (w *wish) set(name string, value jsontext.Value) error {
	const flag, text, instant = "neither true nor false", "no text",
		"no RFC 3339 time: it needs date, capital T, time, and capital Z or an offset such as +02:00"
	field, known := map[string]struct {
		to    any
		fault string // what a refused value is
	}{
		"dry_run": {&w.dryRun, flag}, "force": {&w.force, flag}, "redeliver": {&w.redeliver, flag},
		"log": {&w.log, text}, "account": {&w.account, text},
		"from": {&w.from, instant}, "to": {&w.to, instant},
	}[name]
	if !known {
		return fmt.Errorf("unknown field %q", name)
	}
	err := json.Unmarshal(value, field.to)
	if at, ok := field.to.(*time.Time); err != nil || value.Kind() == 'n' || ok && at.IsZero() {
		return fmt.Errorf("%s is %s", name, field.fault)
	}
	return nil
}

// chosen returns the streams of the log and the account that are named, nil for any.
func (s *server) chosen(ctx context.Context, log, account *string) (*collect.Streams, error) {
	all, err := s.Streams.Now(ctx)
	if err != nil {
		status := http.StatusServiceUnavailable
		if collect.MustAct(err) {
			status = http.StatusInternalServerError
		}
		return nil, &httpError{status, err.Error()}
	}
	if only := all.Only(log, account); only != nil {
		return only, nil
	}
	if log != nil && all.Only(log, nil) == nil {
		return nil, &httpError{http.StatusBadRequest, fmt.Sprintf("log is %q, and DUO_LOGS has %s", *log, names(all))}
	}
	return nil, &httpError{http.StatusBadRequest, fmt.Sprintf("account is %q, and no account that is collected has that API hostname, id or name", *account)}
}

// tooMany refuses a backfill of more than one stream.
func tooMany(s *collect.Streams) error {
	var add []string
	if logs := names(s); strings.Contains(logs, ", ") {
		add = append(add, "a backfill is of one log: add log, one of "+logs)
	}
	if slices.ContainsFunc(s.Collectors, func(c *collect.Collector) bool { return c.Host != s.Collectors[0].Host }) {
		add = append(add, "a backfill is of one account: add account, its API hostname, id or name")
	}
	return &httpError{http.StatusBadRequest, strings.Join(add, "; ")}
}

// names are the logs of the streams.
func names(s *collect.Streams) string {
	var names []string
	for _, c := range s.Collectors {
		if !slices.Contains(names, c.Log.Name) {
			names = append(names, c.Log.Name)
		}
	}
	return strings.Join(names, ", ")
}
