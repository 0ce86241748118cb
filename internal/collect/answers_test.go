package collect_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// TestWhateverDuoAnswers collects from Duos that answer as the documentation
// allows and nobody expects. All of it is delivered once, over runs whose windows
// overlap.
func TestWhateverDuoAnswers(t *testing.T) {
	t.Parallel()
	many := func(w *world) []duosim.Record { return w.spread(w.page*23/10, w.start.Add(-2*time.Hour), time.Second) }
	crowded := func(w *world) []duosim.Record {
		return w.spread(w.page*23/10, w.start.Add(-2*time.Hour), 5*time.Microsecond)
	}
	tests := map[string]struct {
		manners duosim.Manners
		records func(*world) []duosim.Record
	}{
		"as expected":             {duosim.Manners{}, many},
		"pages of 400":            {duosim.Manners{PageSize: 400}, many},
		"pages of 400, ties":      {duosim.Manners{PageSize: 400}, crowded},
		"pages of 400, no total":  {duosim.Manners{PageSize: 400, Total: duosim.NoTotal}, many},
		"pages of 700, no total":  {duosim.Manners{PageSize: 700, Total: duosim.NoTotal}, many},
		"pages of 700, at least":  {duosim.Manners{PageSize: 700, Total: duosim.AtLeast}, many},
		"pages of 700, too few":   {duosim.Manners{PageSize: 700, Total: duosim.TooFew}, many},
		"pages of 700, too many":  {duosim.Manners{PageSize: 700, Total: duosim.TooMany}, many},
		"pages of 7":              {duosim.Manners{PageSize: 7}, func(w *world) []duosim.Record { return many(w)[:200] }},
		"short pages":             {duosim.Manners{ShortOneIn: 2}, many},
		"short pages, no total":   {duosim.Manners{ShortOneIn: 2, Total: duosim.NoTotal}, many},
		"empty pages":             {duosim.Manners{EmptyOneIn: 1}, many},
		"empty pages, no total":   {duosim.Manners{EmptyOneIn: 1, Total: duosim.NoTotal, Cursor: duosim.AbsentAtEnd}, many},
		"empty and short":         {duosim.Manners{EmptyOneIn: 2, ShortOneIn: 2, Total: duosim.NoTotal}, many},
		"none on full":            {duosim.Manners{Cursor: duosim.NotOnFull}, many},
		"none on full, no total":  {duosim.Manners{Cursor: duosim.NotOnFull, Total: duosim.NoTotal}, many},
		"none on full, at least":  {duosim.Manners{Cursor: duosim.NotOnFull, Total: duosim.AtLeast}, many},
		"no offset":               {duosim.Manners{Cursor: duosim.OnlyIfShort}, many},
		"no offset, no total":     {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.NoTotal}, many},
		"no offset, at least":     {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.AtLeast}, many},
		"no offset, too few":      {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.TooFew}, many},
		"no offset, too many":     {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.TooMany}, many},
		"no offset, exact border": {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.NoTotal}, func(w *world) []duosim.Record { return many(w)[:w.page] }},
		"no offset, no metadata":  {duosim.Manners{Cursor: duosim.OnlyIfShort, Total: duosim.NoTotal, ExclusiveMin: true, ExclusiveMax: true}, many},
		"offset with nothing":     {duosim.Manners{Cursor: duosim.EvenEmpty, Total: duosim.NoTotal}, many},
		"beside":                  {duosim.Manners{Metadata: duosim.Beside}, many},
		"beside, short":           {duosim.Manners{Metadata: duosim.Beside, PageSize: 400, Total: duosim.NoTotal}, many},
		"in both":                 {duosim.Manners{Metadata: duosim.InBoth, PageSize: 400}, many},
		"total as text":           {duosim.Manners{PageSize: 700, TotalAs: duosim.Text}, many},
		"total as float":          {duosim.Manners{PageSize: 700, TotalAs: duosim.Float}, many},
		"total as object":         {duosim.Manners{PageSize: 700, TotalAs: duosim.Object}, many},
		"offset as list":          {duosim.Manners{PageSize: 700, Offset: duosim.ListOffset}, many},
		"offset opaque":           {duosim.Manners{PageSize: 700, Offset: duosim.OpaqueOffset}, crowded},
		"offset refused":          {duosim.Manners{RefusedOneIn: 1}, many},
		"offset repeated":         {duosim.Manners{SameOneIn: 1, PageSize: 700}, many},
		"exclusive bounds":        {duosim.Manners{ExclusiveMin: true, ExclusiveMax: true}, many},
		"inclusive, small":        {duosim.Manners{InclusiveCursor: true, PageSize: 400, Total: duosim.NoTotal}, many},
		"any id":                  {duosim.Manners{}, anyID},
		"any id, small pages":     {duosim.Manners{PageSize: 3}, anyID},
		"any time":                {duosim.Manners{}, anyTime},
		"any time, small pages":   {duosim.Manners{PageSize: 3}, anyTime},
		"any time, no total":      {duosim.Manners{PageSize: 3, Total: duosim.NoTotal}, anyTime},
	}
	logs, later := duo.Logs, 4 // runs after the first
	if testing.Short() {
		logs, later = logs[:1], 1
	}
	collects := func(t *testing.T, log duo.Log, overlap time.Duration, m duosim.Manners, collected func(*world) []duosim.Record) {
		w := newWorld(t, duosim.Config{Manners: m}).use(log)
		w.config.Overlap = overlap
		records := collected(w)
		w.sim.Add(records...)
		if w.leadsNowhere(m) && len(records) >= w.page {
			if r := w.run(collect.Job{}); r.Outcome != collect.Failed || !strings.Contains(r.Reason, "Duo Support") {
				t.Errorf("%s: %s", r.Outcome, r.Reason)
			}
			w.sim.Behave(duosim.Manners{})
		}
		w.complete()
		for i := range later {
			fresh := w.spread(3+i, w.clock(), time.Second)
			records = append(records, fresh...)
			w.sim.Add(fresh...)
			w.pass(3 * time.Minute)
			w.complete()
		}
		w.checkLate()
		if got := len(w.lines()); got != len(records) {
			t.Errorf("%d records are there, want all %d", got, len(records))
		}
	}
	for name, tt := range tests {
		if testing.Short() && strings.Contains(name, ",") { // a variant of another one
			continue
		}
		for i, log := range logs {
			overlaps := []time.Duration{10 * time.Minute, 0}
			if i > 0 || testing.Short() {
				overlaps = overlaps[:1] // the first log's tell what none does
			}
			for _, overlap := range overlaps {
				t.Run(fmt.Sprintf("%s/%s/overlap %s", log.Name, name, overlap), func(t *testing.T) {
					t.Parallel()
					collects(t, log, overlap, tt.manners, tt.records)
				})
			}
		}
	}
}

// leadsNowhere reports whether no honest walk gets past a full page: where offsets
// are positions, nothing else leads there.
func (s shape) leadsNowhere(m duosim.Manners) bool {
	return s.shifts && (m.Cursor == duosim.NotOnFull || m.Cursor == duosim.OnlyIfShort || m.RefusedOneIn == 1 || m.SameOneIn == 1)
}

// anyID returns two records for each id, with one time, and one id at two times.
func anyID(w *world) []duosim.Record {
	var out []duosim.Record
	for _, at := range []time.Time{w.start.Add(-2 * time.Hour), w.start.Add(-4 * time.Minute)} { // this one is met again
		for _, id := range strangeIDs {
			out = append(out, w.shown(at, id, w.stamp(at), len(out)))
			out = append(out, w.shown(at, id, w.stamp(at), len(out)))
		}
		step := 600 * time.Microsecond // twice in a millisecond too
		if w.millis {
			step = time.Millisecond
		}
		for i := range 3 {
			at := at.Add(time.Duration(i) * step)
			out = append(out, w.shown(at, `"220f89ff-bff8-4466-b6cb-b7787940ce68"`, w.stamp(at), len(out)))
		}
	}
	return out
}

// anyTime returns records that show such times: in the middle of a window, at
// its borders, and where the next windows reach back to. Some have an id.
func anyTime(w *world) []duosim.Record {
	w.config.MaxWindow = 6 * time.Hour
	border := w.start.Add(-24 * time.Hour).Add(w.config.MaxWindow)
	var out []duosim.Record
	for _, at := range []time.Time{
		border.Add(time.Hour), border.Add(-2 * time.Millisecond), border.Add(-time.Millisecond), border, border.Add(time.Millisecond),
		w.start.Add(-w.config.Delay), w.start.Add(-w.config.Delay - time.Millisecond), w.start.Add(-4 * time.Minute),
	} {
		for _, ts := range slices.Concat(w.strangeTimes(at), w.strangeTimes(at.Add(400*time.Microsecond))) {
			id := uuid(len(out), at)
			out = append(out, w.shown(at, `"`+id+`"`, ts, len(out)), w.shown(at, ``, ts, len(out)+1))
		}
	}
	return out
}

// A quiet run asks Duo once, as long as Duo counts exactly. So does one that finds
// less than a page.
func TestOneRequest(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]duosim.Manners{
		"every page": {}, "null at end": {Cursor: duosim.NullAtEnd}, "absent at end": {Cursor: duosim.AbsentAtEnd}, "even empty": {Cursor: duosim.EvenEmpty},
		"beside": {Metadata: duosim.Beside}, "text": {TotalAs: duosim.Text}, "object": {TotalAs: duosim.Object}, "inclusive": {InclusiveCursor: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{Manners: m})
			for _, n := range []int{0, 1, 40, 999} {
				w.sim.Add(w.spread(n, w.clock(), 10*time.Millisecond)...)
				w.pass(30 * time.Minute) // nothing of before is met again
				r := w.complete()        // its first request has the wrong time
				if asked := r.Requests - r.Retries; asked != 1 || r.Records != n {
					t.Errorf("%d requests for %d of %d records, want one for all", asked, r.Records, n)
				}
			}
		})
	}
}

// A run dies between its write and its commit, and the next one is shown an empty
// page first: the object that is there already is still adopted.
func TestEmptyPageAfterDeath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
	w.breakRun(breakage{at: 2, how: diesAfter})
	w.expire()
	w.sim.Behave(duosim.Manners{EmptyOneIn: 1})
	w.heal()
}

// An offset is refused after a page of one millisecond. The page from there shows
// nothing new and names the same offset: that more follows is known by now.
func TestRefusedAfterTies(t *testing.T) {
	t.Parallel()
	for _, total := range []duosim.Total{duosim.ExactTotal, duosim.NoTotal} {
		w := newWorld(t, duosim.Config{Manners: duosim.Manners{PageSize: 2, Total: total}})
		w.sim.Add(w.spread(2, w.start.Add(-2*time.Hour), 0)...)
		w.sim.Add(w.spread(9, w.start.Add(-time.Hour), time.Second)...)
		w.sim.Script(duosim.Pass, duosim.Refuse(40002, "Invalid request parameters"))
		w.run(collect.Job{}) // it may fail, see world.check
		w.heal()
	}
}

// Duo counts more than it shows, and shows another record when it is asked once
// more: the second walk writes to where the first one has written.
func TestSecondWalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{Total: duosim.TooMany}})
	w.sim.Add(w.spread(20, w.start.Add(-2*time.Hour), time.Second)...)
	w.sim.Script(duosim.Pass, func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		late := w.plain(uuid(1, w.start), w.start.Add(-3*time.Hour)) // before the place of the first walk
		late.VisibleAt = w.clock()
		w.sim.Add(late)
		next.ServeHTTP(rw, r)
	})
	if r := w.complete(); r.Records != 21 {
		t.Errorf("%d records, want 21", r.Records)
	}
	for name := range w.objects() {
		if !strings.Contains(name, "/duo/") {
			t.Errorf("%s is not at the stream's place", name)
		}
	}
	w.sim.Behave(duosim.Manners{})
	w.heal()
}

// TestAskedAgainFromStart has the offset after a record refused whose time is not
// in the window: the window is asked for from its start once more, and what is
// shown again counts again.
func TestAskedAgainFromStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Manners: duosim.Manners{PageSize: 1, Offset: duosim.OpaqueOffset, Total: duosim.TooFew}})
	at := w.start.Add(-2 * time.Hour)
	w.sim.Add(w.shown(at, `"x1"`, w.stamp(at.Add(-48*time.Hour)), 1), w.shown(at.Add(time.Minute), `"x2"`, w.stamp(at.Add(time.Minute)), 2))
	w.sim.Script(duosim.Pass, duosim.Refuse(40002, "Invalid request parameters"))
	if r := w.complete(); r.Records != 2 {
		t.Errorf("%d of 2 records", r.Records)
	}
}
