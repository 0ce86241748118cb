package writer_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"duo-telephony-collector/internal/writer"
	"duo-telephony-collector/internal/writer/writertest"
)

func TestDir(t *testing.T) {
	writertest.Test(t, func(t *testing.T) writertest.Bucket { return dirBucket(t.TempDir()) })
}

func dirBucket(dir string) writertest.Bucket {
	bucket := filepath.Join(dir, "bucket")
	return writertest.Bucket{
		Open: func(prefix string) writertest.Writer { return writer.NewDir(dir, prefix) },
		Plant: func(t *testing.T, key string, data []byte) {
			file := filepath.Join(bucket, key)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Objects: func(t *testing.T) map[string][]byte { return files(t, bucket) },
	}
}

// files returns the content of the files below dir, by path; none if dir does not
// exist.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		found[key], err = os.ReadFile(file)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

func TestDirReadStaysInside(t *testing.T) {
	dir := t.TempDir()
	bucket := dirBucket(dir)
	bucket.Plant(t, "inside", []byte("x"))
	if err := os.WriteFile(filepath.Join(dir, "outside"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := bucket.Open("").Read(t.Context(), "../outside"); err == nil {
		t.Errorf("Read = %q from outside the bucket, want an error", got)
	}
}

func TestDirLeavesNoTemporaries(t *testing.T) {
	dir := t.TempDir()
	w := writer.NewDir(dir, "p")
	for range 2 {
		mustPut(t, w, pageOne("{}\n", ""))
	}
	for file := range maps.Keys(files(t, dir)) {
		if strings.Contains(file, "tmp-") {
			t.Errorf("left %s", file)
		}
	}
	if got := len(files(t, dir)); got != 2 {
		t.Errorf("%d files, want the object and its metadata", got)
	}
}

// If no directory can be made, Put and List fail.
func TestDirUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := writer.NewDir(file, "p")
	if there, err := w.Put(t.Context(), pageOne("{}\n", "")); err == nil {
		t.Errorf("Put = %v, nil in a directory that is a file", there)
	}
	var listed error
	for _, err := range w.List(t.Context(), from, to, 0) {
		listed = err
	}
	if listed == nil {
		t.Error("List ended well in a directory that is a file")
	}
}

func TestDirDamagedMetadata(t *testing.T) {
	for damaged, want := range map[string]error{
		"{":  nil,
		"{}": writer.ErrForeign,
		`{"written-by":"another","records":"1","token":"3"}`: writer.ErrForeign,
	} {
		dir := t.TempDir()
		w := writer.NewDir(dir, "p")
		o := pageOne("{}\n", "")
		mustPut(t, w, o)
		for file := range files(t, filepath.Join(dir, "bucket.meta")) {
			if err := os.WriteFile(filepath.Join(dir, "bucket.meta", file), []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Get(t.Context(), o.Name); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("Get with metadata %s = %v, want error %v", damaged, err, want)
		}
	}
}

// A listing leaves out objects that a feed deletes meanwhile.
func TestDirListDeletedMeanwhile(t *testing.T) {
	w := writer.NewDir(t.TempDir(), "p")
	first, second := pageOne("{}\n", ""), pageOne("{}\n", "")
	second.Name.Page = 2
	for _, o := range []writer.Object{first, second} {
		mustPut(t, w, o)
	}
	listed := 0
	for _, err := range w.List(t.Context(), from, to, 0) {
		if err != nil {
			t.Fatal(err)
		}
		listed++
		if err := os.RemoveAll(w.URI(second.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if listed != 1 {
		t.Errorf("listed %d objects, want 1", listed)
	}
}
