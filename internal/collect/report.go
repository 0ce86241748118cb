package collect

import (
	"cmp"
	"slices"
	"sync"
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
	LagSeconds *int64      `json:"lag_seconds"` // nil where there is no watermark, or it is not known
	DurationMS int64       `json:"duration_ms"`
	Requests   int         `json:"duo_requests"`
	Retries    int         `json:"retries"`
	// OverlapSeconds is how far the next window reaches back.
	OverlapSeconds int64      `json:"overlap_seconds"`
	Gap            *store.Gap `json:"gap"`
	Token          int64      `json:"token"`
	StartedAt      time.Time  `json:"started_at"`
}

// maxReports is how many runs an answer has: more would be megabytes.
const maxReports = 100

// Reports is how the runs of one request went.
type Reports struct {
	Runs      []Report // in the streams' order; of more than maxReports those that most need to be seen, the worst first
	Total     int
	ByOutcome map[string]int
}

// reporter gathers [Reports]. It keeps no more than it will show of thousands.
type reporter struct {
	mu        sync.Mutex
	worst     []ranked // the worst first, maxReports at most
	total     int
	byOutcome map[string]int
}

type ranked struct {
	Report
	stream int // its place among the streams
}

func (t *reporter) add(stream int, r Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	t.byOutcome[r.Outcome]++
	of := ranked{r, stream}
	at, _ := slices.BinarySearchFunc(t.worst, of, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.severity(), a.severity()), cmp.Compare(a.stream, b.stream))
	})
	t.worst = slices.Insert(t.worst, at, of)
	if len(t.worst) > maxReports {
		t.worst = slices.Delete(t.worst, maxReports, len(t.worst))
	}
}

func (t *reporter) all() Reports {
	if t.total <= maxReports {
		slices.SortStableFunc(t.worst, func(a, b ranked) int { return cmp.Compare(a.stream, b.stream) })
	}
	all := Reports{Total: t.total, ByOutcome: t.byOutcome}
	for _, r := range t.worst {
		all.Runs = append(all.Runs, r.Report)
	}
	return all
}

// Worst returns the report that most needs to be seen.
func Worst(reports []Report) Report {
	return slices.MaxFunc(reports, func(a, b Report) int { return cmp.Compare(a.severity(), b.severity()) })
}

func (r Report) severity() int {
	if r.Act {
		return len(outcomes)
	}
	return slices.Index(outcomes, r.Outcome)
}
