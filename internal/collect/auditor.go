package collect

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// auditor is an audit in progress.
type auditor struct {
	*Collector
	audit    Audit
	progress func(Progress)
	session  *duo.Session
	extra    []field
	seed     maphash.Seed
	window   store.Window // what Duo is asked for, and how far the walk is
	objects  []writer.Name
	trails   map[store.ID]trail
	names    map[store.ID]string // ids that are no UUIDs in lower case
}

// trail is what is kept of a record, whatever its size.
type trail struct {
	at             int64  // Duo's time of it in milliseconds, 0 where it is unreadable
	enriched, sent uint64 // hashes of the lines that are right: with and without what a run appends
	copies         uint32 // in the bucket
	first          place
	shown          bool // by Duo
	altered        bool // at least one of the copies is
}

// place is a line of an object, which is the number of one of those listed.
type place struct{ object, line uint32 }

func (c *Collector) newAuditor(audit Audit, pace time.Duration, progress func(Progress)) *auditor {
	if progress == nil {
		progress = func(Progress) {}
	}
	return &auditor{
		Collector: c, audit: audit, progress: progress, session: c.Duo.Session(pace), extra: Config{Enrich: true, Host: c.Host}.extraFields(), seed: maphash.MakeSeed(),
		window: store.Window{From: audit.From, To: audit.To}, trails: map[store.ID]trail{}, names: map[store.ID]string{},
	}
}

// walk reads Duo's side. Where Duo refuses an offset, or one leads nowhere, it
// goes on without, as a run does.
func (a *auditor) walk(ctx context.Context) error {
	for again := true; again; {
		w := a.window
		pages := a.pages(ctx, duo.Query{Min: lower(w).Add(-time.Millisecond), Max: w.To, Offset: w.Offset})
		var err error
		if again, err = a.follow(pages); err != nil {
			return err
		}
	}
	return nil
}

// pages yields Duo's pages in turn.
func (a *auditor) pages(ctx context.Context, q duo.Query) iter.Seq2[duo.Page, error] {
	return func(yield func(duo.Page, error) bool) {
		for {
			p, err := a.session.Page(ctx, q)
			if len(p.Records) == 0 {
				p.Next = ""
			}
			if !yield(p, err) || err != nil || p.Next == "" {
				return
			}
			q.Offset = p.Next
		}
	}
}

// follow takes pages up to the last one, or until the walk is to begin again.
func (a *auditor) follow(pages iter.Seq2[duo.Page, error]) (again bool, err error) {
	for page, err := range pages {
		var refused *duo.Error
		switch {
		case errors.As(err, &refused) && refused.OffsetRefused():
			a.window, err = reanchor(a.window, a.window.Offset)
			return true, err
		case err != nil:
			return false, fmt.Errorf("reading Duo's log: %w", err)
		}
		a.take(page)
		if page.Next != "" && !leads(a.window, page.Next) {
			a.window, err = reanchor(a.window, page.Next)
			return true, err
		}
		a.window.Offset = page.Next
	}
	return false, nil
}

// take notes what Duo shows in a page.
func (a *auditor) take(page duo.Page) {
	reached := a.window.Last
	for _, shown := range page.Records {
		sent, r := a.normal(shown.JSON)
		if r.at != 0 && !in(a.window, r.at) {
			continue
		}
		if r.at != 0 {
			reached = timeOf(r.at)
		}
		if a.trails[r.id].shown {
			continue
		}
		a.audit.Duo++
		a.trails[r.id] = trail{shown: true, at: r.at, enriched: a.sum(r.line), sent: a.sum(sent)}
		if !bytes.Contains(sent, []byte(formatUUID(r.id))) {
			a.names[r.id] = idOf(sent)
		}
	}
	a.window.Last = latest(a.window.Last, reached)
	a.progress(Progress{Stream: a.Stream, Records: a.audit.Duo, From: a.audit.From, To: a.audit.To, At: walked(a.window)})
}

// normal returns a record's compact JSON, a copy, and the record as a run
// writes it where ENRICH is set. Both sides go by that: what makes two records
// without an id the same one is all of their line. A line that is no JSON is
// taken as it is.
func (a *auditor) normal(raw []byte) ([]byte, record) {
	sent, ok := duo.ReadRecord(bytes.Clone(raw))
	if !ok {
		return raw, record{line: raw, id: hash("line", raw)}
	}
	_, r := appendRecord(nil, sent, a.extra)
	return sent.JSON, r
}

func (a *auditor) sum(line []byte) uint64 { return maphash.Bytes(a.seed, line) }

// time is nil where Duo's time is unreadable.
func (t trail) time() *time.Time { return orNil(timeOf(t.at)) }

// idOf returns a line's telephony_id as it is written, without quotes.
func idOf(line []byte) string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(line, &fields) // what is no object has no id
	var id string
	if json.Unmarshal(fields["telephony_id"], &id) != nil {
		id = string(fields["telephony_id"])
	}
	return id
}

// formatUUID writes the identity of a record whose id is a UUID.
func formatUUID(id store.ID) string {
	s := hex.EncodeToString(id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
