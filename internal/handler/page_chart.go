package handler

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

const (
	// plotHeight is that of a chart's plot, in pixels. Its width is whatever
	// the window has, so everything across is in percent.
	plotHeight = 150
	// fewestSlots keeps the bars of a young stream from being slabs.
	fewestSlots = 20
	// outlier is how many times the second highest bar the highest one may be:
	// the first run collects a day, and would flatten all that follow.
	outlier = 6
)

// chart is a plot with a slot for each run, the newest at the right.
type chart struct {
	Summary string // for who does not see it
	Y       []tick
	X       []tick
	Bars    []bar
	Path    string  // of the curve, in a box of 1000 × plotHeight
	Now     float64 // where the curve ends, in pixels from the top
	Limit   float64 // where the greatest lag that is on time is, likewise
}

// tick is a place on an axis and what it means there.
type tick struct {
	Pos   float64 // in pixels from the top, or in percent from the left
	Text  string
	Day   string // the date, where it changes
	At    string // of a time, as RFC 3339
	Last  bool   // it ends at the right edge
	Spare bool   // it is left out where there is little room
}

// bar is a run's number of records.
type bar struct {
	X, Width, Center float64 // in percent
	Height, Top      float64 // in pixels
	Outcome          string
	Cut              string // the number, where the bar is too high to be drawn
	Slot             float64
	SlotWidth        float64
	Text             string // what the pointer shows
}

// slots returns the runs, the oldest first, and how wide a slot is and where
// the first one begins, in percent.
func slots(newest []store.Run) (runs []store.Run, width, left float64) {
	runs = slices.Clone(newest)
	slices.Reverse(runs)
	n := max(len(runs), fewestSlots)
	width = 100 / float64(n)
	return runs, width, width * float64(n-len(runs))
}

func recordsChart(s collect.Status) chart {
	runs, width, left := slots(s.Runs)
	var values []float64
	outcomes := map[string]int{}
	most, sum := 0, 0
	for _, r := range runs {
		values = append(values, float64(r.Records))
		outcomes[r.Outcome]++
		most, sum = max(most, r.Records), sum+r.Records
	}
	if len(runs) == 0 {
		return chart{Summary: "No run yet."}
	}
	step, top := scale(ceiling(values), []float64{1, 2, 5})
	c := chart{X: runTicks(runs, width, left, s.Now), Y: yTicks(step, top, func(v float64) string { return count(int(v)) })}
	for i, r := range runs {
		x := left + float64(i)*width
		b := bar{
			X: round(x + width*0.15), Width: round(width * 0.7), Center: round(x + width/2), Slot: round(x), SlotWidth: round(width), Outcome: r.Outcome,
			Text: fmt.Sprintf("%s: %s, %s", say(s.Now, r.StartedAt), r.Outcome, counted(r.Records, "record")),
		}
		if r.Records > 0 {
			b.Height = max(3, round(min(1, values[i]/top)*plotHeight))
		}
		if r.Outcome == collect.Partial { // to be seen even if it has none
			b.Height = max(5, b.Height)
		}
		if values[i] > top {
			b.Cut = count(r.Records)
		}
		b.Top = plotHeight - b.Height
		c.Bars = append(c.Bars, b)
	}
	c.Summary = fmt.Sprintf("%s: %d complete, %d partial, %d failed; %s in all, at most %s in one. The table of the last runs has the numbers.",
		counted(len(runs), "run"), outcomes[collect.Complete], outcomes[collect.Partial], outcomes[collect.Failed], counted(sum, "record"), count(most))
	return c
}

// ceiling is the highest value, or the second highest where the highest would
// flatten all others.
func ceiling(values []float64) float64 {
	sorted := append([]float64{0, 0}, values...)
	slices.Sort(sorted)
	highest, second := sorted[len(sorted)-1], sorted[len(sorted)-2]
	if second > 0 && highest > outlier*second {
		return second
	}
	return highest
}

// lagChart draws the lag as it was when each run began and when it ended, and
// as it is now.
func lagChart(s collect.Status, r rhythm) chart {
	runs, width, left := slots(s.Runs)
	var xs, lags []float64
	add := func(x float64, lag time.Duration) {
		xs, lags = append(xs, x), append(lags, max(0, lag.Seconds()))
	}
	for i, run := range runs {
		center := left + (float64(i)+0.5)*width
		if i > 0 && runs[i-1].Watermark != nil {
			add(center-width/4, run.StartedAt.Sub(*runs[i-1].Watermark))
		}
		if run.Watermark != nil {
			add(center+width/4, time.Duration(run.LagSeconds)*time.Second)
		}
	}
	if s.Watermark != nil {
		add(100, s.Now.Sub(*s.Watermark))
	}
	worst := 0.0
	for _, lag := range lags {
		worst = max(worst, lag)
	}
	if len(lags) == 0 {
		return chart{Summary: "No run yet."}
	}
	now := lags[len(lags)-1]
	step, top := scale(max(worst, r.Limit.Seconds()), lagSteps)
	return chart{
		X: runTicks(runs, width, left, s.Now), Path: path(xs, lags, top), Now: height(now, top), Limit: height(r.Limit.Seconds(), top),
		Y: yTicks(step, top, seconds),
		Summary: fmt.Sprintf("At most %s, now %s; up to %s is on time. The table of the last runs has the lag after each.",
			seconds(worst), seconds(now), span(r.Limit)),
	}
}

func seconds(v float64) string { return span(time.Duration(v) * time.Second) }

// path is the curve in a box that the page stretches to the plot's width.
func path(xs, values []float64, top float64) string {
	var b strings.Builder
	for i, x := range xs {
		command := 'L'
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&b, "%c%g %g", command, round(x*10), height(values[i], top))
	}
	return b.String()
}

func height(value, top float64) float64 { return round(plotHeight * (1 - value/top)) }

// lagSteps are the steps of an axis in seconds: what people count time in.
var lagSteps = []float64{
	1, 2, 5, 10, 15, 60, 120, 300, 600, 900, 3600, 2 * 3600, 6 * 3600, 86400, 2 * 86400, 5 * 86400,
}

// scale returns the step of an axis and its top: four steps at most. Steps
// beyond the last one are its multiples of ten, for what has no end.
func scale(highest float64, steps []float64) (step, top float64) {
	for ten := 1.0; ; ten *= 10 {
		for _, s := range steps {
			if step = s * ten; highest <= 4*step {
				return step, max(1, math.Ceil(highest/step)) * step
			}
		}
	}
}

func yTicks(step, top float64, text func(float64) string) []tick {
	var ticks []tick
	for v := 0.0; v <= top; v += step {
		ticks = append(ticks, tick{Pos: height(v, top), Text: text(v)})
	}
	return ticks
}

// runTicks names the start of four runs at most, the newest among them.
func runTicks(runs []store.Run, width, left float64, now time.Time) []tick {
	var ticks []tick
	day := now.UTC().Format("2 Jan")
	last := len(runs) - 1
	step := max((len(runs)+3)/4, int(math.Ceil(24/width)))
	for i := max(0, last) % step; i <= last; i += step {
		at := runs[i].StartedAt.UTC()
		t := tick{Pos: round(left + (float64(i)+0.5)*width), Text: at.Format("15:04 UTC"), At: stamp(at), Spare: i+step == last}
		if i == last {
			t.Pos, t.Last = 100, true
		}
		if d := at.Format("2 Jan"); d != day {
			day, t.Day = d, d
		}
		ticks = append(ticks, t)
	}
	return ticks
}

func round(v float64) float64 { return math.Round(v*100) / 100 }
