package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDesignNamesTests: docs/design.md cites a test as the proof of each thing it
// promises in a fault, so every test that it names must exist.
func TestDesignNamesTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	root := os.DirFS("..")
	err = fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
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
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllSubmatch(doc, -1)
	if len(named) == 0 {
		t.Fatal("docs/design.md names no test")
	}
	for _, m := range named {
		if !bytes.Contains(code, []byte("\nfunc "+string(m[1])+"(")) {
			t.Errorf("docs/design.md names %s, which does not exist", m[1])
		}
	}
}
