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

// heights are the bars of runs with these numbers of records, the oldest first.
func heights(records ...int) (heights []float64, cuts []string) {
	s := collect.Status{Now: noon}
	for _, n := range records {
		s.Runs = append([]collect.Summary{{Outcome: collect.Complete, Records: n}}, s.Runs...)
	}
	for _, b := range newStream(collect.LogStatus{Status: s}, State{}).Records().Bars {
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
		"one":                {[]int{47}, []float64{150}, ""},
		"all empty":          {[]int{0, 0}, []float64{0, 0}, ","},
		"small is seen":      {[]int{1, 400, 300}, []float64{4, 150, 112.5}, ",,"},
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
		c := newStream(collect.LogStatus{Status: s}, State{}).Records()
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
	c := newStream(collect.LogStatus{Status: s}, State{}).Records()
	var texts []string
	for _, b := range c.Bars {
		texts = append(texts, b.Text)
	}
	want := []string{"21 Nov 12:00:00 UTC: complete, 1,234 records", "11:59:00 UTC: failed, 0 records", "12:00:00 UTC: partial, 0 records"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if c.Bars[2].Height != 4 || c.Bars[2].Top != plotHeight-4 {
		t.Errorf("a partial run without records has a bar of %g at %g", c.Bars[2].Height, c.Bars[2].Top)
	}
	if want := "Since 21 Nov 12:00:00 UTC: 1 run complete, 1 partial (hollow), 1 failed (×); 1,234 records in all, at most 1,234 in one."; plain(c.Caption) != want {
		t.Errorf("caption %q, want %q", c.Caption, want)
	}
}

func TestLagCurve(t *testing.T) {
	s := working()
	s.Runs = s.Runs[:3]
	c := stream{LogStatus: collect.LogStatus{Status: s}, Limit: 10 * time.Minute}.Lag() // 150 pixels are 10 minutes
	// After each run 150 s, before the next one and now 450 s.
	if want := "M888.25 112.5L912.75 37.5L937.75 112.5L962.5 37.5L987.5 112.5L1000 37.5"; !closeTo(c.Path, want, 2) || c.Now != 37.5 || c.Limit != 0 {
		t.Errorf("path %s, now %g, limit %g; want %s, 37.5, 0", c.Path, c.Now, c.Limit, want)
	}
	want := "Before and after each run since 11:45:00 UTC: at most 7 min 30 s, now 7 min 30 s; up to 10 min (dotted) is on time."
	if c.Top != "10 min" || plain(c.Caption) != want {
		t.Errorf("%s at the top, caption %q; want 10 min, %q", c.Top, c.Caption, want)
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

func TestNoLag(t *testing.T) {
	s := newStream(collect.LogStatus{Status: collect.Status{Now: noon, Runs: []collect.Summary{{Outcome: collect.Failed}}}}, State{})
	if c := s.Lag(); c.Path != "" {
		t.Errorf("a curve of nothing: %s", c.Path)
	}
}
