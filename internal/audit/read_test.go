package audit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/audit"
)

// afternoon is a start with a midnight in the day before it.
var afternoon = time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)

// TestPaging reads 2300 records of a day from Duos that page in every possible
// way, with no hint or wrong hints where the last page is.
func TestPaging(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it reads 50,000 records")
	}
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
		"counted on the first page alone":   {400, func(q asked, p *answer) { second(q, p) }},
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

// atEnd sends no offset with the last page.
func atEnd(p *answer) {
	if !p.more {
		p.next = "null"
	}
}

// between sends an empty page after each.
func between(q asked, p *answer) {
	if q.offset != "" && !strings.HasSuffix(q.offset, " ") {
		p.items, p.next = nil, quote(q.offset+" ")
	}
}

// stay sends an empty page at the end, with the offset of the request.
func stay(q asked, p *answer) {
	if len(p.items) == 0 && q.offset != "" {
		p.next = quote(q.offset)
	}
}

// hiccup sends an empty page instead of the second one, once.
func hiccup(q asked, p *answer) {
	p.total = ""
	if q.n == 2 {
		p.items, p.next = nil, quote(q.offset)
	}
}

// second cuts off all pages but the first, and counts no more than it shows.
func second(q asked, p *answer) {
	if q.offset != "" {
		p.items, p.next, p.total = p.items[:min(300, len(p.items))], "null", ""
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

// TestDoubt: if a doubt remains, the audit ends with an error.
func TestDoubt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestPlanted asks again")
	}
	for name, test := range map[string]struct {
		step  time.Duration
		habit func(q asked, p *answer)
		want  string
	}{
		"all offsets are refused":         {time.Second, refuse, "it refuses the offset"},
		"an offset leads to itself":       {time.Second, func(_ asked, p *answer) { p.next = `"1,x"` }, "its offset leads nowhere"},
		"offsets go on and on":            {time.Second, func(q asked, p *answer) { p.items, p.next = nil, quote(fmt.Sprint(q.n)) }, "without showing anything new"},
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

// TestAppears: a record appears after the walk has passed its place. Duo's count
// gives it away.
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

// TestDense: all records are of one second, and Duo cuts pages off without an
// offset.
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

// TestSpans: the audit asks for UTC days with some minutes more on either side,
// newest first, and then for the borders.
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

// TestHabits draws at random what Duo does with each answer. Unless the audit ends
// with an error, it has seen every record.
func TestHabits(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("AUDIT_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	errs, times := 0, 100
	if testing.Short() {
		times = 20
	}
	for i := range uint64(times) {
		r := rand.New(rand.NewPCG(seed+i, 0))
		events := spread(100+r.IntN(1500), afternoon.Add(-20*time.Hour), time.Duration(r.IntN(40))*time.Second/4+time.Millisecond)
		events = append(events, odd()...)
		account := newAccount(events...)
		account.limit = 120 + r.IntN(900)
		account.habit = drawn(r)
		w := newWorld(t, afternoon, account)
		report, err := audit.Run(t.Context(), w.collector, afternoon.Add(-24*time.Hour), afternoon.Add(-time.Hour), nil)
		if err != nil {
			if !strings.Contains(err.Error(), "is unknown whether") {
				t.Fatalf("AUDIT_SEED=%d: %v", seed+i, err)
			}
			errs++
			continue
		}
		if report.Duo != len(events) {
			t.Fatalf("AUDIT_SEED=%d: %d records seen of %d, in %d requests", seed+i, report.Duo, len(events), len(account.requests()))
		}
	}
	if errs > times/2 && !testing.Short() { // with -short there are too few
		t.Errorf("%d of %d ended with an error", errs, times)
	}
}

// drawn is a Duo of habits. It says of no page that cuts the log off that it is
// the last one: then either an offset follows, or it is as long as any, or what
// is counted tells.
func drawn(r *rand.Rand) func(q asked, p *answer) {
	var (
		end     = r.IntN(2) == 0 // no offset with the last page
		totals  = r.IntN(4)
		without = r.IntN(3) == 0 // no offsets at all
		faults  = r.IntN(5)      // of ten thousand answers so many hundred
		mixed   = r.IntN(2) == 0 // out of order
	)
	return func(q asked, p *answer) {
		if end {
			atEnd(p)
		}
		if without {
			p.next = "null"
		}
		switch totals {
		case 0:
			p.total = ""
		case 1:
			p.total = `{"relation":"gte","value":1}`
		case 2:
			p.total = quote(p.total)
		}
		if mixed {
			r.Shuffle(len(p.items), func(i, j int) { p.items[i], p.items[j] = p.items[j], p.items[i] })
		}
		if r.IntN(100) >= faults {
			return
		}
		switch r.IntN(5) {
		case 0:
			refuse(q, p)
		case 1:
			again(q, p)
		case 2:
			if q.offset != "" {
				p.items, p.next = nil, quote(q.offset)
			}
		case 3:
			p.total = "9999"
		case 4:
			p.next = `"past 0"`
		}
	}
}
