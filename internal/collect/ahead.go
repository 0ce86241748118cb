package collect

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

// page is one response of Duo, read.
type page struct {
	records []record.Record // overwritten by the page after the next one
	next    string          // next_offset, "" if there is none
	total   int             // total_objects, -1 if unknown
	err     error           // in place of a page
	panic   any             // likewise
}

// ahead holds one page and fetches the next one while that is written and committed,
// never further: at most two pages are in memory, and one request is wasted.
type ahead struct {
	session *duo.Session
	config  Config
	hand    page
	memory  [2]*record.Page // of the page in hand, and of the next one

	asked  duo.Query // what answer is for
	answer chan page // nil while nothing is asked for
	cancel context.CancelFunc
}

func newAhead(session *duo.Session, c Config) *ahead {
	return &ahead{session: session, config: c, memory: [2]*record.Page{{}, {}}}
}

// ask starts fetching the page that the window is at, unless that is under way.
func (a *ahead) ask(ctx context.Context, w store.Window) {
	q := queryOf(*a.config.Log, w)
	if a.answer != nil && a.asked.Offset == q.Offset && a.asked.Limit == q.Limit && a.asked.Min.Equal(q.Min) && a.asked.Max.Equal(q.Max) {
		return
	}
	a.end()
	ctx, a.cancel = context.WithCancel(ctx)
	answer, memory := make(chan page, 1), a.memory[1]
	a.asked, a.answer = q, answer
	host := "" // to add to records
	if a.config.Enrich {
		host = a.config.Host
	}
	go func() {
		defer func() {
			if p := recover(); p != nil { // fail the run, not the process
				answer <- page{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())}
			}
		}()
		p, err := a.session.Page(ctx, q)
		records := memory.Read(p.Records, *a.config.Log, a.config.Phones, host)
		answer <- page{records: records, next: p.Next, total: p.Total, err: err}
	}()
}

// queryOf asks for a millisecond before the window, and for its end, which is not
// in it: Duo may include its bounds or not. selectNew drops what belongs to the
// neighbouring windows.
func queryOf(log duo.Log, w store.Window) duo.Query {
	return duo.Query{Min: lower(w).Add(-time.Millisecond), Max: w.To, Offset: w.Offset, Limit: limit(log, w)}
}

// take waits for the page that was asked for.
func (a *ahead) take() (page, error) {
	p := <-a.answer
	a.cancel()
	a.answer = nil
	if p.panic != nil {
		panic(p.panic)
	}
	if p.err == nil {
		a.hand = p
		a.memory[0], a.memory[1] = a.memory[1], a.memory[0]
	}
	return p, p.err
}

// end cancels the fetch under way and waits until it has returned.
func (a *ahead) end() {
	if a.answer == nil {
		return
	}
	a.cancel()
	<-a.answer
	a.answer = nil
}

// ReadLine reads a line of an object. Written is as this configuration writes it,
// also where an earlier one wrote the line.
func (c Config) ReadLine(line []byte) record.Record {
	return record.Read(c.Phones.Apply(bytes.TrimSuffix(line, []byte("\n")), *c.Log), *c.Log, "")
}
