package collect

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
)

// page is one response of Duo, read.
type page struct {
	records *records // overwritten after the next page is taken
	next    string   // offset of the next page, "" after the last
	total   int      // total_objects, -1 if unknown
	err     error    // in place of a page, the last one
	panic   any      // likewise
}

// walk reads pages one ahead of who takes them: the next one is fetched and
// read while a page is written and committed. It never looks further, so no
// more than two pages are in memory, and one request at most is in vain.
type walk struct {
	pages  chan page
	cancel context.CancelFunc
	window store.Window // where the next page is expected to start
}

// open begins a walk at the window. It reads at most so many pages, any number
// if most is 0.
func (r *run) open(ctx context.Context, w store.Window, most int) walk {
	ctx, cancel := context.WithCancel(ctx)
	pages, extra := make(chan page), r.extraFields()
	go func() {
		defer close(pages)
		defer func() {
			if p := recover(); p != nil { // the run's to fail of, not the process's
				pages <- page{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())}
			}
		}()
		this, other := &records{}, &records{}
		for q := queryOf(w); ; {
			p, err := r.session.Page(ctx, q)
			if len(p.Records) == 0 {
				p.Next = ""
			}
			this.fill(p.Records, extra)
			pages <- page{records: this, next: p.Next, total: p.Total, err: err}
			this, other = other, this // whoever took this one is through with the other
			if most--; most == 0 || err != nil || p.Next == "" || p.Next == q.Offset {
				return
			}
			q.Offset = p.Next
		}
	}()
	return walk{pages: pages, cancel: cancel, window: w}
}

// queryOf asks a millisecond wider than the window, which drop makes up for.
func queryOf(w store.Window) duo.Query {
	return duo.Query{Min: lower(w).Add(-time.Millisecond), Max: w.To, Offset: w.Offset}
}

// at reports whether the walk's next page is the one that the window is at.
func (w *walk) at(now store.Window) bool {
	return w.pages != nil && w.window.Offset == now.Offset && w.window.Anchor.Equal(now.Anchor) &&
		w.window.From.Equal(now.From) && w.window.To.Equal(now.To)
}

// take returns the next page.
func (w *walk) take() (page, error) {
	p, ok := <-w.pages
	if !ok {
		return p, errEnded
	}
	if p.panic != nil {
		panic(p.panic)
	}
	w.window.Offset = p.next
	return p, p.err
}

// end stops the walk. When it returns nothing of it is left running.
func (w *walk) end() {
	if w.pages == nil {
		return
	}
	w.cancel()
	for range w.pages {
	}
	*w = walk{}
}
