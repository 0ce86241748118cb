package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// README.md's table must name every variable that is read, with its default,
// and no other.
func TestREADMEConfiguration(t *testing.T) {
	documented := readmeVariables(t)
	vars := required()
	vars["FIRESTORE_PROJECT"], vars["GOOGLE_CLOUD_PROJECT"] = "", "project" // so that both are asked for
	e := env{lookup: lookupIn(vars)}
	if _, err := readConfig(&e); err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, v := range e.asked {
		read[v.name] = v.fallback
	}
	if diff := cmp.Diff(read, documented); diff != "" {
		t.Errorf("variables and defaults (-read +README.md):\n%s", diff)
	}
}

var quoted = regexp.MustCompile("`([^`]*)`")

// readmeVariables returns the defaults by variable. The first cell of a row
// holds the names, the second as many defaults, or a word for all of them that
// says why there is none.
func readmeVariables(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Configuration\n")
	if !found {
		t.Fatal(`README.md has no heading "## Configuration"`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	variables := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		names, defaults := quotedIn(cells[1]), quotedIn(cells[2])
		if len(defaults) == 0 && slices.Contains([]string{"required", "one required", "unset", "empty", "detected"}, strings.TrimSpace(cells[2])) {
			defaults = make([]string, len(names))
		}
		if len(defaults) != len(names) {
			t.Fatalf("a row with %d names and %d defaults: %s", len(names), len(defaults), line)
		}
		for i, name := range names {
			variables[name] = defaults[i]
		}
	}
	if len(variables) == 0 {
		t.Fatal("README.md has no table of variables")
	}
	return variables
}

func quotedIn(cell string) []string {
	var texts []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		texts = append(texts, m[1])
	}
	return texts
}
