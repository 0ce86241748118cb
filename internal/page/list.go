package page

import (
	"cmp"
	"html/template"
	"slices"
	"strings"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// maxLines is how many streams the page lists.
const maxLines = 100

// list is several streams, the one that most needs to be seen first.
type list []stream

func newList(streams []stream) list {
	return slices.SortedStableFunc(slices.Values(streams), func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.lag(), a.lag()))
	})
}

// WorstFirst returns the logs as the page lists them, the one that most needs to
// be seen first.
func (s State) WorstFirst() []collect.LogStatus {
	var streams []stream
	logs := map[string]collect.LogStatus{}
	for _, log := range s.Logs {
		streams = append(streams, newStream(log, s))
		logs[log.Stream] = log
	}
	var sorted []collect.LogStatus
	for _, of := range newList(streams) {
		sorted = append(sorted, logs[of.Stream])
	}
	return sorted
}

// rank is lower for a stream that needs to be seen sooner.
func (s stream) rank() int {
	switch tone := s.Verdict.Tone; {
	case tone == "act":
		return 0
	case s.failed():
		return 1
	case s.longPause():
		return 3
	case tone == "behind":
		return 2
	case tone == "well":
		return 5
	}
	return 4
}

// verdict is the worst stream's, with its name. The list may be only a part of
// all streams, but the worst.
func (l list) verdict(all int) verdict {
	v := l[0].Verdict
	if v.Tone == "well" {
		return verdict{Tone: v.Tone, Word: v.Word, Sentence: say(l[0].Now, "all ", number(all), " streams are on time.")}
	}
	v.Word += " (" + l[0].Stream + ")"
	return v
}

// counts says how many streams have each verdict.
func (l list) counts() string {
	var words []string
	count := map[string]int{}
	for _, s := range l {
		word := strings.ToLower(s.Verdict.Word)
		if count[word]++; count[word] == 1 {
			words = append(words, word)
		}
	}
	for i, word := range words {
		words[i] = word + ": " + number(count[word])
	}
	return strings.Join(words, "; ")
}

// Lines are the streams that the page lists.
func (l list) Lines() []stream { return l[:min(len(l), maxLines)] }

// Line is what the list says of a stream beside its verdict.
func (s stream) Line() []template.HTML {
	lag, last := s.say("nothing delivered"), s.say("no run yet")
	if s.Watermark != nil {
		lag = s.say("lag ", duration(s.lag()))
	}
	if s.Last.ID != "" {
		last = s.say("last run ", s.Last.Outcome, ", ", s.Last.StartedAt)
	}
	return []template.HTML{lag, last, s.say(s.lately())}
}

// lately is how many records came in the last day or, where the history does
// not reach back as far, since it begins.
func (s stream) lately() string {
	span, in, records := day, "day", 0
	if n := len(s.Runs); (n >= store.HistoryLimit || s.Cut && n > 0) && s.Now.Sub(s.Runs[n-1].StartedAt) < day {
		span = s.Now.Sub(s.Runs[n-1].StartedAt)
		in = duration(span)
	}
	for _, r := range s.Runs {
		if s.Now.Sub(r.StartedAt) <= span {
			records += r.Records
		}
	}
	return counted(records, "record") + " in the last " + in
}
