package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/audit"
)

// afternoon is a start whose last day has a midnight in it.
var afternoon = time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)

// TestPaging reads 2300 records of a day from Duos that page in every way that
// one may, without a hint where the last page is or with wrong ones.
func TestPaging(t *testing.T) {
	t.Parallel()
	none := func(_ asked, p *answer) { p.next = "null" }
	for name, test := range map[string]struct {
		limit int
		habit func(q asked, p *answer)
	}{
		"an offset on every page":           {1000, func(asked, *answer) {}},
		"an offset with all but the last":   {1000, func(_ asked, p *answer) { atEnd(p) }},
		"400, offset, total":                {400, func(asked, *answer) {}},
		"700, offset":                       {700, func(_ asked, p *answer) { p.total = "" }},
		"700, offset, at least":             {700, func(_ asked, p *answer) { p.total = `{"relation":"gte","value":700}` }},
		"full, no offset, total":            {1000, none},
		"full, no offset, no total":         {1000, func(q asked, p *answer) { none(q, p); p.total = "" }},
		"full, no offset, its own length":   {1000, func(q asked, p *answer) { none(q, p); p.total = fmt.Sprint(len(p.items)) }},
		"400, no offset, total":             {400, none},
		"400, no offset, no total":          {400, func(q asked, p *answer) { none(q, p); p.total = "" }},
		"metadata beside":                   {400, func(_ asked, p *answer) { p.beside = true }},
		"the last record again":             {400, func(q asked, p *answer) { p.next = strings.Replace(p.next, "00\"", "99\"", 1) }},
		"empty pages between":               {400, between},
		"an empty page, twice the offset":   {1000, func(q asked, p *answer) { stay(q, p) }},
		"nothing once, and the same offset": {1000, hiccup},
		"the oldest first":                  {400, func(_ asked, p *answer) { slices.Reverse(p.items) }},
		"a second page is refused":          {400, func(q asked, p *answer) { atEnd(p); refuse(q, p) }},
		"an offset that stays":              {400, func(q asked, p *answer) { atEnd(p); again(q, p) }},
		"offsets in a circle":               {400, func(q asked, p *answer) { atEnd(p); circle(q, p) }},
		"once a total that is too large":    {1000, func(q asked, p *answer) { more(q, p) }},
		"a total that is too small":         {1000, func(_ asked, p *answer) { p.total = "0" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := spread(2300, afternoon.Add(-22*time.Hour), 25*time.Second)
			account := newAccount(events...)
			account.limit, account.habit = test.limit, test.habit
			w := newWorld(t, afternoon, account)
			w.put(24*time.Hour, time.Hour, 1, lines(events)...)
			r := w.audit(24*time.Hour, time.Hour)
			if wantFaults(t, r, nil); r.Duo != 2300 || r.Bucket != 2300 {
				t.Errorf("%d records at Duo, %d in the bucket, %d requests", r.Duo, r.Bucket, len(account.requests()))
			}
			for _, q := range account.requests() {
				if !q.newest {
					t.Fatalf("asked as a run does: %+v", q)
				}
			}
		})
	}
}

// atEnd is the habit to give no offset with the last page.
func atEnd(p *answer) {
	if !p.more {
		p.next = "null"
	}
}

// between gives an empty page after each.
func between(q asked, p *answer) {
	if q.offset != "" && !strings.HasSuffix(q.offset, " ") {
		p.items, p.next = nil, quote(q.offset+" ")
	}
}

// stay gives an empty page at the end, with the offset that was asked with.
func stay(q asked, p *answer) {
	if len(p.items) == 0 && q.offset != "" {
		p.next = quote(q.offset)
	}
}

// hiccup gives an empty page in the place of the third one, once.
func hiccup(q asked, p *answer) {
	if q.n == 3 && q.offset != "" {
		p.items, p.next = nil, quote(q.offset)
	}
}

func refuse(q asked, p *answer) {
	if q.offset != "" {
		*p = answer{code: 40002}
	}
}

func again(q asked, p *answer) {
	if q.offset != "" && p.next != "null" {
		p.next = quote(q.offset)
	}
}

func circle(q asked, p *answer) {
	if q.offset == "past 800" {
		p.next = quote("past 400")
	}
}

func more(q asked, p *answer) {
	if q.n < 4 {
		p.total = "9999"
	}
}

// TestDoubt ends with an error where Duo never gets beyond a doubt.
func TestDoubt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step  time.Duration
		habit func(q asked, p *answer)
		want  string
	}{
		"all offsets are refused":         {time.Second, refuse, "it refuses the offset"},
		"an offset leads to itself":       {time.Second, func(_ asked, p *answer) { p.next = `"1,x"` }, "back to where it led"},
		"offsets lead on and on":          {time.Second, func(q asked, p *answer) { p.items, p.next = nil, quote(fmt.Sprint(q.n)) }, "to nothing new"},
		"a total that is too large":       {time.Second, func(_ asked, p *answer) { p.total = "9999" }, "it counts 9999 records and shows"},
		"a page of one millisecond":       {0, func(_ asked, p *answer) { p.next = "null" }, "a page of 1000 records is as long as any"},
		"a page of one millisecond, 40%":  {0, func(_ asked, p *answer) { p.items, p.next = p.items[:min(400, len(p.items))], "null" }, "a page of 400 records"},
		"a permission that is taken away": {time.Second, func(q asked, p *answer) { p.code = 40301 }, "Grant read log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := newAccount(spread(1500, afternoon.Add(-10*time.Hour), test.step)...)
			account.habit = test.habit
			w := newWorld(t, afternoon, account)
			r, err := audit.Run(t.Context(), w.collector, afternoon.Add(-24*time.Hour), afternoon.Add(-time.Hour), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v, %v", r, err)
			}
			if n := len(account.requests()); n > 1000 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestAppears has a record appear while the walk has passed its place: what Duo
// counts tells of it.
func TestAppears(t *testing.T) {
	t.Parallel()
	events := spread(2300, afternoon.Add(-22*time.Hour), 25*time.Second)
	account := newAccount(events...)
	account.habit = func(q asked, _ *answer) {
		if q.n == 2 {
			account.log = append(account.log, plain("late 1", afternoon.Add(-2*time.Hour)))
		}
	}
	w := newWorld(t, afternoon, account)
	w.put(24*time.Hour, time.Hour, 1, lines(events)...)
	wantFaults(t, w.audit(24*time.Hour, time.Hour), map[string][]string{"missing": {"late 1×0"}})
}

// TestDense has Duo cut pages off, without an offset, that are all of one second.
func TestDense(t *testing.T) {
	t.Parallel()
	events := spread(5000, afternoon.Add(-10*time.Hour), 200*time.Microsecond)
	account := newAccount(events...)
	account.habit = func(_ asked, p *answer) { p.next, p.total = "null", "" }
	w := newWorld(t, afternoon, account)
	w.put(24*time.Hour, time.Hour, 1, lines(events)...)
	if r := w.audit(24*time.Hour, time.Hour); !r.Exact() || r.Duo != 5000 {
		t.Errorf("%+v", r)
	}
}

// TestSpans asks for UTC days with some minutes more on either side, the newest
// first, and for the borders again.
func TestSpans(t *testing.T) {
	t.Parallel()
	account := newAccount()
	w := newWorld(t, afternoon, account)
	w.audit(63*time.Hour, time.Hour) // from midnight on
	var got []string
	for _, q := range account.requests() {
		got = append(got, time.UnixMilli(q.min).UTC().Format("02T15:04:05.000")+" "+time.UnixMilli(q.max).UTC().Format("02T15:04:05.000"))
	}
	want := []string{
		"09T23:55:00.000 10T13:59:59.999", "08T23:55:00.000 10T00:05:00.000", "08T00:00:00.000 09T00:05:00.000",
		"10T13:59:59.999 10T14:00:00.000", "07T23:59:59.999 08T00:00:00.000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("asked for %q", got)
	}
}
