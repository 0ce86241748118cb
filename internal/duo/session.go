package duo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Duo limits the requests a minute, to one or two where it is strict, and does
// not say to how many.
const (
	// limitPeriod is that minute, and 1 % for how the way to Duo shifts requests.
	limitPeriod = time.Minute + 600*time.Millisecond
	// slowInterval is the pace of two requests a minute.
	slowInterval = limitPeriod / 2
)

// Session is the requests of one run, which reads one log: it paces and counts them.
// Pages are for one goroutine at a time, [Session.Stats] is for all.
type Session struct {
	// MaxWait is how long a retry is waited for, 0 for any time. Where it had to
	// be longer, the call ends with what it was to be retried after.
	MaxWait time.Duration

	client *Client
	log    Log
	body   bytes.Buffer // the latest answer, so that its memory is used again

	mu       sync.Mutex
	stats    Stats
	interval time.Duration // least time between two requests
	answered []time.Time   // when pages were asked for, in the last limitPeriod
}

// Stats is what became of a session so far.
type Stats struct {
	Requests int // attempts sent, retries among them
	Retries  int
	Pace     time.Duration // between two requests, taught by refusals, or 0
	Next     time.Time     // when the pace allows the next request
}

// Stats returns the figures of this moment.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Query asks for the records from Min to Max, whole milliseconds and both included,
// oldest first unless Newest is set, after Offset where it is not empty. A log that
// is not Ordered comes in Duo's own order, whatever Newest says.
type Query struct {
	Min, Max time.Time
	Offset   string
	Newest   bool // first
	Limit    int  // most records, 0 for the log's Limit
}

// Page is one response, as Duo gave it. Its reader concludes whether there is more.
type Page struct {
	// Records are in Duo's order, each as Duo sent it. Mostly they are objects.
	// They can be fewer than the log's Limit, and Duo still have more.
	Records []jsontext.Value
	Next    string // next_offset, "" where Duo gave none; the last page has one, too
	Total   int    // total_objects, -1 where Duo gave none that is exact
}

// Page returns one page, after as many attempts as can help. The error is an
// [*Error] or the context's. Where the context's deadline would pass during a
// wait, or MaxWait, it returns at once: with the error that the wait was for, or with
// [context.DeadlineExceeded] where it only keeps the pace.
func (s *Session) Page(ctx context.Context, q Query) (Page, error) {
	var page Page
	err := s.ask(ctx, s.client.about(s.log, q, &page))
	return page, err
}

// about asks for the page of a log that a query selects.
func (c *Client) about(log Log, q Query, into *Page) question {
	return question{
		method: http.MethodGet, path: log.Path, params: c.params(log, q), log: log,
		read: func(a answer) (err error) {
			*into, err = a.page(log)
			return err
		},
	}
}

// params returns all parameters, which Duo wants with an offset too: it
// requires the times, and without sort it would walk backwards.
func (c *Client) params(log Log, q Query) url.Values {
	params := url.Values{
		"mintime": {strconv.FormatInt(q.Min.UnixMilli(), 10)},
		"maxtime": {strconv.FormatInt(q.Max.UnixMilli(), 10)},
		"limit":   {strconv.Itoa(cmp.Or(q.Limit, log.Limit))},
	}
	switch {
	case !log.Ordered: // it knows no sort
	case q.Newest:
		params.Set("sort", "ts:desc")
	default:
		params.Set("sort", "ts:asc")
	}
	if q.Offset != "" {
		params.Set(log.OffsetParam, q.Offset)
	}
	if c.child != "" {
		params.Set("account_id", c.child)
	}
	return params
}

// ask puts a question as often as it can help, see [Session.Page].
func (s *Session) ask(ctx context.Context, q question) error {
	key, failure := s.client.secret("")
	if failure != nil {
		return failure
	}
	c := call{client: s.client, question: q, key: key, body: &s.body}
	for attempt := 1; ; attempt++ {
		if err := s.await(ctx); err != nil {
			return err
		}
		earlier := failure
		if failure = c.send(ctx); failure == nil {
			s.note()
			return nil
		}
		if err := ctx.Err(); earlier != nil && earlier.Temporary && errors.Is(err, context.DeadlineExceeded) {
			return earlier // which is why there was no time
		} else if err != nil {
			return err
		}
		wait, final := c.again(ctx, failure)
		if final != nil {
			return final
		}
		if failure.RateLimited() {
			wait = max(wait, s.slowDown())
		}
		if !s.hold(ctx, wait) {
			return failure
		}
		s.client.log().WarnContext(ctx, "duo request retried", "log", s.log.Name,
			"attempt", attempt, "wait_ms", max(0, time.Until(s.Stats().Next).Milliseconds()),
			"http_status", failure.Status, "duo_code", failure.Code, "reason", failure.Reason())
	}
}

// note remembers an answer, for what a refusal may teach. It was asked for an
// interval before the next request may start.
func (s *Session) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.answered = append(s.answered, s.stats.Next.Add(-s.interval))
}

// slowDown learns and returns an interval from a 429: as many requests a minute as
// were answered in the last one, less than two only where two were too many.
func (s *Session) slowDown() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	pace := slowInterval
	if n := len(s.answered); n > 0 {
		pace = limitPeriod / time.Duration(n)
	}
	if s.interval < slowInterval {
		pace = min(pace, slowInterval)
	}
	if pace <= s.interval && len(s.answered) > 0 {
		pace = min(s.interval*5/4, max(s.interval, limitPeriod)) // others read this log too
	}
	s.interval = max(s.interval, pace)
	s.stats.Pace = s.interval
	s.answered = nil
	return s.interval
}

// forget drops the answers that no limit counts any more.
func (s *Session) forget() {
	s.answered = slices.DeleteFunc(s.answered, time.Now().Add(-limitPeriod).After)
}

// hold keeps a retry back for d from now, and reports whether it may wait that long.
func (s *Session) hold(ctx context.Context, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := time.Now().Add(d); next.After(s.stats.Next) {
		s.stats.Next = next
	}
	if s.MaxWait > 0 && d > s.MaxWait || !s.lasts(ctx) {
		return false
	}
	s.stats.Retries++
	return true
}

// await waits until the next request may start, and counts it as started.
func (s *Session) await(ctx context.Context) error {
	s.mu.Lock()
	wait, lasts := time.Until(s.stats.Next), s.lasts(ctx)
	s.mu.Unlock()
	if !lasts {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Next = time.Now().Add(s.interval)
	s.stats.Requests++
	return nil
}

// lasts reports whether the next request may start before ctx's deadline.
func (s *Session) lasts(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || s.stats.Next.Before(deadline)
}
