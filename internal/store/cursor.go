package store

import (
	"strings"
	"time"
)

// Cursor is where the next run starts. All times are whole milliseconds.
type Cursor struct {
	// Everything before Watermark is delivered. Zero before the first run.
	Watermark time.Time `firestore:"watermark" json:"watermark"`
	// Seen is complete from SeenFrom on. No window starts before it when it is frozen,
	// but while a window is walked SeenFrom may move past its start: then the bucket
	// tells what Seen has lost. Seen also has everything else that was delivered by
	// windows that end after SeenFrom, or shortly before.
	SeenFrom time.Time `firestore:"reach" json:"reach"`
	// Windows that begin before Recheck are checked against the bucket, because
	// Seen lacks what was delivered then. Zero once they are past it.
	Recheck time.Time `firestore:"recheck" json:"recheck"`
	// Window is in progress; its To is zero between windows.
	Window Window `firestore:"window" json:"window"`
	// Seen is the set of recently delivered records, stored beside the cursor.
	Seen Seen `firestore:"-" json:"-"`
	// NotBefore is the end of a pause that Duo asked for.
	NotBefore time.Time `firestore:"not_before,omitzero" json:"not_before,omitzero"`
	// Ended is when a run last failed because Duo says that it has no such log
	// (any more); zero once Duo shows it again.
	Ended time.Time `firestore:"ended,omitzero" json:"ended,omitzero"`
	// Pace is what Duo's 429 answers have taught about its limit.
	Pace Pace `firestore:"pace,omitzero" json:"pace,omitzero"`
	// Gap is the range most recently lost, or covers all that one run found.
	Gap *Gap `firestore:"gap,omitzero" json:"gap,omitzero"`
	// Backfill is the range being collected; nil in a live stream.
	Backfill *Backfill `firestore:"backfill" json:"backfill"`
	// Begun is the time of the stream's first run; zero if unknown.
	Begun time.Time `firestore:"begun" json:"begun"`
	// Account and Log ("telephony") say whose records these are, and of which log.
	Account Account `firestore:"account" json:"account"`
	Log     string  `firestore:"log" json:"log"`
	// Places are where the stream's objects went, the current one last.
	Places []Place `firestore:"places" json:"places"`
	// WidestMS is the length of the stream's widest window ever.
	WidestMS int64 `firestore:"widest_ms" json:"widest_ms"`
	// Totals count what was committed since the stream's first run.
	Totals Totals `firestore:"totals" json:"totals"`
}

// Account is one Duo account: its API host and, if known, its id.
type Account struct {
	Host string `firestore:"host" json:"host"`
	ID   string `firestore:"id" json:"id"`
}

// String returns the host, and the id if known.
func (a Account) String() string { return strings.TrimSpace(a.Host + " " + a.ID) }

// Place is a bucket and a prefix in it.
type Place struct {
	Bucket string `firestore:"bucket" json:"bucket"`
	Prefix string `firestore:"prefix" json:"prefix"`
}

// Window is a range of record times, From ≤ ts < To, being collected. From, To, Gzip
// and Place name the objects, so they are frozen before the first request.
type Window struct {
	From  time.Time `firestore:"from" json:"from"`
	To    time.Time `firestore:"to" json:"to"`
	Gzip  bool      `firestore:"gzip" json:"gzip"`
	Place Place     `firestore:"place" json:"place"`
	// Page is the number of the last committed object.
	Page int `firestore:"page" json:"page"`
	// Offset is where the next page starts; "" for From, or Anchor if set.
	Offset string `firestore:"offset" json:"offset"`
	// Last is the time from which the walk could go on without an offset:
	// everything that Duo orders before it is delivered.
	Last time.Time `firestore:"last" json:"last"`
	// Anchor is the time from which the walk went on without an offset, because
	// there was none, or Duo refused it, or it led nowhere (then Refused is that
	// offset), or Duo no longer shows what is before.
	Anchor  time.Time `firestore:"anchor" json:"anchor"`
	Refused string    `firestore:"refused" json:"refused"`
	// If Prove, the first page with records from Anchor on must show a delivered one.
	// Otherwise records could lie unseen in between.
	Prove bool `firestore:"prove" json:"prove"`
	// Less: pages are asked for with one record less than they may have.
	Less bool `firestore:"less,omitempty" json:"less,omitempty"`
	// Total is how many records Duo counted when the walk began at From or
	// Anchor, -1 if it did not say. Shown is how many it has shown since, Fresh
	// how many of those this walk delivered, and Twice how many of them the same
	// page had listed before.
	Total int `firestore:"total" json:"total"`
	Shown int `firestore:"shown" json:"shown"`
	Fresh int `firestore:"fresh" json:"fresh"`
	Twice int `firestore:"twice,omitempty" json:"twice,omitempty"`
	// Counted is the Total of the walk that began at From, -1 once a part of the window
	// is too old to be shown. Found is how many records all walks since have shown.
	Counted int `firestore:"counted,omitempty" json:"counted,omitempty"`
	Found   int `firestore:"found,omitempty" json:"found,omitempty"`
	// Idle is how many pages in a row showed nothing new.
	Idle int `firestore:"idle" json:"idle"`
	// Again marks a second walk, because Duo counted more than it showed.
	Again bool `firestore:"again" json:"again"`
}

// Open reports whether a window is in progress.
func (w Window) Open() bool { return !w.To.IsZero() }

// Pace is the least time between two requests that Duo accepts; zero if unknown.
type Pace struct {
	IntervalMS int64     `firestore:"interval_ms" json:"interval_ms"`
	LearnedAt  time.Time `firestore:"learned_at" json:"learned_at"`
}

// Gap is a range of record times that lacks records, and the run that found out.
type Gap struct {
	From  time.Time `firestore:"from" json:"from"`
	To    time.Time `firestore:"to" json:"to"`
	RunID string    `firestore:"run_id" json:"run_id"`
	// Missing is how many records Duo counted there and did not show, 0 if the
	// range had become too old to ask for.
	Missing int `firestore:"missing" json:"missing"`
}

// Backfill is a range that a person asked to collect.
type Backfill struct {
	From      time.Time `firestore:"from" json:"from"`
	To        time.Time `firestore:"to" json:"to"`
	Redeliver bool      `firestore:"redeliver" json:"redeliver"`
}

// Totals are counters that only grow.
type Totals struct {
	Pages   int64 `firestore:"pages" json:"pages"`
	Records int64 `firestore:"records" json:"records"`
	Objects int64 `firestore:"objects" json:"objects"`
}

// Span is a range of record times, From ≤ ts < To.
type Span struct {
	From time.Time `firestore:"from" json:"from"`
	To   time.Time `firestore:"to" json:"to"`
}

// Run is what the history keeps of one execution. The store itself reads what [Last]
// has; the rest is the caller's.
type Run struct {
	Outcome    string     `firestore:"outcome" json:"outcome"` // complete, partial, busy or failed
	ID         string     `firestore:"run_id" json:"run_id"`
	Stream     string     `firestore:"stream" json:"stream"`
	Reason     string     `firestore:"reason" json:"reason"` // why it is not complete, or what of a range is left out
	Act        bool       `firestore:"act" json:"act"`       // no run can succeed before a person acts
	Pages      int        `firestore:"pages" json:"pages"`
	Records    int        `firestore:"records" json:"records"`       // delivered by this run
	Duplicates int        `firestore:"duplicates" json:"duplicates"` // fetched, but delivered before
	Late       int        `firestore:"late" json:"late"`             // delivered, from before the watermark
	Objects    []string   `firestore:"objects" json:"objects"`
	Window     *Span      `firestore:"window" json:"window"` // nil if there was nothing to ask for
	Watermark  *time.Time `firestore:"watermark" json:"watermark"`
	LagSeconds *int64     `firestore:"lag_seconds" json:"lag_seconds"`
	DurationMS int64      `firestore:"duration_ms" json:"duration_ms"`
	Requests   int        `firestore:"duo_requests" json:"duo_requests"`
	Retries    int        `firestore:"retries" json:"retries"`
	// OverlapSeconds is how far the next window reaches back.
	OverlapSeconds int64     `firestore:"overlap_seconds" json:"overlap_seconds"`
	Gap            *Gap      `firestore:"gap" json:"gap"`
	Token          int64     `firestore:"token" json:"token"`
	StartedAt      time.Time `firestore:"started_at" json:"started_at"`
}
