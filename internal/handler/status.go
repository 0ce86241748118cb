package handler

import (
	"net/http"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
)

// standing reads where the streams stand. An error is in the state, and logged.
func (s *server) standing(r *http.Request) page.State {
	logs, err := s.Streams.Status(r.Context())
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
	}
	return page.State{
		Version: s.Version, Revision: s.Revision, Delay: s.Streams.Collectors[0].Delay,
		Logs: logs, Unrecorded: s.unrecorded(logs), Err: err,
	}
}

// page shows people what status tells programs.
func (s *server) page(w http.ResponseWriter, r *http.Request) error {
	state := s.standing(r)
	state.Chosen = r.URL.Query().Get("stream")
	return page.Write(w, state)
}

// status tells where the streams stand.
func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	if len(s.Streams.Collectors) == 1 {
		single(w, s.standing(r))
	} else {
		several(w, s.standing(r))
	}
	return nil
}

// single is the answer of a service with one stream, several that of others.
func single(w http.ResponseWriter, s page.State) {
	var unrecorded *collect.Summary
	if len(s.Unrecorded) > 0 {
		unrecorded = &s.Unrecorded[0]
	}
	if s.Err != nil {
		writeJSON(w, http.StatusServiceUnavailable, struct {
			Error      string           `json:"error"`
			Unrecorded *collect.Summary `json:"unrecorded,omitempty"`
		}{s.Err.Error(), unrecorded})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		collect.LogStatus
		Unrecorded *collect.Summary `json:"unrecorded"`
	}{s.Version, s.Logs[0], unrecorded})
}

func several(w http.ResponseWriter, s page.State) {
	if s.Err != nil {
		writeJSON(w, http.StatusServiceUnavailable, struct {
			Error      string            `json:"error"`
			Unrecorded []collect.Summary `json:"unrecorded,omitempty"`
		}{s.Err.Error(), s.Unrecorded})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Version    string              `json:"version"`
		Streams    []collect.LogStatus `json:"streams"`
		Unrecorded []collect.Summary   `json:"unrecorded"`
	}{s.Version, s.WorstFirst(), s.Unrecorded})
}
