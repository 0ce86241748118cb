package page

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
)

const (
	// plotHeight is in pixels. Across, all is in percent of the window's width.
	plotHeight = 150
	// minSlots keeps the bars of a young stream narrow.
	minSlots = 20
	// outlier is how many times the second highest bar the highest may be. The
	// first run collects a day and would flatten all that follow.
	outlier = 6
)

// chart is a plot with a slot for each run, the newest at the right.
type chart struct {
	Caption template.HTML
	Top     string  // the value at the top; at the bottom it is 0
	Slot    float64 // the width of a slot, in percent
	Bars    []bar
	Path    string  // of the curve, in a box of 1000 × plotHeight
	Now     float64 // where the curve ends, in pixels from the top
	Limit   float64 // where the greatest lag that is on time is, likewise
}

// bar is a run's number of records.
type bar struct {
	X           float64 // where its slot begins, in percent
	Top, Height float64 // in pixels
	Outcome     string
	Cut         string // the number, if the bar is too high to be drawn
	Text        string // the tooltip
}

// slot is the width of a run's slot, in percent. Runs[i] has it from 100 - (i+1)*slot.
func (s stream) slot() float64 { return 100 / float64(max(len(s.Runs), minSlots)) }

// Records draws how many records each run delivered. There is one run at least.
func (s stream) Records() chart {
	sum, outcomes, ordered := 0, map[string]int{}, []int{0, 0}
	for _, r := range s.Runs {
		sum, ordered = sum+r.Records, append(ordered, r.Records)
		outcomes[r.Outcome]++
	}
	slices.Sort(ordered)
	most, second := ordered[len(ordered)-1], ordered[len(ordered)-2]
	top := max(most, 1)
	if second > 0 && most > outlier*second {
		top = second
	}
	c := chart{Top: number(top), Slot: round(s.slot())}
	for i, r := range slices.Backward(s.Runs) {
		b := bar{X: round(100 - float64(i+1)*s.slot()), Outcome: r.Outcome,
			Text: fmt.Sprintf("%s UTC: %s, %s", when(r.StartedAt, s.Now), r.Outcome, counted(r.Records, "record"))}
		if r.Records > 0 || r.Outcome == collect.Partial { // visible, however few
			b.Height = max(4, plotHeight-height(float64(min(r.Records, top)), float64(top)))
		}
		if r.Records > top {
			b.Cut = number(r.Records)
		}
		b.Top = plotHeight - b.Height
		c.Bars = append(c.Bars, b)
	}
	c.Caption = s.say("Since ", s.Runs[len(s.Runs)-1].StartedAt, ": ", counted(outcomes[collect.Complete], "run"), " complete, ", outcomes[collect.Partial], " partial (hollow), ",
		outcomes[collect.Failed], " failed (×); ", counted(sum, "record"), " in all, at most ", number(most), " in one.")
	return c
}

// Lag draws the lag at the start and the end of each run, and now. There is one
// run at least; Path is empty if no lag is known.
func (s stream) Lag() chart {
	var xs []float64 // in percent
	var lags []time.Duration
	add := func(x float64, lag time.Duration) { xs, lags = append(xs, x), append(lags, max(0, lag)) }
	for i, run := range slices.Backward(s.Runs) {
		begin := 100 - float64(i+1)*s.slot()
		if i+1 < len(s.Runs) && s.Runs[i+1].Watermark != nil {
			add(begin+s.slot()/4, run.StartedAt.Sub(*s.Runs[i+1].Watermark))
		}
		if run.Watermark != nil && run.LagSeconds != nil { // earlier versions wrote a lag without a watermark
			add(begin+s.slot()*3/4, time.Duration(*run.LagSeconds)*time.Second)
		}
	}
	if s.Watermark != nil {
		add(100, s.lag())
	}
	if len(lags) == 0 {
		return chart{}
	}
	worst, now := slices.Max(lags), lags[len(lags)-1]
	top := max(worst, s.Limit)
	var points []string
	for i, lag := range lags {
		points = append(points, fmt.Sprintf("%g %g", round(10*xs[i]), height(lag.Seconds(), top.Seconds())))
	}
	return chart{
		Top: duration(top), Path: "M" + strings.Join(points, "L"),
		Now: height(now.Seconds(), top.Seconds()), Limit: height(s.Limit.Seconds(), top.Seconds()),
		Caption: s.say("Before and after each run since ", s.Runs[len(s.Runs)-1].StartedAt, ": at most ", duration(worst), ", now ", duration(now), "; up to ", duration(s.Limit), " (dotted) is on time."),
	}
}

// height is a value's distance from the top of the plot, in pixels.
func height(value, top float64) float64 { return round(plotHeight * (1 - value/top)) }

func round(v float64) float64 { return math.Round(v*100) / 100 }
