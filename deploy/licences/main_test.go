package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck expects a licence to pass whole, alone, and only if it is allowed.
func TestCheck(t *testing.T) {
	own, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	apache := string(own)
	mpl := "This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL was not distributed with this file, You can obtain one at http://mozilla.org/MPL/2.0/."
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
