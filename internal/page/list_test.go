package page

import (
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// streams are one of each kind, by name.
var streams = map[string]func(s *collect.Status){
	"act":     func(s *collect.Status) { fail(s, true) },
	"failed":  func(s *collect.Status) { fail(s, false) },
	"later":   func(s *collect.Status) { s.Watermark = before(2 * time.Hour) },
	"behind":  func(s *collect.Status) { s.Watermark = before(time.Hour) },
	"alike":   func(s *collect.Status) { s.Watermark = before(time.Hour) },
	"paused":  func(s *collect.Status) { s.Watermark, s.Cursor.NotBefore = before(3*time.Hour), before(-time.Hour) },
	"busy":    func(s *collect.Status) { s.Watermark, s.Lease = before(4*time.Hour), &collect.Holder{Holder: "RUN"} },
	"waiting": func(s *collect.Status) { *s = collect.Status{Now: noon} },
	"well":    func(s *collect.Status) { s.Watermark = before(10 * time.Minute) },
	"fresh":   func(*collect.Status) {},
}

// viewOf is the view of these streams.
func viewOf(chosen string, names ...string) view {
	p := State{Delay: delay, Chosen: chosen}
	for _, name := range names {
		s := working()
		streams[name](&s)
		s.Stream = name
		p.Logs = append(p.Logs, collect.LogStatus{Status: s, Backfill: collect.Status{Stream: name + "-backfill", Now: noon}})
	}
	return newView(p)
}

// TestListOrder expects what most needs to be seen first, and names in order where
// nothing does.
func TestListOrder(t *testing.T) {
	v := viewOf("", "well", "fresh", "waiting", "busy", "paused", "behind", "later", "failed", "act", "alike")
	var order []string
	for _, s := range v.List.Lines() {
		order = append(order, s.Stream)
	}
	if diff := cmp.Diff([]string{"act", "failed", "later", "alike", "behind", "paused", "busy", "waiting", "fresh", "well"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if want := "a person must act: 1; up to date: 3; behind: 3; behind, waiting for duo: 1; catching up: 1; waiting for the first run: 1"; v.List.Counts() != want {
		t.Errorf("counts %q, want %q", v.List.Counts(), want)
	}
	if v.Verdict.Tone != "act" || v.Verdict.Word != "A person must act (act)" || v.Shown != nil {
		t.Errorf("verdict %+v, shown %v", v.Verdict, v.Shown)
	}
	if well := viewOf("", "well", "failed").Verdict; well.Tone != "well" || well.Word != "Up to date" || plain(well.Sentence) != "all 2 streams are on time." {
		t.Errorf("all well: %+v", well)
	}
}

// TestListCut expects thousands of streams to be counted, the worst among the
// listed.
func TestListCut(t *testing.T) {
	v := viewOf("", append(slices.Repeat([]string{"well"}, 2999), "act")...)
	if lines := v.List.Lines(); len(lines) != maxLines || lines[0].Stream != "act" {
		t.Errorf("%d lines, the first is %s", len(lines), lines[0].Stream)
	}
	if want := "a person must act: 1; up to date: 2,999"; v.List.Counts() != want {
		t.Errorf("counts %q, want %q", v.List.Counts(), want)
	}
}

func TestChosen(t *testing.T) {
	for name, tt := range map[string]struct {
		chosen         string
		streams        []string
		shown, unknown string
		found          int
	}{
		"none of several":          {"", []string{"well", "failed"}, "", "", 2},
		"one of several":           {"well", []string{"well", "failed"}, "well", "", 2},
		"by its backfill":          {"well-backfill", []string{"well", "failed"}, "well", "", 2},
		"an unknown one":           {"other", []string{"well", "failed"}, "", "other", 0},
		"a part of one's name":     {"FAIL", []string{"well", "failed"}, "", "FAIL", 1},
		"the only one":             {"", []string{"well"}, "well", "", 1},
		"the only one by its name": {"well", []string{"well"}, "well", "", 1},
		"not the only one":         {"other", []string{"well"}, "well", "other", 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := viewOf(tt.chosen, tt.streams...)
			shown := ""
			if v.Shown != nil {
				shown = v.Shown.Stream
			}
			if shown != tt.shown || v.Unknown != tt.unknown || len(v.List) != len(tt.streams) || len(v.Found) != tt.found {
				t.Errorf("shows %q of %d, unknown is %q, found %d", shown, len(v.List), v.Unknown, len(v.Found))
			}
		})
	}
}

func TestLine(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*collect.Status)
		want   string
	}{
		"young":         {func(*collect.Status) {}, "lag 7 min 30 s; last run complete, 11:55:00 UTC; 100 records in the last day"},
		"nothing":       {func(s *collect.Status) { *s = collect.Status{Now: noon} }, "nothing delivered; no run yet; 0 records in the last day"},
		"in short":      {func(s *collect.Status) { s.Brief = &collect.Brief{} }, "lag 7 min 30 s; last run complete, 11:55:00 UTC"},
		"older":         {func(s *collect.Status) { s.Brief, s.Runs = &collect.Brief{}, nil }, "lag 7 min 30 s; last run not known"},
		"one day alone": {func(s *collect.Status) { s.Runs[9].StartedAt = *before(25 * time.Hour) }, "lag 7 min 30 s; last run complete, 11:55:00 UTC; 90 records in the last day"},
		"full history": {func(s *collect.Status) {
			for i := len(s.Runs); i < store.HistoryLimit; i++ {
				s.Runs = append(s.Runs, collect.Summary{StartedAt: *before(4 * time.Hour), Records: 1})
			}
		}, "lag 7 min 30 s; last run complete, 11:55:00 UTC; 140 records in the last 4 h"},
	} {
		t.Run(name, func(t *testing.T) {
			s := working()
			tt.change(&s)
			var line strings.Builder
			if err := pages.ExecuteTemplate(&line, "line", newStream(collect.LogStatus{Status: s}, State{Delay: delay})); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(regexp.MustCompile(`\n\s*`).Split(strings.TrimSpace(plain(template.HTML(line.String()))), -1), "; ")
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
