package main

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/handler"
)

// README.md's table must name exactly the variables that are read, with their
// defaults.
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

// README.md must say for every variable what a change does.
func TestREADMEChanges(t *testing.T) {
	want, told := map[string]bool{}, map[string]bool{}
	for name := range readmeVariables(t) {
		want[name] = true
	}
	for _, row := range readmeTable(t, "Changing the configuration") {
		for _, name := range quotedIn(row[1]) {
			told[name] = true
		}
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("variables (-configuration +changes):\n%s", diff)
	}
}

// README.md's table must name exactly the routes.
func TestREADMERoutes(t *testing.T) {
	served := map[string]bool{}
	err := chi.Walk(handler.New(handler.Config{Streams: alone()}).(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served[method+" "+route] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range readmeTable(t, "Requests") {
		if names := quotedIn(row[1]); strings.Contains(names[0], " /") {
			documented[names[0]] = true
		}
	}
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes (-served +README.md):\n%s", diff)
	}
}

var quoted = regexp.MustCompile("`([^`]*)`")

// readmeVariables returns the defaults by variable. The first cell of a row has the
// names, the second as many defaults, or one word that says why there is none.
func readmeVariables(t *testing.T) map[string]string {
	t.Helper()
	variables := map[string]string{}
	for _, cells := range readmeTable(t, "Configuration") {
		names, defaults := quotedIn(cells[1]), quotedIn(cells[2])
		if len(defaults) == 0 && slices.Contains([]string{"required", "one required", "unset", "empty", "detected"}, strings.TrimSpace(cells[2])) {
			defaults = make([]string, len(names))
		}
		if len(defaults) != len(names) {
			t.Fatalf("a row with %d names and %d defaults: %s", len(names), len(defaults), cells)
		}
		for i, name := range names {
			variables[name] = defaults[i]
		}
	}
	return variables
}

// readmeTable returns the cells of a section's rows whose first cell quotes something.
func readmeTable(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) >= 4 && strings.Contains(cells[1], "`") {
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("README.md has no table under %q", heading)
	}
	return rows
}

func quotedIn(cell string) []string {
	var texts []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		texts = append(texts, m[1])
	}
	return texts
}
