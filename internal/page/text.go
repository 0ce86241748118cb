package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// text is prose whose times the browser can find, to add the local ones.
type text []segment

// segment is a piece of text, a time or code.
type segment struct {
	Text string // what is shown; of a time, in UTC
	At   string // of a time, as RFC 3339
	Code bool   // set in monospace
}

// code is set in monospace: an object, a run, a revision.
type code string

// say joins texts, numbers, code and times. Times are shown as seen from now.
func say(now time.Time, values ...any) text {
	var t text
	for _, v := range values {
		switch v := v.(type) {
		case time.Time:
			t = append(t, segment{Text: when(v, now) + " UTC", At: stamp(v)})
		case code:
			t = append(t, segment{Text: string(v), Code: true})
		case text:
			t = append(t, v...)
		default:
			t = append(t, segment{Text: fmt.Sprint(v)})
		}
	}
	return t
}

func (s stream) say(values ...any) text { return say(s.Now, values...) }

// String is the text without markup.
func (t text) String() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.Text)
	}
	return b.String()
}

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

// units are what a duration is shown in, the greatest first.
var units = []struct {
	size time.Duration
	name string
}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}

// duration shows d in its two greatest units: "3 min 42 s".
func duration(d time.Duration) string {
	if d < 0 {
		return "−" + duration(-max(d, -math.MaxInt64)) // the least duration is its own negative
	}
	for i, unit := range units[:3] {
		if d < unit.size {
			continue
		}
		text, next := fmt.Sprintf("%d %s", d/unit.size, unit.name), units[i+1]
		if rest := d % unit.size / next.size; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, next.name)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// took shows the milliseconds of a run, which is often shorter than a second.
func took(ms int64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	return duration(time.Duration(ms) * time.Millisecond)
}

// number shows n in groups of three digits.
func number[N int | int64](n N) string {
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
	return number(n) + " " + noun + "s"
}
