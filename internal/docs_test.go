package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
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
