package page

import (
	"cmp"
	"slices"
	"strings"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// maxLines is how many streams the page lists.
const maxLines = 100

// list is several streams, the one that most needs to be seen first.
type list []*stream

// newList does not look at the lag of those that are well: they would change places
// with every tick.
func newList(streams []*stream) list {
	l := list(slices.Clone(streams))
	slices.SortFunc(l, func(a, b *stream) int {
		order := cmp.Compare(a.Rank, b.Rank)
		if order == 0 && a.Verdict.Tone != "well" {
			order = cmp.Compare(b.lag(), a.lag())
		}
		return cmp.Or(order, strings.Compare(a.Stream, b.Stream))
	})
	return l
}

// streams are the logs with what follows from their status.
func (s State) streams() []*stream {
	unrecorded := map[string]collect.Summary{}
	for _, run := range s.Unrecorded {
		run.Reason += "; the history lacks this run, only this instance knows of it"
		unrecorded[run.Stream] = run
	}
	streams := make([]*stream, len(s.Logs))
	for i, log := range s.Logs {
		for _, of := range []*collect.Status{&log.Status, &log.Backfill} {
			if run, failed := unrecorded[of.Stream]; failed {
				of.Runs = append([]collect.Summary{run}, of.Runs...)
			}
		}
		streams[i] = new(newStream(log, s))
	}
	return streams
}

// WorstFirst returns the logs as the page lists them, the one that most needs to
// be seen first.
func (s State) WorstFirst() []collect.LogStatus {
	logs := map[string]int{}
	for i, log := range s.Logs {
		logs[log.Stream] = i
	}
	var sorted []collect.LogStatus
	for _, of := range newList(s.streams()) {
		sorted = append(sorted, s.Logs[logs[of.Stream]])
	}
	return sorted
}

// rank looks at the verdict, and tells a pause from what else is behind.
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

// verdict is the worst stream's, with its name.
func (l list) verdict() verdict {
	v := l[0].Verdict
	if v.Tone == "well" {
		return verdict{Tone: v.Tone, Word: v.Word, Sentence: say(l[0].Now, "all ", number(len(l)), " streams are on time.")}
	}
	v.Word += " (" + l[0].Stream + ")"
	return v
}

// Counts says how many streams have each verdict.
func (l list) Counts() string {
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

// with returns the streams that have the text in their name, or in their account's.
func (l list) with(text string) list {
	return slices.DeleteFunc(slices.Clone(l), func(s *stream) bool {
		names := s.Stream
		if s.Account != nil {
			names += "\n" + s.Account.Name
		}
		return !strings.Contains(strings.ToLower(names), strings.ToLower(text))
	})
}

// Lines are the streams that the page lists.
func (l list) Lines() []*stream { return l[:min(len(l), maxLines)] }

// Lately is how many records came in the last day or, where the history does
// not reach back as far, since it begins.
func (s stream) Lately() string {
	span, in, records := day, "day", 0
	if n := len(s.Runs); n >= store.HistoryLimit && s.Now.Sub(s.Runs[n-1].StartedAt) < day {
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
