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

// read goes through the object key by key: Go's decoder takes keys in any case,
// the last of equal ones, and null for nothing said.
func (w *wish) read(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	had := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key := fmt.Sprint(token) // the decoder takes nothing but text here
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if had[key] {
			return fmt.Errorf("it has %q twice", key)
		}
		had[key] = true
		if err := w.set(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it holds more than one JSON value")
	}
	return nil
}

func (w *wish) set(key string, value json.RawMessage) error {
	switch key {
	case "dry_run":
		return setFlag(&w.dryRun, key, value)
	case "force":
		return setFlag(&w.force, key, value)
	case "redeliver":
		return setFlag(&w.redeliver, key, value)
	case "log":
		return setText(&w.log, key, value)
	case "account":
		return setText(&w.account, key, value)
	case "from":
		return setTime(&w.from, key, value)
	case "to":
		return setTime(&w.to, key, value)
	}
	return fmt.Errorf("unknown field %q", key)
}

func setFlag(flag *bool, key string, value json.RawMessage) error {
	switch string(value) {
	case "true":
		*flag = true
	case "false":
	default:
		return fmt.Errorf("%s is neither true nor false", key)
	}
	return nil
}

func setText(text **string, key string, value json.RawMessage) error {
	if err := json.Unmarshal(value, text); err != nil || *text == nil {
		return fmt.Errorf("%s is no text", key)
	}
	return nil
}

// setTime takes no null, of which Go makes the zero time.
func setTime(at *time.Time, key string, value json.RawMessage) error {
	if err := json.Unmarshal(value, at); err != nil || at.IsZero() {
		return fmt.Errorf("%s is no RFC 3339 time: it needs date, capital T, time, and capital Z or an offset such as +02:00", key)
	}
	return nil
}
