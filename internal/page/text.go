package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// code is set in monospace: an object, a run, a revision.
type code string

// Runbook is the address of docs/operations.md, "" where it is not known.
type Runbook string

// At leads to the section with the title, or names it.
func (r Runbook) At(title string) template.HTML {
	anchor := "#" + strings.ReplaceAll(strings.ToLower(title), " ", "-")
	if r == "" {
		return template.HTML("<code>docs/operations.md" + anchor + "</code>")
	}
	return template.HTML(`<a href="` + template.HTMLEscapeString(string(r)+anchor) + `" rel="noreferrer">` + title + "</a>")
}

// say joins texts, numbers, code and times to HTML, and escapes them. Times are
// shown as seen from now, in a form that the browser finds, to add the local ones.
func say(now time.Time, values ...any) template.HTML {
	var b strings.Builder
	for _, v := range values {
		switch v := v.(type) {
		case template.HTML: // said already
			b.WriteString(string(v))
		case time.Time:
			fmt.Fprintf(&b, `<time datetime="%s">%s UTC</time>`, v.UTC().Format("2006-01-02T15:04:05.000Z07:00"), when(v, now))
		case code:
			b.WriteString("<code>" + template.HTMLEscapeString(string(v)) + "</code>")
		default:
			b.WriteString(template.HTMLEscapeString(fmt.Sprint(v)))
		}
	}
	return template.HTML(b.String())
}

// when is the time of day, with the date unless that is today's.
func when(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006 15:04:05")
	case t.YearDay() != now.YearDay():
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("15:04:05")
}

// duration shows d in its two greatest units, "3 min 42 s", and a negative one as 0.
func duration(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case s < 1:
		return fmt.Sprintf("%d ms", max(d, 0).Milliseconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", s/60, s%60), " 0 s")
	case s < 86400:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", s/3600, s%3600/60), " 0 min")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%d d %d h", s/86400, s%86400/3600), " 0 h")
	}
}

const day = 24 * time.Hour

// number shows n in groups of three digits.
func number[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}
