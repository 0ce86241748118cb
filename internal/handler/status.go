package handler

import (
	"net/http"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
	"duo-telephony-collector/internal/store"
)

// page shows people what status tells programs.
func (s *server) page(w http.ResponseWriter, r *http.Request) error {
	streams, err := s.Streams.Now(r.Context())
	return page.Write(w, s.standing(r, streams, err))
}

// status tells where the streams stand, or where one does that is named.
func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	streams, err := s.Streams.Now(r.Context())
	if name := chosenStream(r); err == nil && name != "" {
		if streams = streams.Called(name); streams == nil {
			return &httpError{http.StatusNotFound, "no stream has that name"}
		}
	}
	state := s.standing(r, streams, err)
	switch {
	case state.Err != nil:
		unreadable(w, state, streams)
	case len(state.Logs) == 1:
		statusOf(w, state)
	default:
		statusOfAll(w, state)
	}
	return nil
}

func chosenStream(r *http.Request) string { return strings.TrimSpace(r.URL.Query().Get("stream")) }

// standing reads the status of the streams, unless they could not be listed. It logs
// an error and puts it into the state.
func (s *server) standing(r *http.Request, streams *collect.Streams, unlisted error) page.State {
	state := page.State{Version: s.Version, Revision: s.Revision, Runbook: page.Runbook(s.Runbook), Chosen: chosenStream(r), Err: unlisted, Unlisted: unlisted != nil}
	if unlisted == nil {
		kept := s.failed.kept(streams)
		var stand collect.Overview
		stand, state.Err = streams.Status(r.Context(), state.Chosen)
		state.Delay, state.Logs, state.Vanished = streams.Collectors[0].Delay, stand.Logs, stand.Vanished
		state.Unrecorded = unrecorded(kept, stand.Logs)
	}
	if state.Err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, state.Err)
	}
	return state
}

func unreadable(w http.ResponseWriter, s page.State, streams *collect.Streams) {
	answer := map[string]any{"error": s.Err.Error()}
	switch {
	case len(s.Unrecorded) == 0:
	case len(streams.Collectors) == 1:
		answer["unrecorded"] = s.Unrecorded[0]
	default:
		answer["unrecorded"] = firstOf(s.Unrecorded)
	}
	writeJSON(w, http.StatusServiceUnavailable, answer)
}

// statusOf is the answer for one log.
func statusOf(w http.ResponseWriter, s page.State) {
	var failed *collect.Summary
	if len(s.Unrecorded) > 0 {
		failed = &s.Unrecorded[0]
	}
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		collect.LogStatus
		Unrecorded *collect.Summary `json:"unrecorded"`
		Vanished   []string         `json:"vanished,omitempty"`
	}{s.Version, s.Logs[0], failed, s.Vanished})
}

// statusOfAll is the answer for several streams, the worst first. It counts all.
func statusOfAll(w http.ResponseWriter, s page.State) {
	outcomes, rows := map[string]int{}, []any{}
	for _, log := range s.Logs {
		outcome := "none"
		if len(log.Runs) > 0 {
			outcome = log.Runs[0].Outcome
		}
		outcomes[outcome]++
	}
	for _, log := range firstOf(s.WorstFirst()) {
		rows = append(rows, rowOf(log))
	}
	writeJSON(w, http.StatusOK, struct {
		Version    string            `json:"version"`
		Streams    []any             `json:"streams"`
		Total      int               `json:"streams_total"`
		ByOutcome  map[string]int    `json:"by_outcome"`
		Vanished   []string          `json:"vanished,omitempty"`
		Unrecorded []collect.Summary `json:"unrecorded"`
	}{s.Version, rows, len(s.Logs), outcomes, s.Vanished, firstOf(s.Unrecorded)})
}

// firstOf is as many as an answer has: more would be megabytes.
func firstOf[T any](all []T) []T { return all[:min(len(all), 100)] }

// brief is a stream's row where they are many: what was read of its status.
type brief struct {
	Stream     string           `json:"stream"`
	Account    *collect.Account `json:"account,omitempty"`
	Now        time.Time        `json:"now"`
	Error      string           `json:"error,omitempty"` // why the document can't be read
	Watermark  *time.Time       `json:"watermark"`
	LagSeconds *int64           `json:"lag_seconds"`
	Lease      *collect.Holder  `json:"lease"`
	Cursor     briefCursor      `json:"cursor"`
	Runs       []briefRun       `json:"runs"` // the last one
}

type briefCursor struct {
	Watermark *time.Time `json:"watermark"`
	NotBefore *time.Time `json:"not_before"`
	Ended     *time.Time `json:"ended,omitempty"`
	Pace      float64    `json:"pace_seconds"`
	Gap       *store.Gap `json:"gap"`
}

type briefRun struct {
	Outcome   string     `json:"outcome"`
	ID        string     `json:"run_id"`
	Reason    string     `json:"reason"`
	Act       bool       `json:"act"`
	Gap       *store.Gap `json:"gap"`
	StartedAt time.Time  `json:"started_at"`
}

// rowOf is the log's status, or what was read of it.
func rowOf(log collect.LogStatus) any {
	if log.Backfill.Brief == nil {
		return log
	}
	return struct {
		brief
		Backfill brief `json:"backfill"`
	}{briefOf(log.Status), briefOf(log.Backfill)}
}

func briefOf(s collect.Status) brief {
	c, runs := s.Cursor, []briefRun{}
	for _, r := range s.Runs {
		runs = append(runs, briefRun{r.Outcome, r.ID, r.Reason, r.Act, r.Gap, r.StartedAt})
	}
	unreadable := ""
	if s.Brief != nil { // only the backfill can't be read
		unreadable = s.Brief.Unreadable
	}
	return brief{s.Stream, s.Account, s.Now, unreadable, s.Watermark, s.LagSeconds, s.Lease,
		briefCursor{c.Watermark, c.NotBefore, c.Ended, c.Pace, c.Gap}, runs}
}
