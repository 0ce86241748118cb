package collect

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const (
	// leaseMargin is how much longer than the budget a lease lasts: time for a
	// commit that begins as the budget ends (20 s at most) and the release.
	leaseMargin = 30 * time.Second
	// After a shut-down signal the process has ten seconds: these are for the
	// page in hand and, should that fail, for giving the lease back. Each may
	// take a second more, for the roll-back of a transaction that its end has
	// cut off.
	lingerFor      = 4 * time.Second
	releaseTimeout = 3 * time.Second
	// maxListed is how many objects a report names.
	maxListed = 1000
)

// run is one run in progress.
type run struct {
	*Collector
	job     Job
	plan    planner
	started time.Time
	session *duo.Session
	ahead   *ahead

	lease    *store.Lease
	cursor   store.Cursor // as last committed, or about to be
	seen     memory       // of the cursor
	walk     walk         // that the window in progress is in
	again    bool         // the page in hand is to be delivered again: a part of it was
	buffer   []byte       // of the batch's lines
	shelf    *shelf       // of the window in progress, where the bucket is asked
	resumed  bool         // another run may have begun the window in progress
	live     store.Cursor // the live stream's, in a backfill
	rest     string       // what of the range asked for a backfill leaves out, and until when
	dirty    bool         // the cursor holds something for the next run that no commit saved
	finished bool         // lease given back, nothing left to do
	report   Summary
	failure  error
}

func (c *Collector) begin(job Job) *run {
	r := &run{Collector: c, job: job, started: time.Now(), session: c.Duo.Session(0)}
	r.ahead = newAhead(r.session, c.addedHost())
	r.report = Summary{
		ID: rand.Text(), Stream: c.Stream, StartedAt: r.started.UTC(), Objects: []string{},
		Outcome: Failed, Reason: "the run crashed; its stack is in the log", Act: true, // what a panic leaves to the history
	}
	if job.Backfill != nil {
		r.report.Stream = BackfillStream(c.Stream)
	}
	if job.DryRun {
		dry := *c
		dry.Store, dry.Bucket = dryStore{c.Store}, dryBucket{c.Bucket}
		dry.At = func(p writer.Place) Bucket { return dryBucket{c.at(p)} }
		r.Collector = &dry
	}
	return r
}

// BackfillStream is the stream under which ranges of a stream are collected
// again: it has a lease, a cursor and object names of its own.
func BackfillStream(stream string) string { return stream + "-backfill" }

// bounds returns the two contexts of a run. In the first one pages are asked
// for: it ends with ctx and a little before the budget. In the second one they
// are delivered: it ends with the budget and outlives ctx by lingerFor. Both
// end before the lease.
func (r *run) bounds(ctx context.Context) (asking, delivering context.Context, cancel func()) {
	deadline := r.started.Add(r.Budget)
	reserve := min(15*time.Second, r.Budget/10)
	asking, cancelAsking := context.WithDeadline(ctx, deadline.Add(-reserve))
	delivering, cancelDelivering := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lingerFor, cancelDelivering) })
	return asking, delivering, func() {
		stop()
		cancelAsking()
		cancelDelivering()
		r.ahead.end()
	}
}

// acquire takes the lease and the cursor, with a window in it unless there is
// nothing to ask for.
func (r *run) acquire(ctx context.Context) error {
	if err := r.choosePlan(ctx); err != nil {
		return err
	}
	lease, cursor, err := r.Store.Acquire(ctx, r.report.Stream, store.Claim{
		Holder: r.report.ID,
		TTL:    r.Budget + leaseMargin,
		Force:  r.job.Force,
		Next: func(_ context.Context, s store.State) (store.Cursor, error) {
			r.resumed = s.Cursor.Window.Open()
			return r.plan.start(s)
		},
	})
	if err != nil {
		return err
	}
	cursor.Window = resume(cursor.Window)
	r.lease, r.cursor = lease, cursor
	r.session = r.Duo.Session(learned(cursor.Pace, lease.Now()))
	r.session.MaxWait = maxPause
	r.ahead = newAhead(r.session, r.addedHost())
	r.started = time.Now() // a report covers the time that the lease was held
	r.report.Token, r.report.StartedAt = lease.Token, lease.Now()
	if g := cursor.Gap; g != nil && g.RunID == r.report.ID {
		r.Log.ErrorContext(ctx, "records lost: Duo no longer has them", "from", g.From, "to", g.To, "stream", r.report.Stream)
	}
	if !cursor.Window.Open() {
		return r.finish(ctx, cursor, Complete, r.rest)
	}
	return nil
}

// choosePlan decides between the live stream and a backfill.
func (r *run) choosePlan(ctx context.Context) error {
	if r.job.Backfill != nil {
		return r.planBackfill(ctx, *r.job.Backfill)
	}
	p := live{Config: r.Config, owner: r.owner(), runID: r.report.ID}
	if r.FirstMark != nil {
		s, err := r.Store.Load(ctx, r.Stream)
		if err != nil {
			return err
		}
		if s.Cursor.Watermark.IsZero() || s.StartOpen() {
			if p.first, err = r.FirstMark(ctx); err != nil {
				return unplanned{err}
			}
		}
	}
	r.plan = p
	return nil
}

// planBackfill cuts the range to what the live stream will not touch again.
func (r *run) planBackfill(ctx context.Context, want store.Backfill) error {
	s, err := r.Store.Load(ctx, r.Stream)
	if err != nil {
		return err
	}
	c, err := r.owner().claim(s.Cursor)
	if err != nil {
		return err
	}
	if c.Watermark.IsZero() {
		return errNoLive
	}
	asked, limit := floor(want.To), r.settled(c)
	want.From, want.To = floor(want.From), earliest(asked, limit)
	if want.To.Before(asked) {
		// A run from then on ends at now - Delay: asked is Overlap before that.
		r.rest = fmt.Sprintf("what is not before %s is the live stream's to deliver: ask for it from %s on, once a run after that is complete",
			limit.Format(time.RFC3339Nano), asked.Add(r.Overlap+r.Delay).Format(time.RFC3339Nano))
	}
	if !want.From.Before(want.To) {
		return fmt.Errorf("%w: %s", ErrUnsettled, r.rest)
	}
	r.plan = backfill{Config: r.Config, owner: r.owner(), want: want}
	r.live = c
	return nil
}

func (c *Collector) owner() owner {
	return owner{account: store.Account{Host: c.Host}, log: c.Stream, place: store.Place(c.Bucket.Place())}
}

// bucket is where the objects of the window in progress go: where it began,
// whatever the settings say now.
func (r *run) bucket() Bucket { return r.at(writer.Place(r.cursor.Window.Place)) }

// at returns the bucket at a place.
func (c *Collector) at(p writer.Place) Bucket {
	if p == c.Bucket.Place() {
		return c.Bucket
	}
	return c.At(p)
}

// settled is what the live stream will not touch again: all before that time.
func (c Config) settled(live store.Cursor) time.Time {
	limit := earliest(live.Watermark.Add(-c.Overlap), live.Reach)
	if live.Window.Open() {
		limit = earliest(limit, live.Window.From)
	}
	return limit
}
