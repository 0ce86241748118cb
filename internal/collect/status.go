package collect

import (
	"context"
	"time"

	"duo-telephony-collector/internal/store"
)

// Status is where a stream stands.
type Status struct {
	Stream     string       `json:"stream"`
	Account    *Account     `json:"account,omitempty"` // nil for the application's own
	Now        time.Time    `json:"now"`               // the store's clock
	Watermark  *time.Time   `json:"watermark"`
	LagSeconds *int64       `json:"lag_seconds"` // null before the first run
	Lease      *Holder      `json:"lease"`       // null when nobody holds it
	Cursor     CursorStatus `json:"cursor"`
	Totals     store.Totals `json:"totals"`
	Runs       []Summary    `json:"runs"` // the newest first
	// Brief is nil if all of this was read. Otherwise it stands for what was not:
	// Totals, the Cursor but for its watermark, not_before, ended, pace and gap,
	// and the Runs but for what the document has of the last one.
	Brief *Brief `json:"-"`
}

// Brief is what a document tells of a stream's runs.
type Brief struct {
	Unreadable string      // why it tells nothing at all, "" if it does
	Failing    time.Time   // when the first of the runs began that have failed since, if the last one did
	Started    []time.Time // when the last few runs began that did not fail, the newest first
}

// Account is whose stream it is.
type Account struct {
	Host string `json:"host"`
	Name string `json:"name"`
}

// Holder is who has the lease.
type Holder struct {
	Holder     string    `json:"holder"`
	Token      int64     `json:"token"`
	AcquiredAt time.Time `json:"acquired_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Expired    bool      `json:"expired"` // its run died; the next one takes over
}

// CursorStatus is the cursor without its identities.
type CursorStatus struct {
	Watermark *time.Time      `json:"watermark"`
	ReachesTo *time.Time      `json:"reaches_back_to"` // as far as the overlap may reach
	Window    *store.Window   `json:"window"`          // in progress
	Backfill  *store.Backfill `json:"backfill"`
	NotBefore *time.Time      `json:"not_before"`      // Duo asked for no request until then
	Ended     *time.Time      `json:"ended,omitempty"` // when a run last failed because Duo has no such log
	Pace      float64         `json:"pace_seconds"`    // between two requests, learned from refusals; 0 if there were none
	Gap       *store.Gap      `json:"gap"`
	Seen      int             `json:"seen"` // records remembered for the overlap
}

// LogStatus is where a log's live stream stands, and where its backfills do.
type LogStatus struct {
	Status
	Backfill Status `json:"backfill"`
}

// Has reports whether the stream of that name is the live one or the backfill.
func (l LogStatus) Has(stream string) bool { return stream == l.Stream || stream == l.Backfill.Stream }

// Status reads where the log stands.
func (c *Collector) Status(ctx context.Context) (LogStatus, error) {
	live, err := c.statusOf(ctx, c.Live().String())
	if err != nil {
		return LogStatus{}, err
	}
	backfill, err := c.statusOf(ctx, c.Backfill().String())
	return LogStatus{live, backfill}, err
}

func (c *Collector) statusOf(ctx context.Context, stream string) (Status, error) {
	state, err := c.Store.Load(ctx, stream)
	if err != nil || state.Lease.Token == 0 { // nobody ever had the lease, so there are no runs
		return c.status(state, nil), err
	}
	runs, err := c.Store.Runs(ctx, stream, store.HistoryLimit)
	return c.status(state, runs), err
}

func (c *Collector) status(state store.State, runs []store.Run) Status {
	s := Status{
		Stream: state.Stream, Now: state.Now, Watermark: orNil(state.Cursor.Watermark), Totals: state.Cursor.Totals,
		Cursor: cursorStatus(state.Cursor, state.Now), Runs: []Summary{},
	}
	if c.Fault != nil && state.Stream == c.Live().String() { // every run fails with it before it takes a lease
		s.Runs = append(s.Runs, Summary{Outcome: Failed, Stream: state.Stream, Reason: c.Fault.Error(), Act: MustAct(c.Fault), Objects: []string{}, StartedAt: state.Now})
	}
	for _, r := range runs {
		s.Runs = append(s.Runs, Summary(r))
	}
	if c.Account.Host != "" {
		s.Account = &Account{Host: c.Account.Host, Name: c.Account.Name}
	}
	if s.Watermark != nil {
		s.LagSeconds = new(int64(state.Now.Sub(*s.Watermark).Seconds()))
	}
	if l := state.Lease; l.Holder != "" {
		s.Lease = &Holder{Holder: l.Holder, Token: l.Token, AcquiredAt: l.AcquiredAt, ExpiresAt: l.ExpiresAt(), Expired: !state.Now.Before(l.ExpiresAt())}
	}
	return s
}

func cursorStatus(c store.Cursor, now time.Time) CursorStatus {
	s := CursorStatus{
		Watermark: orNil(c.Watermark), ReachesTo: orNil(c.SeenFrom), NotBefore: orNil(c.NotBefore), Ended: orNil(c.Ended),
		Backfill: c.Backfill, Pace: learned(c.Pace, now).Seconds(), Gap: c.Gap, Seen: c.Seen.Len(),
	}
	if c.Window.Open() {
		s.Window = &c.Window
	}
	return s
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
