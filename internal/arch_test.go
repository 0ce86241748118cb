package internal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// mayImport lists what each package imports of this module at most. A package
// for tests is in no list, so that none gets into the program; what such a
// package imports itself is free. The simulator serves `server local`.
var mayImport = map[string][]string{
	"cmd/server": {
		"internal/handler", "internal/audit", "internal/check", "internal/collect", "internal/record", "internal/duo", "internal/duo/duosim",
		"internal/store", "internal/writer", "internal/udm",
	},
	"internal/handler":    {"internal/page", "internal/collect", "internal/duo", "internal/store", "internal/writer"},
	"internal/page":       {"internal/collect", "internal/duo", "internal/store"},
	"internal/audit":      {"internal/collect", "internal/record", "internal/duo", "internal/store", "internal/writer"},
	"internal/check":      {"internal/duo", "internal/store", "internal/writer"},
	"internal/collect":    {"internal/record", "internal/duo", "internal/store", "internal/writer"},
	"internal/record":     {"internal/duo"},
	"internal/duo":        nil,
	"internal/duo/duosim": {"internal/duo"},
	"internal/store":      nil,
	"internal/writer":     nil,
	"internal/udm":        nil,
	"deploy/licences":     nil,
}

// bannedNames say nothing about what a package holds.
var bannedNames = []string{"config", "errors", "types", "utils", "common", "helpers"}

func TestImportsRunOneWay(t *testing.T) {
	packages, err := readPackages(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatal("found no package")
	}
	for _, fault := range faults(packages) {
		t.Error(fault)
	}
}

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		file, code string
		want       []string
	}{
		"down":                   {"cmd/server/main.go", `import _ "m/internal/store"`, nil},
		"others'":                {"internal/store/s.go", `import _ "other/internal/duo"`, nil},
		"own test":               {"internal/store/s_test.go", `import _ "m/internal/emulator"`, nil},
		"test only":              {"internal/store/storetest/s.go", `import _ "m/internal/collect"`, nil},
		"simulator":              {"cmd/server/local.go", `import _ "m/internal/duo/duosim"`, nil},
		"up":                     {"internal/collect/c.go", `import _ "m/internal/handler"`, []string{"internal/collect must not import internal/handler"}},
		"the run from the audit": {"internal/collect/c.go", `import _ "m/internal/audit"`, []string{"internal/collect must not import internal/audit"}},
		"beside":                 {"internal/handler/h.go", `import _ "m/internal/audit"`, []string{"internal/handler must not import internal/audit"}},
		"the page from the run":  {"internal/collect/c.go", `import _ "m/internal/page"`, []string{"internal/collect must not import internal/page"}},
		"the run from a check":   {"internal/check/c.go", `import _ "m/internal/collect"`, []string{"internal/check must not import internal/collect"}},
		"sideways":               {"internal/duo/d.go", `import _ "m/internal/store"`, []string{"internal/duo must not import internal/store"}},
		"emulator":               {"cmd/server/main.go", `import _ "m/internal/emulator"`, []string{"cmd/server must not import internal/emulator"}},
		"suite":                  {"internal/store/s.go", `import _ "m/internal/store/storetest"`, []string{"internal/store must not import internal/store/storetest"}},
		"simulator elsewhere":    {"internal/handler/h.go", `import _ "m/internal/duo/duosim"`, []string{"internal/handler must not import internal/duo/duosim"}},
		"unknown":                {"internal/oidc/o.go", "", []string{"internal/oidc has no entry in mayImport: add what it may import"}},
		"banned":                 {"internal/store/utils/u.go", "", []string{"internal/store/utils has no entry in mayImport: add what it may import", `internal/store/utils must not be named "utils": name it after what it holds`}},
	} {
		t.Run(name, func(t *testing.T) {
			packages, err := readPackages(fstest.MapFS{
				"go.mod":  {Data: []byte("module m\n\ngo 1.26\n")},
				test.file: {Data: []byte("package p\n" + test.code)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, faults(packages)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// faults judges packages, a map from a directory to what is imported there.
func faults(packages map[string][]string) []string {
	var faults []string
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		allowed, known := mayImport[dir]
		if !known && !testOnly(dir) {
			faults = append(faults, dir+" has no entry in mayImport: add what it may import")
		}
		for _, imported := range packages[dir] {
			if known && !slices.Contains(allowed, imported) {
				faults = append(faults, dir+" must not import "+imported)
			}
		}
		if name := path.Base(dir); slices.Contains(bannedNames, name) {
			faults = append(faults, fmt.Sprintf("%s must not be named %q: name it after what it holds", dir, name))
		}
	}
	return faults
}

func testOnly(dir string) bool {
	return strings.HasSuffix(dir, "test") || dir == "internal/emulator"
}

// readPackages finds what the code of a module, without its tests, imports of
// the module itself. It does not ask `go list`: `go test` sees only the files
// that the test reads itself and would take an old result for a fresh one.
func readPackages(module fs.FS) (map[string][]string, error) {
	gomod, err := fs.ReadFile(module, "go.mod")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(gomod), "\n")
	prefix := strings.TrimPrefix(first, "module ") + "/"
	packages := map[string][]string{}
	err = fs.WalkDir(module, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		imports, err := readImports(module, name, prefix)
		dir := path.Dir(name)
		packages[dir] = append(packages[dir], imports...)
		return err
	})
	return packages, err
}

// readImports returns the imports of a file that begin with prefix, without it.
func readImports(module fs.FS, name, prefix string) ([]string, error) {
	source, err := fs.ReadFile(module, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if rest, ok := strings.CutPrefix(imported, prefix); ok {
			imports = append(imports, rest)
		}
	}
	return imports, nil
}
