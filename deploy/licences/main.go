// Command licences copies the licences of all that is linked into the service,
// Go's included, for the image to carry: each of them wants its text passed on
// with the binary. It fails at a package without one, and at a licence that wants
// more than that.
//
//	go run ./deploy/licences DIR [FLAG OF go list…] PACKAGE
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are SPDX identifiers of licences that want no more than their text
// passed on. Think before you add one: others want the source published.
var allowed = []string{"Apache-2.0", "BSD-3-Clause", "MIT"}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.(txt|md))?$`)
	besideIt    = regexp.MustCompile(`(?i)^(notice|patents)(\.(txt|md))?$`)
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: licences DIR [FLAG OF go list…] PACKAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string, args []string) error {
	packages, err := linked(args)
	if err != nil {
		return err
	}
	copied := map[string]bool{}
	var faults []error
	for _, p := range packages {
		files, err := p.files()
		faults = append(faults, err)
		for _, file := range files {
			if to := filepath.Join(dir, p.module, strings.TrimPrefix(file, p.root)); !copied[to] {
				copied[to] = true
				faults = append(faults, passOn(file, to))
			}
		}
	}
	fmt.Printf("%d files of %d packages\n", len(copied), len(packages))
	return errors.Join(faults...)
}

// pkg is a package of another module: where it lies, and where its module does.
type pkg struct{ path, dir, module, root string }

// linked returns the packages that go list finds below args, and Go itself.
func linked(args []string) ([]pkg, error) {
	const format = "{{with .Module}}{{if not .Main}}{{$.ImportPath}}\t{{$.Dir}}\t{{.Path}}\t{{.Dir}}{{end}}{{end}}"
	list := exec.Command("go", append([]string{"list", "-deps", "-f", format}, args...)...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	goroot := strings.TrimSpace(string(root))
	packages := []pkg{{runtime.Version(), goroot, "go", goroot}}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		packages = append(packages, pkg{f[0], f[1], f[2], f[3]})
	}
	return packages, nil
}

// files returns the licences and notices from the package's directory up to its
// module's: a module may hold code of others below its own licence.
func (p pkg) files() ([]string, error) {
	var found []string
	for dir := p.dir; strings.HasPrefix(dir, p.root); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if licenceFile.MatchString(e.Name()) || besideIt.MatchString(e.Name()) {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	if !slices.ContainsFunc(found, isLicence) {
		return nil, fmt.Errorf("%s has no licence: nobody may pass it on, replace it", p.path)
	}
	return found, nil
}

func isLicence(file string) bool { return licenceFile.MatchString(filepath.Base(file)) }

// passOn copies a file, and checks it if it is a licence.
func passOn(file, to string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err = os.WriteFile(to, text, 0o644)
	if isLicence(file) {
		err = errors.Join(check(file, text), err)
	}
	return err
}

// check finds nearly all of a licence's text among those allowed.
func check(file string, text []byte) error {
	found := licensecheck.Scan(text)
	if found.Percent < 90 {
		return fmt.Errorf("%s: only %.0f%% of the text is that of a known licence: read it, then replace the module", file, found.Percent)
	}
	for _, m := range found.Match {
		if !slices.Contains(allowed, m.ID) {
			return fmt.Errorf("%s: %s is not among the licences allowed in deploy/licences: replace the module, or allow it", file, m.ID)
		}
	}
	return nil
}
