package deploy_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestREADMERoles holds the table of accounts to the module: the same roles,
// no more and no fewer.
func TestREADMERoles(t *testing.T) {
	var granted []string
	files, err := filepath.Glob("terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		for _, m := range regexp.MustCompile(`"roles/([a-zA-Z.]+)"`).FindAllStringSubmatch(readFile(t, name), -1) {
			granted = append(granted, m[1])
		}
	}
	_, table, found := strings.Cut(readFile(t, "../README.md"), "| account | role | on | why |")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatal("README.md has no table of accounts")
	}
	var named []string
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 4 {
			continue
		}
		service := ""
		for _, m := range regexp.MustCompile(`(?:([a-z]+)\.)?([a-z]+[A-Z][A-Za-z]+|user|admin|invoker|viewer|writer|publisher|subscriber)\b`).FindAllStringSubmatch(cells[2], -1) {
			if m[1] != "" {
				service = m[1] // the next role without one is of the same service
			}
			named = append(named, service+"."+m[2])
		}
	}
	if diff := cmp.Diff(unique(granted), unique(named)); diff != "" {
		t.Errorf("roles (-module +README.md):\n%s", diff)
	}
}

func unique(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
