package collect

import (
	"time"

	"duo-telephony-collector/internal/store"
)

// Report is how a run went: what its caller is answered and its log line says.
type Report struct {
	Summary
	Err error `json:"-"` // why a failed run failed
}

// Summary is the part of a report that the history keeps, as a [store.Run].
type Summary struct {
	Outcome    string      `json:"outcome"` // Complete, Partial, Busy or Failed
	ID         string      `json:"run_id"`
	Stream     string      `json:"stream"`
	Reason     string      `json:"reason"` // why it is not complete, or what of a range is left out
	Act        bool        `json:"act"`    // no run can succeed until a person acts
	Pages      int         `json:"pages"`
	Records    int         `json:"records"`    // delivered by this run
	Duplicates int         `json:"duplicates"` // fetched, but delivered before
	Late       int         `json:"late"`       // delivered, from before the watermark
	Objects    []string    `json:"objects"`
	Window     *store.Span `json:"window"` // nil if there was nothing to ask for
	Watermark  *time.Time  `json:"watermark"`
	LagSeconds int64       `json:"lag_seconds"`
	DurationMS int64       `json:"duration_ms"`
	Requests   int         `json:"duo_requests"`
	Retries    int         `json:"retries"`
	// OverlapSeconds is how far the next window reaches back.
	OverlapSeconds int64      `json:"overlap_seconds"`
	Gap            *store.Gap `json:"gap"`
	Token          int64      `json:"token"`
	StartedAt      time.Time  `json:"started_at"`
}

// summaries returns the history's runs as reports show them.
func summaries(runs []store.Run) []Summary {
	out := make([]Summary, 0, len(runs))
	for _, r := range runs {
		out = append(out, Summary(r))
	}
	return out
}
