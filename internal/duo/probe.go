package duo

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// Probe asks for the records of one millisecond, to learn whether Duo answers
// this application and lets it read that log. It waits for nothing and repeats
// nothing, as Duo allows one or two requests a minute; only where Duo refuses
// the date it asks once more, dated by Duo's clock as every run does.
//
// date is Duo's clock by the last answer, in whole seconds; zero where there was
// none, or none with a date. The error is an [*Error] or the context's.
func (c *Client) Probe(ctx context.Context, log Log) (date time.Time, err error) {
	key, failure := c.secret("")
	if failure != nil {
		return time.Time{}, failure
	}
	past := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	q := Query{Min: past, Max: past.Add(time.Millisecond)}
	probe := call{client: c, question: c.about(log, q, new(Page)), key: key, body: new(bytes.Buffer)}
	failure = probe.send(ctx)
	if failure != nil && failure.Code == codeTimestamp && probe.resync(ctx, failure) == nil {
		failure = probe.send(ctx)
	}
	date, _ = http.ParseTime(probe.date)
	if ctx.Err() != nil {
		return date, ctx.Err()
	}
	if failure != nil {
		return date, failure
	}
	return date, nil
}
