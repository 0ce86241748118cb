package collect

import (
	"context"
	"time"

	"duo-telephony-collector/internal/store"
)

// Settled is what of a stream can be compared with Duo's log at a moment.
type Settled struct {
	From    time.Time     // Duo shows no older records
	To      time.Time     // the live stream delivers no older records any more
	Why     string        // what keeps To back
	Pace    time.Duration // least time between two requests that Duo has taught, or 0
	Buckets []Bucket      // everywhere that objects of the stream and its backfills went
}

// Settled reads where the live stream stands, without a lease: what is settled stays so.
func (c *Collector) Settled(ctx context.Context) (Settled, error) {
	state, err := c.Store.Load(ctx, c.Live().String())
	if err != nil {
		return Settled{}, err
	}
	if _, err := c.owner().claim(state.Cursor); err != nil {
		return Settled{}, err
	}
	backfills, err := c.Store.Load(ctx, c.Backfill().String())
	if err != nil {
		return Settled{}, err
	}
	s := Settled{
		From: floor(state.Now.Add(-c.oldest())), To: floor(state.Now.Add(-c.Delay)), Why: "Duo holds newer records back (INGEST_DELAY)",
		Pace: learned(state.Cursor.Pace, state.Now),
	}
	if to := c.liveLimit(state.Cursor); !state.Cursor.Watermark.IsZero() && to.Before(s.To) {
		s.To, s.Why = to, "runs may still deliver later records (watermark - OVERLAP)"
	}
	here := []store.Place{store.Place(c.Bucket.Place())}
	s.Buckets = c.buckets(here, state.Cursor.Places, backfills.Cursor.Places)
	return s, nil
}
