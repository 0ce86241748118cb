package duosim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// raws returns what records are sent as. Two long lists of them are compared
// without a diff, which would take minutes.
func raws(records []duosim.Record) []string {
	var raws []string
	for _, r := range records {
		raws = append(raws, string(r.Raw))
	}
	return raws
}

func TestGeneratorIsAFunctionOfTime(t *testing.T) {
	g := duosim.Generator{Seed: 7, PerHour: 1000}
	from, to := noon.Add(-90*time.Minute), noon.Add(-10*time.Minute)
	span := raws(newSim(duosim.Config{Generate: g}).Visible(from, to))
	later := newSim(duosim.Config{Generate: g, Now: func() time.Time { return noon.Add(30 * 24 * time.Hour) }})
	if !slices.Equal(span, raws(later.Visible(from, to))) {
		t.Error("a month later there are other records")
	}
	split := newSim(duosim.Config{Generate: g})
	middle := from.Add(33*time.Minute + 333*time.Millisecond)
	if !slices.Equal(span, raws(append(split.Visible(from, middle), split.Visible(middle, to)...))) {
		t.Error("in two parts there are other records")
	}
	g.Seed = 8
	if slices.Equal(span, raws(newSim(duosim.Config{Generate: g}).Visible(from, to))) {
		t.Error("another seed makes the same records")
	}
}

func TestGeneratorRecords(t *testing.T) {
	phone := regexp.MustCompile(`^\+1[2-9]\d\d55501\d\d$`)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 1000}})
	ids, ties, last := map[string]bool{}, 0, ""
	for _, r := range sim.Visible(noon.Add(-5*time.Hour), noon.Add(-time.Hour)) {
		var record struct{ TS, Phone, TxID, Type string }
		if err := json.Unmarshal(r.Raw, &record); err != nil {
			t.Fatal(err)
		}
		if !phone.MatchString(record.Phone) || !uuid.MatchString(r.ID) || !uuid.MatchString(record.TxID) || record.TxID == r.ID {
			t.Errorf("record of fictitious phone and two ids expected: %s", r.Raw)
		}
		ts, err := time.Parse(time.RFC3339Nano, record.TS)
		if err != nil || !ts.Equal(r.TS) {
			t.Errorf("ts = %s, %v; want %s", record.TS, err, r.TS)
		}
		ids[r.ID] = true
		key := fmt.Sprintf("%d,%s", r.TS.UnixMilli(), r.ID)
		if key <= last {
			t.Errorf("%s follows %s", key, last)
		}
		if len(last) > 13 && last[:13] == key[:13] {
			ties++
		}
		last = key
	}
	if len(ids) != 4000 || ties < 50 || ties > 1000 {
		t.Errorf("%d ids and %d ties; want 4000 and some", len(ids), ties)
	}
}

func TestGeneratorPerHour(t *testing.T) {
	for _, perHour := range []int{0, 1, 59, 61, 1000} {
		sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: perHour}})
		for hour := range 3 {
			from := noon.Add(-time.Duration(hour+2) * time.Hour)
			if got := len(sim.Visible(from, from.Add(time.Hour))); got != perHour {
				t.Errorf("%d an hour: %d in the hour of %s", perHour, got, from)
			}
		}
	}
}

func TestGeneratorFrom(t *testing.T) {
	from := noon.Add(-90*time.Minute + 20*time.Second)
	all := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 1000}}).Visible(from, noon)
	bounded := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 1000, From: from}})
	if got := raws(bounded.Visible(noon.Add(-24*time.Hour), noon)); !slices.Equal(raws(all), got) {
		t.Errorf("%d records, want the %d from %s on", len(got), len(all), from)
	}
}

func TestGeneratorLate(t *testing.T) {
	now := noon
	sim := newSim(duosim.Config{
		Now:      func() time.Time { return now },
		Generate: duosim.Generator{PerHour: 6000, LateOneIn: 10, LateBy: 5 * time.Minute},
	})
	from, to := noon.Add(-time.Minute), noon
	count := func(after time.Duration) int {
		now = noon.Add(after)
		return len(sim.Visible(from, to))
	}
	if n := count(2 * time.Minute); n < 80 || n > 97 {
		t.Errorf("%d of 100 are visible in time, want about 90", n)
	}
	if n := count(7 * time.Minute); n != 100 {
		t.Errorf("%d of 100 are visible at last", n)
	}
}

func TestTotal(t *testing.T) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 500, LateOneIn: 3, LateBy: time.Hour}})
	sim.Add(abc()...)
	all := sim.Visible(noon.Add(-2*time.Hour), noon)
	from, to := all[10].TS, all[len(all)-10].TS
	sim.Add(duosim.Record{TS: from, ID: "a"}, duosim.Record{TS: to, ID: "b"}, duosim.Record{TS: to, ID: "late", VisibleAt: noon.Add(time.Nanosecond)})
	_, page := do(t, sim, request(sim, noon, "mintime="+millis(from), "maxtime="+millis(to), "limit=10"))
	var metadata struct {
		Total int `json:"total_objects"`
	}
	if err := json.Unmarshal(page.Response.Metadata, &metadata); err != nil {
		t.Fatal(err)
	}
	if want := len(sim.Visible(from, to.Add(time.Millisecond))); metadata.Total != want || want < 500 {
		t.Errorf("total_objects = %d, want %d", metadata.Total, want)
	}
}

// A walk over generated and added records in pages shows each once.
func TestWalk(t *testing.T) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 300}, Manners: duosim.Manners{Cursor: duosim.NullAtEnd}})
	sim.Add(abc()...)
	for hour := range 3 { // the latest first
		sim.Add(duosim.Record{TS: noon.Add(-time.Duration(hour)*time.Hour - 30*time.Minute), ID: strconv.Itoa(hour)})
	}
	var want, got []string
	for _, r := range sim.Visible(noon.Add(-3*time.Hour), noon) {
		want = append(want, r.ID)
	}
	for params := []string{"mintime=" + millis(noon.Add(-3*time.Hour)), "limit=50"}; ; {
		_, page := do(t, sim, request(sim, noon, params...))
		got = append(got, page.ids(t)...)
		var metadata struct {
			Next string `json:"next_offset"`
		}
		if err := json.Unmarshal(page.Response.Metadata, &metadata); err != nil {
			t.Fatal(err)
		}
		if metadata.Next == "" {
			break
		}
		params = append(params[:2], "next_offset="+metadata.Next)
	}
	if !slices.Equal(want, got) || len(want) != 300*3-300/30+3+3 {
		t.Errorf("%d records in pages, want the %d visible ones in order", len(got), len(want))
	}
}

func BenchmarkPageOfADay(b *testing.B) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 10_000}})
	for b.Loop() {
		sim.ServeHTTP(nowhere{}, request(sim, noon))
	}
}
