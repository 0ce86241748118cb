package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// maxBack is how far back Duo answers.
const maxBack = 180 * 24 * time.Hour

// decodeJob reads what POST /run is asked to do. No body asks for an ordinary
// run. A misspelt wish must not become one, so unknown fields are refused.
func decodeJob(body []byte) (collect.Job, error) {
	var wish struct {
		DryRun    bool       `json:"dry_run"`
		Force     bool       `json:"force"`
		Redeliver bool       `json:"redeliver"`
		From      *time.Time `json:"from"`
		To        *time.Time `json:"to"`
	}
	if len(bytes.TrimSpace(body)) > 0 {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&wish); err != nil {
			return collect.Job{}, fmt.Errorf("reading the body: %w; it takes dry_run, force, redeliver, and from and to as RFC 3339 times", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return collect.Job{}, errors.New("the body holds more than one JSON value")
		}
	}
	job := collect.Job{DryRun: wish.DryRun, Force: wish.Force}
	switch {
	case wish.From == nil && wish.To == nil && !wish.Redeliver:
		return job, nil
	case wish.From == nil || wish.To == nil:
		return job, errors.New("a backfill needs both from and to")
	case !wish.From.Before(*wish.To):
		return job, errors.New("from must be before to")
	case wish.From.Before(time.Now().Add(-maxBack)):
		return job, errors.New("from is older than the 180 days that Duo answers for")
	}
	job.Backfill = &store.Backfill{From: wish.From.UTC(), To: wish.To.UTC(), Redeliver: wish.Redeliver}
	return job, nil
}
