package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"duo-telephony-collector/internal/collect"
)

// quietFor is the least time between two lines if the output is no terminal.
const quietFor = 10 * time.Second

// eraseLine erases a terminal's current line.
const eraseLine = "\r\x1b[K"

// progress shows how far a long walk is: on a terminal by a line that is redrawn, below
// what is written through it, elsewhere by one now and then. Concurrent use is safe.
type progress struct {
	out      io.Writer
	terminal bool
	named    bool // a line names its stream: there are several

	mu    sync.Mutex
	began time.Time
	told  time.Time // time of the last plain line
	drawn string    // the line on the terminal
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, terminal: isTerminal(out)}
	p.begin()
	return p
}

func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = time.Now()
	p.told = p.began
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(at collect.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.named {
		at.Stream = ""
	}
	line := progressLine(at, now.Sub(p.began))
	switch {
	case p.terminal:
		p.drawn = line
		fmt.Fprint(p.out, eraseLine, line)
	case now.Sub(p.told) >= quietFor:
		p.told = now
		fmt.Fprintln(p.out, line)
	}
}

// Write writes whole lines above the drawn one.
func (p *progress) Write(lines []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn == "" {
		return p.out.Write(lines)
	}
	if _, err := fmt.Fprintf(p.out, "%s%s%s", eraseLine, lines, p.drawn); err != nil {
		return 0, err
	}
	return len(lines), nil
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn != "" {
		p.drawn = ""
		fmt.Fprint(p.out, eraseLine)
	}
}

// progressLine is the line after a walk of some time. It fits into 80 columns, the
// last of which a terminal needs for itself: what has no place is left out.
func progressLine(p collect.Progress, took time.Duration) string {
	line := fmt.Sprintf("%d records", p.Records)
	if p.Stream != "" {
		line = p.Stream + ": " + line
	}
	add := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); len(line)+len(text) < 80 {
			line += text
		}
	}
	if seconds := took.Seconds(); seconds >= 1 {
		add(", %.0f/s", float64(p.Records)/seconds)
	}
	add(", at %s", p.At.UTC().Format("2006-01-02 15:04:05Z"))
	all, done := p.To.Sub(p.From), p.At.Sub(p.From)
	if all < 0 { // the walk goes backwards
		all, done = -all, -done
	}
	if all <= 0 || done < 0 || done > all {
		return line
	}
	part := float64(done) / float64(all)
	add(", %.0f%%", 100*part)
	if took >= time.Second && part > 0 {
		left := time.Duration(float64(took) * (1 - part) / part)
		add(", %v left", left.Round(time.Second))
	}
	return line
}
