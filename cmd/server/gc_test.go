package main

import (
	"io"
	"runtime/debug"
	"testing"
)

// TestGCPercent starts a service that can't serve. Its GC setting stays, and so does
// an operator's. The test changes the process, so it is not parallel.
func TestGCPercent(t *testing.T) {
	const other = 123
	defer debug.SetGCPercent(debug.SetGCPercent(other))
	for _, test := range []struct {
		gogc string
		want int
	}{{"123", other}, {"", gcPercent}} {
		lookup := func(name string) (string, bool) { return test.gogc, name == "GOGC" && test.gogc != "" }
		if code := serveCommand(t.Context(), console{lookup, nil, io.Discard, io.Discard}); code != exitConfig {
			t.Fatalf("exit code %d", code)
		}
		if got := debug.SetGCPercent(other); got != test.want {
			t.Errorf("GOGC=%q: %d, want %d", test.gogc, got, test.want)
		}
	}
}
