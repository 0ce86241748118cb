package handler

import (
	"net/http"
	"slices"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
)

// standing reads the status of the streams; the chosen one and those that have failed
// are always among them. It logs an error and puts it into the state.
func (s *server) standing(r *http.Request) page.State {
	state := page.State{Version: s.Version, Revision: s.Revision, Chosen: r.URL.Query().Get("stream")}
	streams, err := s.Streams.Now(r.Context())
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
		state.Err, state.Unlisted = err, true
		return state
	}
	kept := s.failed.kept(streams)
	wanted := []string{state.Chosen}
	for _, failed := range kept {
		wanted = append(wanted, failed.Stream)
	}
	stand, err := streams.Status(r.Context(), wanted...)
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
	}
	state.Delay, state.Logs, state.Err = streams.Collectors[0].Delay, stand.Logs, err
	state.Total, state.ByOutcome, state.Vanished = len(streams.Collectors), stand.ByOutcome, stand.Vanished
	state.Unrecorded = unrecorded(kept, stand.Logs)
	return state
}

// page shows people what status tells programs.
func (s *server) page(w http.ResponseWriter, r *http.Request) error {
	return page.Write(w, s.standing(r))
}

// status tells where the streams stand, or where one does that is named.
func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	state := s.standing(r)
	switch {
	case state.Err != nil:
		unreadable(w, state)
	case state.Chosen != "":
		return statusOfOne(w, state)
	case state.Total == 1:
		statusOf(w, state, state.Logs[0])
	default:
		statusOfAll(w, state)
	}
	return nil
}

func unreadable(w http.ResponseWriter, s page.State) {
	answer := map[string]any{"error": s.Err.Error()}
	if len(s.Unrecorded) > 0 && s.Total == 1 {
		answer["unrecorded"] = s.Unrecorded[0]
	} else if len(s.Unrecorded) > 0 {
		answer["unrecorded"] = s.Unrecorded
	}
	writeJSON(w, http.StatusServiceUnavailable, answer)
}

// statusOfOne is the answer for the stream that is named.
func statusOfOne(w http.ResponseWriter, s page.State) error {
	for _, log := range s.Logs {
		if log.Has(s.Chosen) {
			statusOf(w, s, log)
			return nil
		}
	}
	return &httpError{http.StatusNotFound, "no stream has that name"}
}

// statusOf is a log's answer.
func statusOf(w http.ResponseWriter, s page.State, log collect.LogStatus) {
	var failed *collect.Summary
	for _, u := range s.Unrecorded {
		if log.Has(u.Stream) {
			failed = &u
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		collect.LogStatus
		Unrecorded *collect.Summary `json:"unrecorded"`
		Vanished   []string         `json:"vanished,omitempty"`
	}{s.Version, log, failed, s.Vanished})
}

// statusOfAll is the answer for several streams, the worst first. Where there are
// too many for one answer, each has only its last runs.
func statusOfAll(w http.ResponseWriter, s page.State) {
	logs := s.WorstFirst()
	if s.Total > len(logs) {
		for i := range logs {
			logs[i].Runs, logs[i].Backfill.Runs = briefly(logs[i].Runs), briefly(logs[i].Backfill.Runs)
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Version    string              `json:"version"`
		Streams    []collect.LogStatus `json:"streams"`
		Total      int                 `json:"streams_total"`
		ByOutcome  map[string]int      `json:"by_outcome"`
		Vanished   []string            `json:"vanished,omitempty"`
		Unrecorded []collect.Summary   `json:"unrecorded"`
	}{s.Version, logs, s.Total, s.ByOutcome, s.Vanished, s.Unrecorded})
}

// briefly returns the last runs, each with a few of its objects.
func briefly(runs []collect.Summary) []collect.Summary {
	const maxRuns, maxObjects = 5, 3 // of 1000 objects and 50 runs
	short := slices.Clone(runs[:min(len(runs), maxRuns)])
	for i, r := range short {
		short[i].Objects = r.Objects[:min(len(r.Objects), maxObjects)]
	}
	return short
}
