package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lookup is an environment: it returns a variable, and whether it is set.
type lookup func(name string) (string, bool)

// env reads variables and collects all faults. It remembers which it was asked for, so
// that a test can compare the documentation.
type env struct {
	lookup lookup
	faults []error
	asked  []variable
}

// variable is a name and its default.
type variable struct{ name, fallback string }

func (e *env) fault(name, format string, args ...any) {
	e.faults = append(e.faults, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// text returns the variable without surrounding white space.
func (e *env) text(name, fallback string) string {
	e.asked = append(e.asked, variable{name, fallback})
	v, ok := e.lookup(name)
	if !ok {
		return fallback
	}
	return strings.TrimSpace(v)
}

func (e *env) required(name, what string) string {
	v := e.text(name, "")
	if v == "" {
		e.fault(name, "is required: %s", what)
	}
	return v
}

// list splits at commas. Empty entries would match empty claims, so there are none.
func (e *env) list(name, fallback, what string) []string {
	var out []string
	for v := range strings.SplitSeq(e.text(name, fallback), ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		e.fault(name, "is required: %s", what)
	}
	return out
}

// choice returns the allowed word that is set, ignoring case.
func (e *env) choice(name, fallback string, allowed ...string) string {
	v := e.text(name, fallback)
	i := slices.IndexFunc(allowed, func(word string) bool { return strings.EqualFold(word, v) })
	if i < 0 {
		e.fault(name, "%q is none of %s", v, strings.Join(allowed, ", "))
		return fallback
	}
	return allowed[i]
}

func (e *env) number(name string, fallback, least, most int) int {
	v := e.text(name, strconv.Itoa(fallback))
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		e.fault(name, "%q is no number from %d to %d", v, least, most)
	}
	return n
}

func (e *env) boolean(name string, fallback bool) bool {
	v := e.text(name, strconv.FormatBool(fallback))
	switch strings.ToLower(v) {
	case "true", "t", "yes", "y", "on", "1":
		return true
	case "false", "f", "no", "n", "off", "0":
		return false
	}
	e.fault(name, "%q is neither true nor false", v)
	return fallback
}

func (e *env) duration(name, fallback string, least, most time.Duration) time.Duration {
	return e.parseDuration(name, e.text(name, fallback), least, most)
}

// parseDuration takes whole milliseconds, the unit of Duo's bounds and of windows.
func (e *env) parseDuration(name, v string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(v)
	switch {
	case err != nil:
		e.fault(name, "%q is no duration such as 90s, 10m or 24h", v)
	case d < least || d > most:
		e.fault(name, "%s is not from %s to %s", v, least, most)
	case d%time.Millisecond != 0:
		e.fault(name, "%s is no whole number of milliseconds", v)
	default:
		return d
	}
	return least
}

// loopback accepts a URL for tests: plain http to this machine. In Cloud Run it
// refuses all, because credentials or trust would go elsewhere.
func (e *env) loopback(name string) string {
	v := e.text(name, "")
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) || u.User != nil {
		e.fault(name, "%q is no http:// address of this machine; it is for tests only", v)
	}
	e.notInCloudRun(name)
	return strings.TrimSuffix(v, "/")
}

// notInCloudRun refuses a variable that is set in Cloud Run.
func (e *env) notInCloudRun(name string) {
	_, set := e.lookup(name)
	if service, ok := e.lookup("K_SERVICE"); ok && service != "" && set {
		e.fault(name, "must not be set in Cloud Run: it is for tests only")
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (e *env) err() error { return errors.Join(e.faults...) }
