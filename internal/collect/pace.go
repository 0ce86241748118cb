package collect

import (
	"time"

	"duo-telephony-collector/internal/store"
)

// paceFor is how long a learned pace is kept. The limit may have been shared
// with another program, and learning it again costs one refused request.
const paceFor = 24 * time.Hour

// learned returns the pace to start a run with.
func learned(p store.Pace, now time.Time) time.Duration {
	if now.Sub(p.LearnedAt) >= paceFor {
		return 0
	}
	return time.Duration(p.IntervalMS) * time.Millisecond
}

// paced returns the cursor with the pace that the session has learned.
func (r *run) paced(c store.Cursor) store.Cursor {
	switch ms := r.session.Stats().Pace.Milliseconds(); {
	case ms == 0:
		c.Pace = store.Pace{}
	case ms != c.Pace.IntervalMS:
		c.Pace = store.Pace{IntervalMS: ms, LearnedAt: floor(r.lease.Now())}
	}
	return c
}

// paused returns the cursor with which the next run keeps this run's pace: it
// asks no sooner than this run would have.
func (r *run) paused(c store.Cursor) store.Cursor {
	s := r.session.Stats()
	if wait := time.Until(s.Next); s.Pace > 0 && wait > 0 {
		c.NotBefore = floor(r.lease.Now().Add(wait)).Add(time.Millisecond)
	}
	return r.paced(c)
}
