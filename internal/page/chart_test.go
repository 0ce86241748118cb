package page

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

func TestScale(t *testing.T) {
	decimal := []float64{1, 2, 5}
	for _, tt := range []struct {
		steps              []float64
		highest, step, top float64
	}{
		{decimal, 0, 1, 1}, {decimal, 1, 1, 1}, {decimal, 4, 1, 4}, {decimal, 5, 2, 6}, {decimal, 47, 20, 60}, {decimal, 333, 100, 400},
		{decimal, 40_000, 10_000, 40_000}, {decimal, 1e9, 5e8, 1e9},
		{lagSteps, 0, 1, 1}, {lagSteps, 330, 120, 360}, {lagSteps, 1050, 300, 1200}, {lagSteps, 3750, 3600, 7200},
		{lagSteps, 20 * 3600, 6 * 3600, 24 * 3600}, {lagSteps, 190 * 86400, 50 * 86400, 200 * 86400},
	} {
		if step, top := scale(tt.highest, tt.steps); step != tt.step || top != tt.top {
			t.Errorf("up to %g: steps of %g up to %g, want %g up to %g", tt.highest, step, top, tt.step, tt.top)
		}
	}
}

// heights are the bars of runs with these numbers of records, the oldest first.
func heights(records ...int) (heights []float64, cuts []string) {
	s := collect.Status{Now: noon}
	for _, n := range records {
		s.Runs = append([]collect.Summary{{Outcome: collect.Complete, Records: n}}, s.Runs...)
	}
	for _, b := range newStream(s, State{}).recordsChart().Bars {
		heights, cuts = append(heights, b.Height), append(cuts, b.Cut)
	}
	return heights, cuts
}

func TestBars(t *testing.T) {
	for name, tt := range map[string]struct {
		records []int
		heights []float64
		cuts    string
	}{
		"linear":             {[]int{0, 10, 20, 40}, []float64{0, 37.5, 75, 150}, ",,,"},
		"one":                {[]int{47}, []float64{117.5}, ""},
		"all empty":          {[]int{0, 0}, []float64{0, 0}, ","},
		"small is seen":      {[]int{1, 400, 300}, []float64{3, 150, 112.5}, ",,"},
		"the first is a day": {[]int{9500, 2, 0, 4}, []float64{150, 75, 0, 150}, "9,500,,,"},
	} {
		t.Run(name, func(t *testing.T) {
			got, cuts := heights(tt.records...)
			if diff := cmp.Diff(tt.heights, got); diff != "" || strings.Join(cuts, ",") != tt.cuts {
				t.Errorf("cuts %q, want %q; heights (-want +got):\n%s", cuts, tt.cuts, diff)
			}
		})
	}
}

// TestBarsFit expects the slots of any number of runs side by side within the
// plot, the newest at its right edge.
func TestBarsFit(t *testing.T) {
	for n := 1; n <= store.HistoryLimit; n++ {
		s := collect.Status{Now: noon, Runs: make([]collect.Summary, n)}
		c := newStream(s, State{}).recordsChart()
		for i, b := range c.Bars {
			if want := 100 - c.Slot*float64(n-i); c.Slot < 2 || math.Abs(b.X-want) > 0.3 || b.X < 0 {
				t.Fatalf("%d runs: slot %d begins at %g%% and is %g%% wide, want it at %g%%", n, i, b.X, c.Slot, want)
			}
		}
	}
}

func TestBarOutcomes(t *testing.T) {
	s := collect.Status{Now: noon, Runs: []collect.Summary{
		{Outcome: collect.Partial, StartedAt: noon},
		{Outcome: collect.Failed, StartedAt: *before(time.Minute)},
		{Outcome: collect.Complete, StartedAt: *before(24 * time.Hour), Records: 1234},
	}}
	c := newStream(s, State{}).recordsChart()
	var texts []string
	for _, b := range c.Bars {
		texts = append(texts, b.Text)
	}
	want := []string{"21 Nov 12:00:00 UTC: complete, 1,234 records", "11:59:00 UTC: failed, 0 records", "12:00:00 UTC: partial, 0 records"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if c.Bars[2].Height != 5 || c.Bars[2].Top != plotHeight-5 {
		t.Errorf("a partial run without records has a bar of %g at %g", c.Bars[2].Height, c.Bars[2].Top)
	}
	if want := "3 runs: 1 complete, 1 partial, 1 failed; 1,234 records in all, at most 1,234 in one."; !strings.HasPrefix(c.Summary, want) {
		t.Errorf("summary %q, want %q", c.Summary, want)
	}
}

func TestLagCurve(t *testing.T) {
	s := working()
	s.Runs = s.Runs[:3]
	c := stream{Status: s, Limit: 10 * time.Minute}.lagChart() // 150 pixels are 10 minutes
	// After each run 150 s, before the next one and now 450 s.
	if want := "M888.25 112.5L912.75 37.5L937.75 112.5L962.5 37.5L987.5 112.5L1000 37.5"; !closeTo(c.Path, want, 2) || c.Now != 37.5 || c.Limit != 0 {
		t.Errorf("path %s, now %g, limit %g; want %s, 37.5, 0", c.Path, c.Now, c.Limit, want)
	}
	want := "At most 7 min 30 s, now 7 min 30 s; up to 10 min is on time."
	if !strings.HasPrefix(c.Summary, want) {
		t.Errorf("summary %q, want %q", c.Summary, want)
	}
	var labels []string
	for _, y := range c.Y {
		labels = append(labels, fmt.Sprintf("%g %s", y.Pos, y.Text))
	}
	if diff := cmp.Diff([]string{"150 0 s", "75 5 min", "0 10 min"}, labels); diff != "" {
		t.Errorf("axis (-want +got):\n%s", diff)
	}
}

// closeTo compares two paths number by number.
func closeTo(a, b string, within float64) bool {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("ML ", r) })
	}
	as, bs := split(a), split(b)
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		var x, y float64
		fmt.Sscan(as[i], &x)
		fmt.Sscan(bs[i], &y)
		if math.Abs(x-y) > within {
			return false
		}
	}
	return true
}

func TestChartsOfNothing(t *testing.T) {
	s := newStream(collect.Status{Now: noon}, State{})
	if bars, curve := s.recordsChart().Bars, s.lagChart().Path; bars != nil || curve != "" {
		t.Errorf("bars %v, curve %q", bars, curve)
	}
}

// TestRunTicks: four at most, far enough apart for their texts, the newest at
// the edge, and a date where the day changes.
func TestRunTicks(t *testing.T) {
	for n := 1; n <= store.HistoryLimit; n++ {
		s := collect.Status{Now: noon}
		for i := range n {
			s.Runs = append(s.Runs, collect.Summary{StartedAt: *before(time.Duration(i) * 17 * time.Hour)})
		}
		ticks := newStream(s, State{}).recordsChart().X
		if last := ticks[len(ticks)-1]; len(ticks) > 4 || !last.Last || last.Spare || last.Text != "12:00 UTC" {
			t.Fatalf("%d runs: ticks %+v", n, ticks)
		}
		day := ""
		for i, tick := range ticks {
			if i > 0 && tick.Pos-ticks[i-1].Pos < 23 {
				t.Errorf("%d runs: ticks at %g and %g", n, ticks[i-1].Pos, tick.Pos)
			}
			if at := tick.At[:10]; at != day && (tick.Day == "") != (i == 0 && at == "2026-11-22") {
				t.Errorf("%d runs: no date at %s", n, at)
			}
			day = tick.At[:10]
		}
	}
}
