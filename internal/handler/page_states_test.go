package handler_test

import (
	crand "crypto/rand"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// pageCases are the states that the page is looked at in.
var pageCases = map[string]struct {
	title   string
	prepare func(w *world)
}{
	"0-runs":  {"Waiting for the first run", func(*world) {}},
	"1-run":   {"Up to date", func(w *world) { w.fill(); w.complete() }},
	"50-runs": {"Up to date", (*world).makeUp},
	"in-progress": {"Catching up", func(w *world) {
		w.work(20, nil)
		w.now = w.now.Add(4 * time.Hour)
		w.walk()
	}},
	"person-must-act": {"A person must act", func(w *world) {
		w.work(30, nil)
		w.tick(duosim.Refuse(40301, "Access forbidden"))
	}},
	"behind": {"Behind", func(w *world) {
		w.work(30, nil)
		for range 7 {
			w.tick(duosim.HTML(http.StatusBadGateway))
		}
	}},
	"gap": {"Up to date", func(w *world) {
		w.work(8, nil)
		w.now = w.now.Add(190 * 24 * time.Hour)
		w.MaxWindow = 180 * 24 * time.Hour
		w.work(12, nil)
		w.run("/run", span(w.now.Add(-50*time.Minute), w.now.Add(-40*time.Minute), `,"redeliver":true`), http.StatusOK)
	}},
}

// work makes n runs, five minutes apart, with some records for each. Those in
// faults meet one.
func (w *world) work(n int, faults map[int]duosim.Fault) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(5, 5))
	for i := range n {
		for j := range 20 + i%9*4 + random.IntN(30) {
			w.sim.Add(duosim.Record{
				TS: w.now.Add(time.Duration(j) * time.Second), ID: fmt.Sprintf("220f89ff-bff8-4466-%04x-%012d", i, w.now.Unix()*1000+int64(j)),
			})
		}
		w.tick(faults[i])
	}
}

// tick lets five minutes pass and runs once, against a Duo with this fault.
func (w *world) tick(fault duosim.Fault) {
	w.t.Helper()
	w.now = w.now.Add(5 * time.Minute)
	if fault == nil {
		w.send(http.MethodPost, "/", push, nil)
		return
	}
	w.sim.Script(fault)
	defer func(budget time.Duration) { w.Budget = budget }(w.Budget)
	w.Budget = time.Second // less than the first wait
	w.send(http.MethodPost, "/", push, nil)
}

// makeUp fills the history with what a company's day may look like in
// production.
func (w *world) makeUp() {
	w.t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	w.now = w.now.Truncate(5 * time.Minute).Add(-4*time.Hour + 2*time.Second)
	cursor, limited := store.Cursor{Watermark: w.now.Add(-450 * time.Second)}, w.now.Add(82*time.Minute)
	for i := range 50 {
		w.now = w.now.Add(5 * time.Minute)
		r := store.Run{
			Outcome: "complete", Records: 60 + int(40*math.Sin(float64(i)/9)) + random.IntN(45), Pages: 1, Requests: 1,
			Duplicates: 90 + random.IntN(60), Late: max(0, random.IntN(12)-9), DurationMS: 620 + random.Int64N(900),
		}
		switch i {
		case 14, 15:
			r = store.Run{Outcome: "partial", Reason: "rate limited by Duo until " + limited.Format(time.RFC3339) + "; the first run after that goes on", Requests: 15 - i}
		case 16:
			r.Records *= 3
		case 33:
			r = store.Run{Outcome: "failed", Reason: "fetching page 1: duo: HTTP 502: the next run tries again; if it lasts, see https://status.duo.com", Requests: 5, Retries: 4, DurationMS: 15310}
		}
		w.finish(r, &cursor)
	}
	w.now = w.now.Add(100 * time.Second)
}

// finish adds a run to the history, as of now. A complete one moves the
// watermark.
func (w *world) finish(r store.Run, cursor *store.Cursor) {
	w.t.Helper()
	if r.Outcome == "complete" {
		from, to := cursor.Watermark.Add(-10*time.Minute), w.now.Add(-150*time.Second)
		const layout = "20060102T150405.000Z"
		r.Objects = []string{"gs://acme-secops/duo-telephony/" + from.Format("2006/01/02") + "/telephony_" + from.Format(layout) + "_" + to.Format(layout) + "_0001.ndjson"}
		cursor.Watermark, cursor.Reach, cursor.Totals.Pages = to, to.Add(-10*time.Minute), cursor.Totals.Pages+1
		cursor.Totals.Objects, cursor.Totals.Records = cursor.Totals.Pages, cursor.Totals.Records+int64(r.Records)
		r.Window = &store.Span{From: from, To: to}
		var seen []store.ID
		for i := range r.Records + r.Duplicates {
			seen = append(seen, store.ID{byte(i), byte(i >> 8)})
		}
		cursor.Seen = store.Seen(nil).With(seen, to.UnixMilli(), 0)
	}
	mark := cursor.Watermark
	r.ID, r.Stream, r.StartedAt, r.Watermark, r.LagSeconds = crand.Text(), stream, w.now, &mark, int64(w.now.Sub(mark).Seconds())
	if err := w.store.Finish(w.t.Context(), w.hold(), *cursor, r); err != nil {
		w.t.Fatal(err)
	}
}

// walk takes the lease as a run does that has committed the first pages of a
// window.
func (w *world) walk() {
	w.t.Helper()
	mark := w.state(stream).Cursor.Watermark
	lease := w.hold()
	cursor := w.state(stream).Cursor
	cursor.Window = store.Window{From: mark.Add(-10 * time.Minute), To: w.now.Add(-150 * time.Second), Page: 3, Last: mark.Add(150 * time.Minute)}
	if err := w.store.Commit(w.t.Context(), lease, cursor); err != nil {
		w.t.Fatal(err)
	}
}
