package collect

import (
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

// ahead has one page in hand and asks for the next one while that is written
// and committed. It never looks further, so no more than two pages are in
// memory, and one request at most is in vain.
type ahead struct {
	session *duo.Session
	log     duo.Log
	host    string // added to records, "" if nothing is
	hand    page
	memory  [2]*record.Page // of the page in hand, and of the next one

	asked  duo.Query // what answer is for
	answer chan page // nil while nothing is asked for
	cancel context.CancelFunc
}

func newAhead(session *duo.Session, c Config) *ahead {
	return &ahead{session: session, log: c.Log, host: c.addedHost(), memory: [2]*record.Page{{}, {}}}
}

// ask asks for the page that the window is at, unless that is under way.
func (a *ahead) ask(ctx context.Context, w store.Window) {
	q := queryOf(a.log, w)
	if a.answer != nil && a.asked.Offset == q.Offset && a.asked.Limit == q.Limit && a.asked.Min.Equal(q.Min) && a.asked.Max.Equal(q.Max) {
		return
	}
	a.end()
	ctx, a.cancel = context.WithCancel(ctx)
	answer, memory := make(chan page, 1), a.memory[1]
	a.asked, a.answer = q, answer
	go func() {
		defer func() {
			if p := recover(); p != nil { // the run's to fail of, not the process's
				answer <- page{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())}
			}
		}()
		p, err := a.session.Page(ctx, q)
		answer <- page{records: memory.Read(p.Records, a.log, a.host), next: p.Next, total: p.Total, err: err}
	}()
}

// queryOf asks a millisecond wider than the window, which drop makes up for.
func queryOf(log duo.Log, w store.Window) duo.Query {
	return duo.Query{Min: lower(w).Add(-time.Millisecond), Max: w.To, Offset: w.Offset, Limit: limit(log, w)}
}

// take returns the page that was asked for.
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

// end gives up what is asked for. When it returns nothing of it is left running.
func (a *ahead) end() {
	if a.answer == nil {
		return
	}
	a.cancel()
	<-a.answer
	a.answer = nil
}

// addedHost is the host that records get, "" if nothing is added to them.
func (c Config) addedHost() string {
	if !c.Enrich {
		return ""
	}
	return c.Host
}
