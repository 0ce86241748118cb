package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// TestEveryLog takes each log by itself from a push to the objects: page by page,
// with nothing new, with a record that comes late, and through a rate limit.
func TestEveryLog(t *testing.T) {
	t.Parallel()
	for _, row := range duo.Logs {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, pagesOf50, duosim.Generator{From: time.Now().Add(-time.Hour)}, row.Name)
			w.add(120, time.Now().Add(-4*time.Minute))
			p := w.start(nil)
			first := p.push()
			wantRun(t, first, http.StatusOK, collect.Complete)
			if first.Records != 120 || first.Pages != 3 || len(first.Objects) != 3 || !strings.HasPrefix(first.Objects[0], "gs://bucket/duo-"+row.Name+"/20") {
				t.Errorf("the first report is %+v", first.Summary)
			}
			again := p.push()
			wantRun(t, again, http.StatusOK, collect.Complete)
			if again.Records != 0 || again.Duplicates != 120 || len(again.Objects) != 0 || len(w.objects()) != 3 {
				t.Errorf("the second report is %+v, %d objects", again.Summary, len(w.objects()))
			}
			w.add(1, first.Watermark.Add(-5*time.Minute))
			late := p.push()
			wantRun(t, late, http.StatusOK, collect.Complete)
			if late.Records != 1 || late.Late != 1 {
				t.Errorf("the report with a late record is %+v", late.Summary)
			}
			w.wantLedgers(w.objects(), late.sent, []collect.Summary{late.Summary})
			wantStatus(t, p.status(), first, again, late)
			wantLimited(t, w, p)
		})
	}
}

// wantLimited has Duo refuse a log's second page for an hour, and wants nobody to
// ask for it before. There is no run after that: it would ask once a minute, having
// learned that two requests were one too many.
func wantLimited(t *testing.T, w *world, p *process) {
	t.Helper()
	w.sim.Log(w.logs[0]).Script(duosim.Pass, duosim.RateLimited(time.Hour))
	for range 2 {
		a := p.push()
		wantRun(t, a, http.StatusOK, collect.Partial)
		if !strings.Contains(a.Reason, "rate limited by Duo until") {
			t.Errorf("the reason is %q", a.Reason)
		}
	}
	asked, until := w.sim.Requests(), p.status().Cursor.NotBefore
	if asked[len(asked)-1].Status != http.StatusTooManyRequests || until == nil || time.Until(*until) < 50*time.Minute {
		t.Errorf("the last request was answered with %d, the pause ends %v", asked[len(asked)-1].Status, until)
	}
}

// A log that Duo refuses stops no other, and is said to be the one.
func TestOneLogRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t, 65, time.Hour)
	p := w.start(nil)
	for code, reason := range map[int]string{40301: "Grant read log", 41001: "DUO_LOGS"} {
		for i, refused := range w.logs {
			w.sim.Log(refused).Script(duosim.Refuse(code, "No"))
			a := p.push()
			wantRun(t, a, http.StatusInternalServerError, collect.Failed)
			if got := notComplete(a.Runs); !slices.Equal(got, w.logs[i:i+1]) || !strings.Contains(a.Runs[i].Reason, reason) {
				t.Errorf("%d: %v are not complete, want %s alone, for the reason %q", code, got, refused, a.Runs[i].Reason)
			}
			if worst := p.statuses()[0].Stream; worst != refused {
				t.Errorf("%d: the worst is %s, want %s", code, worst, refused)
			}
			again := p.force()
			wantRun(t, again, http.StatusOK, collect.Complete)
			w.wantLedgers(w.objects(), again.sent, again.Runs)
		}
	}
	for i, refused := range w.logs {
		w.sim.Log(refused).Script(duosim.RateLimited(time.Hour))
		a := p.push()
		wantRun(t, a, http.StatusOK, collect.Partial)
		if got := notComplete(a.Runs); !slices.Equal(got, w.logs[:i+1]) {
			t.Errorf("%v are not complete, want the %d that are paused", got, i+1)
		}
		w.wantLedgers(w.objects(), a.sent, a.Runs)
	}
}

func notComplete(runs []collect.Summary) (streams []string) {
	for _, r := range runs {
		if r.Outcome != collect.Complete {
			streams = append(streams, r.Stream)
		}
	}
	return streams
}

// The table of the test has the service's logs, in its order.
func TestShapes(t *testing.T) {
	var names []string
	for _, row := range duo.Logs {
		names = append(names, row.Name)
	}
	if !slices.Equal(names, allLogs) {
		t.Errorf("the service collects %v, and the shapes are those of %v", names, allLogs)
	}
}
