package collect

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const (
	// leaseMargin is how much longer than the budget a lease lasts: time for a
	// commit that begins as the budget ends (20 s at most) and the release.
	leaseMargin = 30 * time.Second
	// After a shutdown signal the process has ten seconds: lingerFor to commit
	// the page in hand and, if that fails, releaseTimeout to release the lease.
	// Each may take a second more to roll back a transaction that was cut off.
	lingerFor      = 4 * time.Second
	releaseTimeout = 3 * time.Second
	// maxListed is how many objects a report names.
	maxListed = 1000
)

// run is one run in progress.
type run struct {
	*Collector
	job     Job
	stream  Stream
	plan    plan
	started time.Time
	session *duo.Session
	ahead   *ahead
	lease   *store.Lease

	committed store.Cursor  // what the document holds
	window    store.Window  // where the walk is: committed.Window, or past an offset that Duo refused
	leave     *store.Cursor // what an ending without a commit leaves to the next run, nil for committed
	cache     cache

	report  Summary // of what is committed
	failure error
	closed  bool // the lease is given back
}

// plan is what a run asks for, and what it knows about that.
type plan struct {
	planner
	live store.Cursor // the live stream's, in a backfill
	rest string       // what part of the range a backfill leaves out, and until when
}

// begin makes a run that has no lease yet. Its session asks nothing; acquire makes the
// one that does.
func (c *Collector) begin(job Job) *run {
	r := &run{Collector: c, job: job, stream: c.Live(), started: time.Now(), session: c.Duo.Session(*c.Log, 0), cache: cache{config: c.Config}}
	r.ahead = newAhead(r.session, c.Config)
	if job.Backfill != nil {
		r.stream = c.Backfill()
	}
	r.report = Summary{ID: rand.Text(), Stream: r.stream.String(), StartedAt: r.started.UTC(), Objects: []string{}}
	if job.DryRun {
		dry := *c
		dry.Store, dry.Bucket = dryStore{c.Store}, dryBucket{c.Bucket}
		dry.At = func(p writer.Place) Bucket { return dryBucket{c.at(p)} }
		r.Collector = &dry
	}
	return r
}

// bounds returns the two contexts of a run, which end before the lease. asking is for
// fetching pages: it ends with ctx, and a little before the budget. delivering is for
// writing and committing them: it ends with the budget, and outlives ctx by lingerFor.
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

// acquire takes the lease and the cursor. If there is nothing to collect, it closes the run.
func (r *run) acquire(ctx context.Context) error {
	if r.Fault != nil {
		return r.Fault
	}
	if err := r.choosePlan(ctx); err != nil {
		return err
	}
	lease, cursor, err := r.Store.Acquire(ctx, r.report.Stream, store.Claim{
		Holder: r.report.ID,
		TTL:    r.Budget + leaseMargin,
		Force:  r.job.Force,
		Since:  r.job.Since,
		Next: func(_ context.Context, s store.State) (store.Cursor, error) {
			r.cache.maybeLeftover = s.Cursor.Window.Open()
			return r.plan.start(s)
		},
	})
	if err != nil {
		return err
	}
	r.lease, r.committed, r.window = lease, cursor, resume(*r.Log, cursor.Window)
	r.session = r.Duo.Session(*r.Log, learned(cursor.Pace, lease.Now()))
	r.session.MaxWait = maxPause
	r.ahead = newAhead(r.session, r.Config)
	r.started = time.Now() // the report covers the time that the lease is held
	r.report.Token, r.report.StartedAt = lease.Token, lease.Now()
	if g := cursor.Gap; g != nil && g.RunID == r.report.ID {
		r.Logger.ErrorContext(ctx, "records lost: Duo no longer has them", "from", g.From, "to", g.To, "stream", r.report.Stream)
	}
	if !cursor.Window.Open() {
		return r.close(ctx, new(r.paused(cursor)), r.report, nil)
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
		s, err := r.Store.Load(ctx, r.Live().String())
		if err != nil {
			return err
		}
		if s.Cursor.Watermark.IsZero() || s.StartOpen() {
			if p.first, err = r.FirstMark(ctx); err != nil {
				return unplanned{err}
			}
		}
	}
	r.plan = plan{planner: p}
	return nil
}

// planBackfill cuts the range to what the live stream will not collect again.
func (r *run) planBackfill(ctx context.Context, want store.Backfill) error {
	s, err := r.Store.Load(ctx, r.Live().String())
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
	asked, limit := floor(want.To), r.liveLimit(c)
	want.From, want.To = floor(want.From), earliest(asked, limit)
	rest := ""
	if want.To.Before(asked) {
		// A run from then on ends at now - Delay: asked is Overlap before that.
		rest = fmt.Sprintf("what is not before %s ordinary runs may still deliver: ask for it from %s on, once a run after that is complete",
			limit.Format(time.RFC3339Nano), asked.Add(r.Overlap+r.Delay).Format(time.RFC3339Nano))
	}
	shown := floor(s.Now.Add(-r.oldest()))
	if want.From.Before(shown) {
		rest = strings.TrimPrefix(rest+"; of what is before "+shown.Format(time.RFC3339Nano)+" Duo may no longer show all: this run does not ask for it", "; ")
	}
	if !latest(want.From, shown).Before(want.To) {
		return fmt.Errorf("%w: %s", ErrUnsettled, rest)
	}
	r.plan = plan{planner: backfill{Config: r.Config, owner: r.owner(), want: want}, live: c, rest: rest}
	return nil
}

func (c *Collector) owner() owner {
	return owner{account: store.Account{Host: c.Host}, log: c.Log.Name, place: store.Place(c.Bucket.Place())}
}

// bucket is the one where the window began: all its objects go there.
func (r *run) bucket() Bucket { return r.at(writer.Place(r.window.Place)) }

// at returns the bucket at a place.
func (c *Collector) at(p writer.Place) Bucket {
	if p == c.Bucket.Place() {
		return c.Bucket
	}
	return c.At(p)
}

// buckets are those at the places, each once.
func (c *Collector) buckets(places ...[]store.Place) (all []Bucket) {
	known := slices.Concat(places...)
	for i, p := range known {
		if !slices.Contains(known[:i], p) {
			all = append(all, c.at(writer.Place(p)))
		}
	}
	return all
}

// liveLimit is the time before which the live stream collects nothing any more.
func (c Config) liveLimit(live store.Cursor) time.Time {
	limit := earliest(live.Watermark.Add(-c.Overlap), live.SeenFrom)
	if live.Window.Open() {
		limit = earliest(limit, live.Window.From)
	}
	return limit
}
