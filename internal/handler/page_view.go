package handler

import (
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
)

// maxNamed is how many objects the page names. GET /status has those of 50 runs.
const maxNamed = 10

// view is what the template shows. Nothing in it is left to be decided there.
type view struct {
	build
	Stream  string
	Asked   prose // when the store was
	Verdict verdict
	Figures []fact
	Lag     chart
	Records chart
	Panels  []panel
	Objects []object
	Unnamed int // objects of the last runs that are not in Objects
	Runs    []row
	Span    string // what the charts show: " of the last 50 runs"
}

// object is one in the bucket, and the run that wrote it.
type object struct {
	Started prose
	Pieces  []string // of the gs:// name; a line may be broken between them
}

// row is a run in the table.
type row struct {
	Started                                          prose
	Outcome                                          string
	Records, Late, Duplicates, Pages, Requests, Took string
	Lag                                              string
	Reason                                           string
}

// newView computes the page from the live stream and its backfills.
func newView(b build, streams []collect.Status, delay time.Duration) view {
	live, backfill := streams[0], streams[1]
	r := rhythmOf(live.Runs, delay)
	v := view{
		build: b, Stream: live.Stream, Asked: say(live.Now, live.Now), Verdict: judge(live, r), Figures: figures(live, r, delay),
		Lag: lagChart(live, r), Records: recordsChart(live), Span: lastRuns(live, " of "), Runs: rows(live),
		Panels: []panel{leasePanel(live), cursorPanel(live), pacePanel(live), gapPanel(live)},
	}
	if len(backfill.Runs) > 0 || backfill.Lease != nil {
		v.Panels = append(v.Panels, backfillPanel(backfill))
	}
	v.Objects, v.Unnamed = objects(live, backfill)
	return v
}

func figures(s collect.Status, r rhythm, delay time.Duration) []fact {
	lag := fact{"Lag now", say(s.Now, "none yet"), say(s.Now, "the time since the watermark")}
	if s.Watermark != nil {
		lag.Value, lag.Note = say(s.Now, span(s.Now.Sub(*s.Watermark))), say(s.Now, "up to ", span(r.Limit), " is on time")
	}
	last := fact{"Last run", say(s.Now, "none yet"), nil}
	if run := lastRun(s); run.ID != "" {
		last.Value, last.Note = say(s.Now, run.Outcome), say(s.Now, run.StartedAt, ", ", counted(run.Records, "record"), " in ", tookMS(run.DurationMS))
	}
	rhythm := fact{"Runs come", say(s.Now, "too few to tell"), say(s.Now, "known after three runs")}
	if r.Interval > 0 {
		rhythm.Value = say(s.Now, "every ", span(r.Interval))
		rhythm.Note = say(s.Now, "on time is the delay, ", span(delay), ", and ", span(r.Limit-delay), " for missed runs")
	}
	return []fact{lag, last, rhythm, {
		"Delivered in all", say(s.Now, counted(s.Totals.Records, "record")),
		say(s.Now, "in ", counted(s.Totals.Objects, "object"), " and ", counted(s.Totals.Pages, "page")),
	}}
}

func tookMS(ms int64) string { return took(time.Duration(ms) * time.Millisecond) }

// objects names those that the last runs wrote, the newest first.
func objects(streams ...collect.Status) (named []object, unnamed int) {
	for _, s := range streams {
		left := maxNamed
		for _, r := range s.Runs {
			n := min(left, len(r.Objects))
			for i := range n {
				named = append(named, object{say(s.Now, r.StartedAt), pieces(r.Objects[len(r.Objects)-1-i])})
			}
			left, unnamed = left-n, unnamed+len(r.Objects)-n
		}
	}
	return named, unnamed
}

// pieces are what a name is read in: folders, and the parts of the last name.
func pieces(name string) []string {
	var all []string
	for folder := range strings.SplitAfterSeq(name, "/") {
		all = append(all, strings.SplitAfter(folder, "_")...)
	}
	return all
}

func rows(s collect.Status) []row {
	var rows []row
	for _, r := range s.Runs {
		row := row{
			Started: at(r.StartedAt, s.Now), Outcome: r.Outcome, Records: count(r.Records), Late: count(r.Late), Duplicates: count(r.Duplicates),
			Pages: count(r.Pages), Requests: count(r.Requests), Took: tookMS(r.DurationMS), Lag: "–", Reason: r.Reason,
		}
		if r.Watermark != nil {
			row.Lag = span(time.Duration(r.LagSeconds) * time.Second)
		}
		rows = append(rows, row)
	}
	return rows
}
