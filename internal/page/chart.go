package page

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
)

const (
	// plotHeight is in pixels. A plot is as wide as the window lets it be, so
	// everything across is in percent.
	plotHeight = 150
	// minSlots keeps the bars of a young stream narrow.
	minSlots = 20
	// outlier is how many times the second highest bar the highest may be. The
	// first run collects a day and would flatten all that follow.
	outlier = 6
)

// chart is a plot with a slot for each run, the newest at the right.
type chart struct {
	Summary string // for those who can't see it
	Y       []tick
	X       []tick
	Slot    float64 // the width of a slot, in percent
	Bars    []bar
	Path    string  // of the curve, in a box of 1000 × plotHeight
	Now     float64 // where the curve ends, in pixels from the top
	Limit   float64 // where the greatest lag that is on time is, likewise
}

// tick is a place on an axis and its label.
type tick struct {
	Pos   float64 // in pixels from the top, or in percent from the left
	Text  string
	Day   string // the date, where it changes
	At    string // of a time, as RFC 3339
	Last  bool   // its label ends at the right edge
	Spare bool   // it is hidden where there is little room
}

// bar is a run's number of records.
type bar struct {
	X           float64 // where its slot begins, in percent
	Top, Height float64 // in pixels
	Outcome     string
	Cut         string // the number, if the bar is too high to be drawn
	Text        string // the tooltip
}

// slot is the width of a run's slot, in percent. That of Runs[i] begins at
// 100 - (i+1)*slot.
func (s stream) slot() float64 { return 100 / float64(max(len(s.Runs), minSlots)) }

func (s stream) recordsChart() chart {
	sum, outcomes, ordered := 0, map[string]int{}, []int{0, 0}
	for _, r := range s.Runs {
		sum, ordered = sum+r.Records, append(ordered, r.Records)
		outcomes[r.Outcome]++
	}
	slices.Sort(ordered)
	most, second := ordered[len(ordered)-1], ordered[len(ordered)-2]
	highest := most
	if second > 0 && most > outlier*second {
		highest = second
	}
	step, top := scale(float64(highest), []float64{1, 2, 5})
	c := chart{X: s.runTicks(), Y: yTicks(step, top, number[int64]), Slot: round(s.slot())}
	for i, r := range slices.Backward(s.Runs) {
		b := bar{
			X: round(100 - float64(i+1)*s.slot()), Outcome: r.Outcome,
			Text: fmt.Sprintf("%s: %s, %s", s.say(r.StartedAt), r.Outcome, counted(r.Records, "record")),
		}
		if r.Records > 0 {
			b.Height = max(3, round(plotHeight*min(1, float64(r.Records)/top)))
		}
		if r.Outcome == collect.Partial { // visible even without records
			b.Height = max(5, b.Height)
		}
		if float64(r.Records) > top {
			b.Cut = number(r.Records)
		}
		b.Top = plotHeight - b.Height
		c.Bars = append(c.Bars, b)
	}
	c.Summary = fmt.Sprintf("%s: %d complete, %d partial, %d failed; %s in all, at most %s in one. The table of the last runs has the numbers.",
		counted(len(s.Runs), "run"), outcomes[collect.Complete], outcomes[collect.Partial], outcomes[collect.Failed], counted(sum, "record"), number(most))
	return c
}

// lagChart draws the lag at the start and the end of each run, and now.
func (s stream) lagChart() chart {
	var xs, lags []float64 // in percent and in seconds
	add := func(x float64, lag time.Duration) {
		xs, lags = append(xs, x), append(lags, max(0, lag.Seconds()))
	}
	for i, run := range slices.Backward(s.Runs) {
		begin := 100 - float64(i+1)*s.slot()
		if i+1 < len(s.Runs) && s.Runs[i+1].Watermark != nil {
			add(begin+s.slot()/4, run.StartedAt.Sub(*s.Runs[i+1].Watermark))
		}
		if run.Watermark != nil {
			add(begin+s.slot()*3/4, time.Duration(run.LagSeconds)*time.Second)
		}
	}
	if s.Watermark != nil {
		add(100, s.Now.Sub(*s.Watermark))
	}
	if len(lags) == 0 {
		return chart{}
	}
	worst, now := slices.Max(lags), lags[len(lags)-1]
	step, top := scale(max(worst, s.Limit.Seconds()), lagSteps)
	var points []string
	for i, lag := range lags {
		points = append(points, fmt.Sprintf("%g %g", round(10*xs[i]), height(lag, top)))
	}
	return chart{
		X: s.runTicks(), Y: yTicks(step, top, seconds),
		Path: "M" + strings.Join(points, "L"), Now: height(now, top), Limit: height(s.Limit.Seconds(), top),
		Summary: fmt.Sprintf("At most %s, now %s; up to %s is on time. The table of the last runs has the lag after each.",
			seconds(int64(worst)), seconds(int64(now)), duration(s.Limit)),
	}
}

func seconds(s int64) string { return duration(time.Duration(s) * time.Second) }

// height is a value's distance from the top of the plot, in pixels.
func height(value, top float64) float64 { return round(plotHeight * (1 - value/top)) }

// lagSteps are the steps of an axis of time, in seconds.
var lagSteps = []float64{
	1, 2, 5, 10, 15, 60, 120, 300, 600, 900, 3600, 2 * 3600, 6 * 3600, 86400, 2 * 86400, 5 * 86400,
}

// scale returns the step of an axis and its top: four steps at most. Above the
// last step come the same ones times ten.
func scale(highest float64, steps []float64) (step, top float64) {
	for ten := 1.0; ; ten *= 10 {
		for _, s := range steps {
			if step = s * ten; highest <= 4*step {
				return step, max(1, math.Ceil(highest/step)) * step
			}
		}
	}
}

func yTicks(step, top float64, label func(int64) string) []tick {
	var ticks []tick
	for v := 0.0; v <= top; v += step {
		ticks = append(ticks, tick{Pos: height(v, top), Text: label(int64(v))})
	}
	return ticks
}

// runTicks labels four runs at most with their start, the newest among them.
func (s stream) runTicks() []tick {
	const day = "2 Jan"
	var ticks []tick
	shown := s.Now.UTC().Format(day)
	step := max((len(s.Runs)+3)/4, int(math.Ceil(24/s.slot()))) // a label takes up to 24 %
	for i := (len(s.Runs)+step-1)/step*step - step; i >= 0; i -= step {
		at := s.Runs[i].StartedAt.UTC()
		t := tick{Pos: round(100 - (float64(i)+0.5)*s.slot()), Text: at.Format("15:04 UTC"), At: stamp(at), Last: i == 0, Spare: i == step}
		if t.Last {
			t.Pos = 100
		}
		if d := at.Format(day); d != shown {
			shown, t.Day = d, d
		}
		ticks = append(ticks, t)
	}
	return ticks
}

func round(v float64) float64 { return math.Round(v*100) / 100 }
