package handler

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"duo-telephony-collector/internal/collect"
)

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
