package handler

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// prose is a text whose times the browser can find, to add the local ones.
type prose []part

// part is a piece of prose: a text, a time or a name to be set in monospace.
type part struct {
	Text string // what is shown; of a time, in UTC
	At   string // of a time, as RFC 3339
	Code bool
}

// name is a part that is set in monospace: an object, a run, a revision.
type name string

// say joins texts, numbers, names and times. Times are told as seen from now.
func say(now time.Time, parts ...any) prose {
	var p prose
	for _, v := range parts {
		switch v := v.(type) {
		case time.Time:
			p = append(p, part{Text: when(v, now) + " UTC", At: stamp(v)})
		case name:
			p = append(p, part{Text: string(v), Code: true})
		default:
			p = append(p, part{Text: fmt.Sprint(v)})
		}
	}
	return p
}

// String is the prose as plain text.
func (p prose) String() string {
	var b strings.Builder
	for _, part := range p {
		b.WriteString(part.Text)
	}
	return b.String()
}

// at is a time in a column whose head says that it is UTC.
func at(t, now time.Time) prose { return prose{{Text: when(t, now), At: stamp(t)}} }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// when is the time of day, with the date unless that is today's.
func when(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("2 Jan 2006 15:04:05")
}

// units are what a span is told in, the greatest first.
var units = []struct {
	size time.Duration
	name string
}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}

// span is a duration in its two greatest units: "3 min 42 s".
func span(d time.Duration) string {
	if d < 0 {
		return "−" + span(-d)
	}
	for i, unit := range units {
		if d < unit.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/unit.size, unit.name)
		if i+1 < len(units) {
			if rest := d % unit.size / units[i+1].size; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// took is the duration of a run, which is often below a second.
func took(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return span(d)
}

// count is a number in groups of three digits.
func count[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is a number and what it counts.
func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
