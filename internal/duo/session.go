package duo

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// PageSize is the limit that every request asks for, the API's maximum. A
// page with fewer records is the last one.
const PageSize = 1000

// slowInterval is the least time between two requests once Duo has answered
// 429: its limits are one or two requests a minute where they are strict.
const slowInterval = 30 * time.Second

// Session is the requests of one run. It keeps their pace and counts them.
type Session struct {
	Requests int // attempts sent, retries among them
	Retries  int

	client   *Client
	interval time.Duration
	next     time.Time // no request starts before
}

// Query asks for the records with Min ≤ ts ≤ Max, in whole milliseconds,
// oldest first, after Offset where it is not empty.
type Query struct {
	Min, Max time.Time
	Offset   string
}

// Page is one response.
type Page struct {
	// Records are in Duo's order, each as Duo sent it.
	Records []json.RawMessage
	// Next is the offset of the next page, "" on the last one.
	Next string
	// Total is total_objects, or -1 where Duo gave none or only a lower bound.
	Total int
}

// Pages returns the pages of a query, the first with the query's own offset.
// It ends after the last page or the first error, which is an [*Error] or the
// context's. Where the context's deadline would pass during a wait it ends at
// once: with the error that the wait was for, or with
// [context.DeadlineExceeded] where it only keeps the pace.
//
// An offset that does not advance is not noticed here.
func (s *Session) Pages(ctx context.Context, q Query) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for q := q; ; {
			page, err := s.fetch(ctx, q)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			q.Offset = page.Next
		}
	}
}

// fetch returns one page, after as many attempts as can help.
func (s *Session) fetch(ctx context.Context, q Query) (Page, error) {
	key, failure := s.client.secret("")
	if failure != nil {
		return Page{}, failure
	}
	c := call{client: s.client, query: q, key: key}
	for attempt := 1; ; attempt++ {
		if err := s.await(ctx); err != nil {
			return Page{}, err
		}
		page, failure := c.send(ctx)
		if failure == nil {
			return page, nil
		}
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		wait, final := c.again(ctx, failure)
		if final != nil {
			return Page{}, final
		}
		if failure.RateLimited() {
			s.interval = max(s.interval, slowInterval)
			wait = max(wait, s.interval)
		}
		if !s.hold(ctx, wait) {
			return Page{}, failure
		}
		s.Retries++
		s.client.cfg.Log.WarnContext(ctx, "duo request retried",
			"attempt", attempt, "wait_ms", max(0, time.Until(s.next).Milliseconds()),
			"http_status", failure.Status, "duo_code", failure.Code, "reason", failure.reason())
	}
}

// hold keeps the next request back for d from now, and reports whether the
// context lasts that long.
func (s *Session) hold(ctx context.Context, d time.Duration) bool {
	if next := time.Now().Add(d); next.After(s.next) {
		s.next = next
	}
	return s.lasts(ctx)
}

// await waits until the next request may start, and counts it as started.
func (s *Session) await(ctx context.Context) error {
	if !s.lasts(ctx) {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(time.Until(s.next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.next = time.Now().Add(s.interval)
	s.Requests++
	return nil
}

// lasts reports whether the next request may start before ctx's deadline.
func (s *Session) lasts(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || s.next.Before(deadline)
}
