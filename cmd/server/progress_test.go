package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duo-telephony-collector/internal/collect"
)

func TestProgressLine(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		records int
		hours   float64 // how far the walk is, of 100 hours
		took    time.Duration
		want    string
	}{
		{"at the start", 0, 0, 0, "0 records, at 2026-03-01 00:00:00Z, 0%"},
		{"a first page at once", 1000, 1, time.Millisecond, "1000 records, at 2026-03-01 01:00:00Z, 1%"},
		{"no record in a second", 0, 0, time.Second, "0 records, 0/s, at 2026-03-01 00:00:00Z, 0%"},
		{"a quarter", 25_000, 25, 50 * time.Second, "25000 records, 500/s, at 2026-03-02 01:00:00Z, 25%, 2m30s left"},
		{"less than a second for each", 30, 50, time.Minute, "30 records, 0/s, at 2026-03-03 02:00:00Z, 50%, 1m0s left"},
		{"all", 100_000, 100, time.Hour, "100000 records, 28/s, at 2026-03-05 04:00:00Z, 100%, 0s left"},
		{"before the range", 1, -1, time.Minute, "1 records, 0/s, at 2026-02-28 23:00:00Z"},
		{"beyond the range", 1, 101, time.Minute, "1 records, 0/s, at 2026-03-05 05:00:00Z"},
		{"long", 12_345_678, 1, 300 * time.Hour, "12345678 records, 11/s, at 2026-03-01 01:00:00Z, 1%, 29700h0m0s left"},
	} {
		p := collect.Progress{Records: test.records, From: from, To: from.Add(100 * time.Hour), At: from.Add(time.Duration(test.hours * float64(time.Hour)))}
		if got := progressLine(p, test.took); got != test.want || len(got) > 79 {
			t.Errorf("%s:\n%s, want\n%s", test.name, got, test.want)
		}
	}
	for stream, want := range map[string]string{
		"trust-monitor":           "trust-monitor: 123456 records, 41/s, at 2026-03-02 01:00:00Z, 25%, 2h30m0s left",
		"authentication-backfill": "authentication-backfill: 123456 records, 41/s, at 2026-03-02 01:00:00Z, 25%",
	} {
		p := collect.Progress{Stream: stream, Records: 123_456, From: from, To: from.Add(100 * time.Hour), At: from.Add(25 * time.Hour)}
		if got := progressLine(p, 50*time.Minute); got != want || len(got) > 79 {
			t.Errorf("of a stream:\n%s, want\n%s", got, want)
		}
	}
	backwards := collect.Progress{Records: 25_000, From: from.Add(100 * time.Hour), To: from, At: from.Add(75 * time.Hour)}
	if got := progressLine(backwards, 50*time.Second); got != "25000 records, 500/s, at 2026-03-04 03:00:00Z, 25%, 2m30s left" {
		t.Errorf("backwards: %s", got)
	}
	if got := progressLine(collect.Progress{From: from, To: from, At: from}, time.Minute); got != "0 records, 0/s, at 2026-03-01 00:00:00Z" {
		t.Errorf("of no range: %s", got)
	}
}

// steps shows n pages, a second apart, and logs a line after each.
func steps(p *progress, n int) {
	from := time.Now()
	log := slog.New(newConsoleLog(p, slog.LevelInfo, dull))
	for i := range n {
		time.Sleep(time.Second)
		p.show(collect.Progress{Records: i + 1, From: from, To: from.Add(time.Hour), At: from})
		log.Info("m")
	}
	p.end()
}

func TestProgressTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands at midnight UTC, 2000-01-01
		var b strings.Builder
		p := newProgress(&b)
		p.terminal = true
		io.WriteString(p, "before\n")
		steps(p, 2)
		io.WriteString(p, "after\n")
		one, two := "1 records, 1/s, at 2000-01-01 00:00:00Z, 0%", "2 records, 1/s, at 2000-01-01 00:00:00Z, 0%"
		want := "before\n" + eraseLine + one + eraseLine + "time=00:00:01 msg=m\n" + one +
			eraseLine + two + eraseLine + "time=00:00:02 msg=m\n" + two + eraseLine + "after\n"
		if got := strings.ReplaceAll(b.String(), time.Now().Format("15:04:"), "00:00:"); got != want {
			t.Errorf("written\n%q, want\n%q", got, want)
		}
	})
}

// A line names its stream where there are several.
func TestProgressNamed(t *testing.T) {
	for named, want := range map[bool]string{false: "7 records, at ", true: "activity: 7 records, at "} {
		var b strings.Builder
		p := newProgress(&b)
		p.terminal, p.named = true, named
		p.show(collect.Progress{Stream: "activity", Records: 7})
		if got := strings.TrimPrefix(b.String(), eraseLine); !strings.HasPrefix(got, want) {
			t.Errorf("named %t: %q", named, got)
		}
	}
}

// Without a terminal there is a line every ten seconds and no control sequence.
func TestProgressPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		steps(newProgress(&b), 25)
		if n := strings.Count(b.String(), " records"); n != 2 || strings.Count(b.String(), "\n") != 27 || strings.ContainsAny(b.String(), "\r\x1b") {
			t.Errorf("%d lines tell of the progress:\n%q", n, b.String())
		}
	})
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(io.Discard) {
		t.Error("a file or a writer is taken for a terminal")
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !isTerminal(null) {
		t.Error("a character device is taken for none")
	}
}
