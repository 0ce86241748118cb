// Package collect is the run: it takes the lease, fetches what Duo shows for a
// window of time, page by page, writes every record to the bucket exactly once
// and saves how far it came.
//
// What keeps that promise is the order of the steps, and what is frozen when. A
// window's bounds are fixed before its first request, in the write that takes the
// lease or ends the window before. A page's object is named by stream, window and page
// number alone, and created only if that name is free. The cursor moves after the
// object is durable, and only under the lease. So whoever repeats a page, after a crash
// or beside a stalled run that has lost its lease, finds the first attempt's object and
// adopts it. docs/design.md has the faults one by one.
package collect

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// Store is what a run needs of a store; *store.Store is one.
type Store interface {
	Load(ctx context.Context, stream string) (store.State, error)
	Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error)
	Commit(ctx context.Context, l *store.Lease, c store.Cursor) error
	Finish(ctx context.Context, l *store.Lease, c store.Cursor, r store.Run) error
	Release(ctx context.Context, l *store.Lease, r store.Run) error
	Runs(ctx context.Context, stream string, limit int) ([]store.Run, error)
	Standings(ctx context.Context) ([]store.Standing, time.Time, error)
	Acquired(ctx context.Context) (map[string]time.Time, time.Time, error)
}

// Bucket is where the objects go; *writer.GCS and *writer.Dir are ones.
type Bucket interface {
	// Put creates the object or returns the one that has its name.
	Put(ctx context.Context, o writer.Object) (*writer.Object, error)
	Get(ctx context.Context, n writer.Name) (writer.Object, error)
	List(ctx context.Context, from, to time.Time, reach time.Duration) iter.Seq2[writer.Info, error]
	URI(n writer.Name) string
	Place() writer.Place
}

// Collector collects one log of one account. It is safe for concurrent use: the
// lease lets one run at a time do anything.
type Collector struct {
	Duo    *duo.Client
	Store  Store
	Bucket Bucket
	Logger *slog.Logger
	// At returns the bucket at a place where earlier settings put the objects.
	At func(writer.Place) Bucket
	// Fault, unless it is nil, is why the account can't be asked: every run fails
	// with it.
	Fault error
	// Progress, unless it is nil, is called after each committed page.
	Progress func(Progress)
	Config
}

// Config is how to collect.
type Config struct {
	Log       *duo.Log                                 // which of Duo's logs; a row that many share
	Account   duo.Account                              // whose; zero for the application's own account
	Host      string                                   // the account's API host, and "host" in records when Enrich is set
	Phones    record.Phones                            // what becomes of phone numbers
	Enrich    bool                                     // add "eventtype" and "host" where a record lacks them
	Gzip      bool                                     // for objects of windows that are yet to be frozen
	Budget    time.Duration                            // a run starts no page when it is near
	MaxPages  int                                      // most pages in a run, 0 for no limit
	Lookback  time.Duration                            // how far back the very first window starts
	Delay     time.Duration                            // how far behind now a window ends
	Overlap   time.Duration                            // how far a window reaches back for late records
	MaxWindow time.Duration                            // most new time in a window
	FirstMark func(context.Context) (time.Time, error) // an older collector's watermark to start from; nil: Lookback
}

// Job is what one run is asked to do. The zero Job collects what is new.
type Job struct {
	Force    bool // take the lease although another run holds it
	DryRun   bool // fetch and count, take no lease, write nothing
	Backfill *store.Backfill
	Since    time.Time // pass a stream by that another run has had since, by the store's clock; zero: run it
}

// Run does one run and returns when none of it is left running. When ctx ends, it
// starts no further page, commits the page in hand and releases the lease, within
// ten seconds.
//
// The order of the steps is the protocol. Below each is what a crash right after
// it leaves, and what the next run does about it. That run waits for the lease to
// expire, or is forced.
//
//  1. Acquire the lease. The same write freezes the next window, unless one is
//     in progress: that one goes on.
//     Crash: a window without pages. The next run walks that very window.
//  2. Fetch a page. Nothing is stored.
//  3. Select the records that were not delivered before, and decide where the
//     page leads: to the next one, to the window's end, or to its start once more
//     if Duo counted more than it showed. The next page is fetched during steps 4
//     and 5. Nothing is stored.
//  4. Write the object. If its name is taken, an earlier attempt wrote it and
//     died before its commit: adopt its records. What it lacks of the page goes
//     into the next object.
//     Crash: an object that no cursor knows. The next run finds its name taken
//     and adopts it, or looks for it when the window ends without needing it.
//  5. Commit the cursor after this page. No object of the next page is written
//     before: that is what makes a stalled run, which has lost its lease without
//     knowing, harmless.
//     Crash: a window in progress. The next run goes on at its next page.
//  6. After a window's last page the watermark is the window's end. The same
//     commit freezes the next window, unless the run stops here.
//     Crash: as after step 1.
//  7. Close the run: the last commit gives the lease back and adds the run to
//     the history. Where no commit comes, as after an error, that is a write of
//     its own.
//     Crash: nothing is left to do.
func (c *Collector) Run(ctx context.Context, job Job) Report {
	r := c.begin(job)
	asking, delivering, done := r.bounds(ctx)
	defer done()
	defer r.end(delivering, errCrashed)           // does nothing unless the run panicked
	if err := r.acquire(delivering); err != nil { // 1
		return r.end(delivering, err)
	}
	for !r.closed {
		page, err := r.fetch(asking) // 2
		if err != nil {
			return r.end(delivering, err)
		}
		batch, err := r.choose(delivering, asking, page) // 3
		if err != nil {
			return r.end(delivering, err)
		}
		if batch, err = r.write(delivering, batch); err != nil { // 4
			return r.end(delivering, err)
		}
		if err := r.commit(delivering, asking, batch); err != nil { // 5, 6, 7
			return r.end(delivering, err)
		}
	}
	return r.end(delivering, nil)
}
