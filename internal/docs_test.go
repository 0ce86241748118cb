package internal_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDesignNamesTests holds docs/design.md to the tests that it names.
func TestDesignNamesTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	there, err := testNames(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllSubmatch(doc, -1)
	if len(named) == 0 {
		t.Fatal("docs/design.md names no test")
	}
	for _, m := range named {
		if !there[string(m[1])] {
			t.Errorf("docs/design.md names %s, which does not exist", m[1])
		}
	}
}

func testNames(root fs.FS) (map[string]bool, error) {
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := fs.ReadFile(root, path)
		for _, m := range declared.FindAllSubmatch(code, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	return names, err
}
