package handler

import (
	"net/http"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/page"
)

// page shows people what status tells programs.
func (s *server) page(w http.ResponseWriter, r *http.Request) error {
	logs, err := s.Streams.Status(r.Context())
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
	}
	state := page.State{
		Version: s.Version, Revision: s.Revision, Delay: s.Streams.Collectors[0].Delay, Err: err,
	}
	if err == nil {
		state.Log = logs[0]
	}
	for _, u := range s.unrecorded(logs) {
		state.Unrecorded = &u
	}
	return page.Write(w, state)
}

// status tells where the streams stand.
func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	logs, err := s.Streams.Status(r.Context())
	if err != nil {
		s.logRefusal(r, http.StatusServiceUnavailable, err)
	}
	answer := several
	if len(s.Streams.Collectors) == 1 {
		answer = single
	}
	answer(w, s.Version, logs, s.unrecorded(logs), err)
	return nil
}

// single is the answer of a service with one stream, several that of others.
func single(w http.ResponseWriter, version string, logs []collect.LogStatus, unrecorded []collect.Summary, err error) {
	var last *collect.Summary
	if len(unrecorded) > 0 {
		last = &unrecorded[0]
	}
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, struct {
			Error      string           `json:"error"`
			Unrecorded *collect.Summary `json:"unrecorded,omitempty"`
		}{err.Error(), last})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		collect.LogStatus
		Unrecorded *collect.Summary `json:"unrecorded"`
	}{version, logs[0], last})
}

func several(w http.ResponseWriter, version string, logs []collect.LogStatus, unrecorded []collect.Summary, err error) {
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, struct {
			Error      string            `json:"error"`
			Unrecorded []collect.Summary `json:"unrecorded,omitempty"`
		}{err.Error(), unrecorded})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Version    string              `json:"version"`
		Streams    []collect.LogStatus `json:"streams"`
		Unrecorded []collect.Summary   `json:"unrecorded"`
	}{version, logs, unrecorded})
}
