package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mpl = "This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL was not distributed with this file, You can obtain one at http://mozilla.org/MPL/2.0/."

// TestCheck expects a licence to pass whole, alone, and only if it is allowed.
func TestCheck(t *testing.T) {
	own, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	apache := string(own)
	for name, test := range map[string]struct{ text, says string }{
		"allowed":       {apache, ""},
		"not allowed":   {mpl, "MPL-2.0 is not among"},
		"two":           {apache + "\n\n" + mpl, "MPL-2.0 is not among"},
		"unknown":       {"You may use this on Sundays.", "only 0% of the text"},
		"with a clause": {apache + strings.Repeat("\nAnd you may not use it on any other day of the week.", 200), "% of the text is"},
		"empty":         {"", "only 0% of the text"},
	} {
		err := check("LICENSE", []byte(test.text))
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}

// TestFiles finds a licence at the package as well as at its module, and misses
// one that is nowhere.
func TestFiles(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "internal", "theirs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := pkg{"example.com/m/internal/theirs", dir, "example.com/m", root}
	if _, err := p.files(); err == nil || !strings.Contains(err.Error(), "example.com/m/internal/theirs has no licence") {
		t.Errorf("without a licence: %v", err)
	}
	want := []string{filepath.Join(dir, "COPYING"), filepath.Join(root, "LICENSE.md"), filepath.Join(root, "NOTICE")}
	for _, file := range want {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := p.files(); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("files %q, %v, want %q", got, err, want)
	}
}

// TestLinkedModule has a program that links a module whose licence is not allowed.
func TestLinkedModule(t *testing.T) {
	t.Chdir(t.TempDir())
	for file, text := range map[string]string{
		"go.mod":     "module planted\n\nrequire example.com/m v0.0.0\n\nreplace example.com/m => ./m\n",
		"planted.go": "package main\n\nimport \"example.com/m\"\n\nfunc main() { m.Do() }\n",
		"m/go.mod":   "module example.com/m\n",
		"m/m.go":     "package m\n\nfunc Do() {}\n",
		"m/LICENSE":  mpl,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	err := run(t.TempDir(), []string{"."})
	if want := filepath.Join("m", "LICENSE") + ": MPL-2.0 is not among"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// TestService copies what the image carries.
func TestService(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it has go list look at every package that is linked")
	}
	dir := t.TempDir()
	if err := run(dir, []string{"../../cmd/server"}); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go/LICENSE", "google.golang.org/grpc/NOTICE.txt", "golang.org/x/net/PATENTS",
		"google.golang.org/api/internal/third_party/uritemplates/LICENSE"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}
