package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentsNameTests: two documents cite tests as the proof of what they
// promise in a fault, and of procedures. Every test that they name must exist.
func TestDocumentsNameTests(t *testing.T) {
	var code []byte
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := fs.ReadFile(root, path)
		code = append(code, file...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"docs/design.md", "docs/operations.md"} {
		text, err := fs.ReadFile(root, doc)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllSubmatch(text, -1)
		if len(named) == 0 {
			t.Errorf("%s names no test", doc)
		}
		for _, m := range named {
			if !bytes.Contains(code, []byte("\nfunc "+string(m[1])+"(")) {
				t.Errorf("%s names %s, which does not exist", doc, m[1])
			}
		}
	}
}

// TestREADMEPackages expects README.md's table of the code to name each directory
// that has some, and no other.
func TestREADMEPackages(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| directory | what it is for |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var named []string
	for row := range strings.Lines(table) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			named = append(named, m[1])
		}
	}
	there := []string{"deploy"}
	for _, pattern := range []string{"cmd/*", "internal/*"} {
		found, err := fs.Glob(os.DirFS(".."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if !strings.HasSuffix(name, ".go") {
				there = append(there, name)
			}
		}
	}
	slices.Sort(named)
	slices.Sort(there)
	if diff := cmp.Diff(there, named); diff != "" {
		t.Errorf("directories (-there +README.md):\n%s", diff)
	}
}
