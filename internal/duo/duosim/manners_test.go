package duosim_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// Each manner by itself, on three records of which two are asked for at a time.
func TestManners(t *testing.T) {
	ms := noon.Add(-time.Hour).UnixMilli()
	a, b, c := item("a", ms), item("b", ms), item("c", ms+1)
	next := fmt.Sprintf(`"next_offset":"%d,b"`, ms)
	page := func(items, metadata string) string {
		return `{"stat":"OK","response":{"items":[` + items + `],"metadata":{` + metadata + `}}}`
	}
	tests := map[string]struct {
		manners duosim.Manners
		params  string
		want    string
	}{
		"small":               {duosim.Manners{PageSize: 1}, "", page(a, fmt.Sprintf(`"next_offset":"%d,a","total_objects":3`, ms))},
		"large":               {duosim.Manners{PageSize: 5}, "", page(a+","+b, next+`,"total_objects":3`)},
		"empty":               {duosim.Manners{EmptyOneIn: 1}, "", page("", fmt.Sprintf(`"next_offset":"%d,-a","total_objects":3`, ms))},
		"after an empty one":  {duosim.Manners{EmptyOneIn: 1}, fmt.Sprintf("next_offset=%d,-a", ms), page(a+","+b, next+`,"total_objects":3`)},
		"newest, empty":       {duosim.Manners{EmptyOneIn: 1}, fmt.Sprintf("sort=ts:desc next_offset=%d,c", ms+1), page("", fmt.Sprintf(`"next_offset":"%d,-b","total_objects":3`, ms))},
		"newest, after it":    {duosim.Manners{EmptyOneIn: 1}, fmt.Sprintf("sort=ts:desc next_offset=%d,-b", ms), page(b+","+a, fmt.Sprintf(`"next_offset":"%d,a","total_objects":3`, ms))},
		"even empty":          {duosim.Manners{Cursor: duosim.EvenEmpty}, fmt.Sprintf("next_offset=%d,c", ms+1), page("", fmt.Sprintf(`"next_offset":"%d,c","total_objects":3`, ms+1))},
		"not on full":         {duosim.Manners{Cursor: duosim.NotOnFull}, "", page(a+","+b, `"total_objects":3`)},
		"not on full, end":    {duosim.Manners{Cursor: duosim.NotOnFull}, fmt.Sprintf("next_offset=%d,b", ms), page(c, fmt.Sprintf(`"next_offset":"%d,c","total_objects":3`, ms+1))},
		"only if short, full": {duosim.Manners{Cursor: duosim.OnlyIfShort}, "", page(a+","+b, `"total_objects":3`)},
		"only if short":       {duosim.Manners{Cursor: duosim.OnlyIfShort, PageSize: 1}, "", page(a, fmt.Sprintf(`"next_offset":"%d,a","total_objects":3`, ms))},
		"only if short, end":  {duosim.Manners{Cursor: duosim.OnlyIfShort}, fmt.Sprintf("next_offset=%d,b", ms), page(c, `"total_objects":3`)},
		"list":                {duosim.Manners{Offset: duosim.ListOffset}, "", page(a+","+b, fmt.Sprintf(`"next_offset":["%d","b"],"total_objects":3`, ms))},
		"same":                {duosim.Manners{SameOneIn: 1}, fmt.Sprintf("next_offset=%d,a", ms), page(b+","+c, fmt.Sprintf(`"next_offset":"%d,a","total_objects":3`, ms))},
		"at least":            {duosim.Manners{Total: duosim.AtLeast}, "", page(a+","+b, next+`,"total_objects":{"relation":"gte","value":2}`)},
		"too few":             {duosim.Manners{Total: duosim.TooFew}, "", page(a+","+b, next+`,"total_objects":0`)},
		"too few, empty":      {duosim.Manners{Total: duosim.TooFew, EmptyOneIn: 1}, "", page("", fmt.Sprintf(`"next_offset":"%d,-a","total_objects":2`, ms))},
		"too many":            {duosim.Manners{Total: duosim.TooMany}, "", page(a+","+b, next+`,"total_objects":5`)},
		"no total":            {duosim.Manners{Total: duosim.NoTotal}, "", page(a+","+b, next)},
		"text":                {duosim.Manners{TotalAs: duosim.Text}, "", page(a+","+b, next+`,"total_objects":"3"`)},
		"float":               {duosim.Manners{TotalAs: duosim.Float}, "", page(a+","+b, next+`,"total_objects":3.0`)},
		"object":              {duosim.Manners{TotalAs: duosim.Object}, "", page(a+","+b, next+`,"total_objects":{"relation":"eq","value":3}`)},
		"nothing":             {duosim.Manners{Total: duosim.NoTotal, Cursor: duosim.OnlyIfShort}, "", page(a+","+b, "")},
		"beside":              {duosim.Manners{Metadata: duosim.Beside, Total: duosim.NoTotal}, "", `{"stat":"OK","response":{"items":[` + a + "," + b + `]},"metadata":{` + next + `}}`},
		"in both":             {duosim.Manners{Metadata: duosim.InBoth, Total: duosim.NoTotal}, "", `{"stat":"OK","response":{"items":[` + a + "," + b + `],"metadata":{` + next + `}},"metadata":{` + next + `}}`},
		"without the first":   {duosim.Manners{ExclusiveMin: true}, fmt.Sprintf("mintime=%d", ms), page(c, fmt.Sprintf(`"next_offset":"%d,c","total_objects":1`, ms+1))},
		"without the last":    {duosim.Manners{ExclusiveMax: true}, fmt.Sprintf("maxtime=%d limit=3", ms+1), page(a+","+b, next+`,"total_objects":2`)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{Manners: tt.manners})
			sim.Add(numbered("a", ms), numbered("b", ms), numbered("c", ms+1))
			w, _ := do(t, sim, request(sim, noon, append([]string{"limit=2"}, strings.Fields(tt.params)...)...))
			if got := w.Body.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// numbered is a record that shows no more than its name.
func numbered(id string, ms int64) duosim.Record {
	return duosim.Record{TS: time.UnixMilli(ms), ID: id, Raw: json.RawMessage(item(id, ms))}
}

// line is what is read of one, in whatever log.
type line struct {
	ID string `json:"telephony_id"`
	TS int64
}

func item(id string, ms int64) string { return fmt.Sprintf(`{"telephony_id":%q,"ts":%d}`, id, ms) }

func TestOpaqueOffset(t *testing.T) {
	sim := newSim(duosim.Config{Manners: duosim.Manners{Offset: duosim.OpaqueOffset}})
	sim.Add(abc()...)
	w, page := do(t, sim, request(sim, noon, "limit=2"))
	var metadata struct {
		Next string `json:"next_offset"`
	}
	if err := json.Unmarshal(page.Response.Metadata, &metadata); err != nil || metadata.Next == "" || strings.Contains(metadata.Next, ",") {
		t.Fatalf("%v, %s; want an offset that says nothing", err, w.Body)
	}
	sim.Behave(duosim.Manners{}) // an offset stays good
	if _, page = do(t, sim, request(sim, noon, "next_offset="+metadata.Next)); !slices.Equal(page.ids(t), []string{"c"}) {
		t.Errorf("it leads to %v, want c", page.ids(t))
	}
	sim.Behave(duosim.Manners{RefusedOneIn: 1})
	if _, refused := do(t, sim, request(sim, noon, "next_offset="+metadata.Next)); refused.Code != 40002 {
		t.Errorf("code %d, want 40002", refused.Code)
	}
}

func TestEdits(t *testing.T) {
	sim := newSim(duosim.Config{})
	sim.Add(duosim.Record{TS: noon.Add(-time.Hour), ID: "a", Raw: json.RawMessage(`1`), Edits: []json.RawMessage{[]byte(`2`), []byte(`3`)}})
	for _, want := range []string{`1`, `2`, `3`, `3`} {
		if _, page := do(t, sim, request(sim, noon)); string(page.Response.Items[0]) != want {
			t.Errorf("shown as %s, want %s", page.Response.Items[0], want)
		}
	}
	if visible := sim.Visible(noon.Add(-2*time.Hour), noon); len(visible) != 1 || string(visible[0].Raw) != `1` {
		t.Errorf("visible = %v, want it as it was at first", visible)
	}
}

// Whatever the log, the manners and the order, a reader who believes what an answer
// says without a doubt, and asks once more where it leaves one, sees every record.
// So a collector that loses one has concluded too much.
func TestNothingIsDenied(t *testing.T) {
	seed, times := rand.Uint64(), 60
	if testing.Short() {
		times = 3
	}
	forEachLog(t, func(t *testing.T, log string) {
		certain := 0
		for i := range times {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			m := duosim.Random(random)
			sim := newSim(duosim.Config{Manners: m})
			n := random.IntN(30)
			if m.PageSize == 0 && random.IntN(10) == 0 {
				n += logs[log].most - 50 + random.IntN(100)
			}
			for id := range n {
				sim.Log(log).Add(numbered(strconv.Itoa(id), noon.Add(-time.Hour).UnixMilli()+int64(random.IntN(2*n))))
			}
			r := reader{log: log, sim: sim, random: random, newest: random.IntN(2) == 0, shown: map[string]bool{}}
			r.limit = cmp.Or(random.IntN(2)*logs[log].most, 2+random.IntN(10))
			if !r.read(t, noon.Add(-61*time.Minute).UnixMilli(), noon.Add(-59*time.Minute).UnixMilli()) {
				continue // there was always a doubt
			}
			if certain++; len(r.shown) != n {
				t.Fatalf("seed %d, %d: %d of %d records, newest first %t, limit %d: %+v", seed, i, len(r.shown), n, r.newest, r.limit, m)
			}
		}
		if certain < times/2 && !testing.Short() { // few tell nothing; 55 of 60 are usual, 47 the fewest of 240 counted
			t.Errorf("only %d of %d walks came to an end", certain, times)
		}
	})
}

// reader reads a log as the simulator's comments allow.
type reader struct {
	log    string
	sim    *duosim.Sim
	random *rand.Rand
	newest bool
	limit  int
	shown  map[string]bool
}

// read reports whether an answer says without a doubt that this is all.
func (r *reader) read(t *testing.T, from, to int64) bool {
	t.Helper()
	walk, offset := map[string]bool{}, ""
	for request, again := 0, 0; request < 5000 && again < 20; request++ {
		p, ok := r.page(t, from, to, offset)
		for _, i := range p.items {
			if !r.shown[i.ID] {
				again = 0
			}
			walk[i.ID], r.shown[i.ID] = true, true
		}
		full := len(p.items) >= r.limit
		switch {
		case ok && !full && p.next == "", ok && len(p.items) == 0 && p.next == offset, ok && !full && p.total == len(walk):
			return true
		case ok && p.next != "" && p.next != offset:
			offset = p.next
			continue
		}
		// Refused, repeated or missing. Without an order the range is read in
		// two parts, which overlap where bounds leave out a millisecond.
		if !logs[r.log].sort && to-from > 4 && again > 2 {
			middle := (from + to) / 2
			return r.read(t, from, middle+1) && r.read(t, middle-1, to)
		}
		// With one, begin anew where the last record is.
		if logs[r.log].sort && len(p.items) > 0 {
			last := p.items[len(p.items)-1].TS
			if r.newest {
				to = last + 1
			} else {
				from = last - 1
			}
		}
		walk, offset = map[string]bool{}, ""
		again++
	}
	return false
}

type read struct {
	items []line
	next  string
	total int // -1 if it is none that is exact
}

// page asks for a page, and reports false where the offset is refused.
func (r *reader) page(t *testing.T, from, to int64, offset string) (p read, ok bool) {
	t.Helper()
	params := []string{fmt.Sprintf("mintime=%d", from), fmt.Sprintf("maxtime=%d", to), fmt.Sprintf("limit=%d", r.limit), logs[r.log].offset + "=" + offset}
	switch {
	case !logs[r.log].sort:
		params = append(params, "sort=")
	case r.newest:
		params = append(params, "sort=ts:desc")
	}
	w, a := do(t, r.sim, requestFor(r.log, r.sim, noon, params...))
	if w.Code != http.StatusOK {
		return p, false
	}
	for _, raw := range a.list(r.log) {
		var i line
		if err := json.Unmarshal(raw, &i); err != nil {
			t.Fatal(err)
		}
		p.items = append(p.items, i)
	}
	p.next, p.total = a.next(t), a.total(t)
	return p, true
}

// Newest first is the same log in the other order, at the same price.
func TestNewestFirst(t *testing.T) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 300}, Manners: duosim.Manners{Cursor: duosim.NullAtEnd}})
	var got []string
	for offset := ""; ; {
		_, page := do(t, sim, request(sim, noon, "sort=ts:desc", "next_offset="+offset))
		got = append(got, page.ids(t)...)
		var metadata struct {
			Next string `json:"next_offset"`
		}
		if err := json.Unmarshal(page.Response.Metadata, &metadata); err != nil {
			t.Fatal(err)
		}
		if offset = metadata.Next; offset == "" {
			break
		}
	}
	slices.Reverse(got)
	var want []string
	for _, r := range sim.Visible(noon.Add(-24*time.Hour), noon) {
		want = append(want, r.ID)
	}
	if !slices.Equal(got, want) || len(want) < 7000 {
		t.Errorf("%d records, want the %d visible ones the other way round", len(got), len(want))
	}
}

// The last page of a day, which must not cost the walk to it.
func BenchmarkLastPageNewestFirst(b *testing.B) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 10_000}, Manners: duosim.Manners{Total: duosim.NoTotal}})
	first := sim.Visible(noon.Add(-24*time.Hour), noon.Add(-23*time.Hour))[500]
	for b.Loop() {
		sim.ServeHTTP(nowhere{}, request(sim, noon, "sort=ts:desc", "next_offset="+millis(first.TS)+","+first.ID))
	}
}
