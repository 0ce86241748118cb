package writer_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

// A put links twice: first the metadata, then the object. A process dies before or
// after either link, and the next one repeats the page: with the same bytes, with
// others because Duo has a late record by then, or with another next offset.
func TestDirCrash(t *testing.T) {
	mine := pageOne("{\"a\":1}\n", "first")
	otherBytes := pageOne("{\"a\":1}\n{\"b\":2}\n", "second")
	otherNext := pageOne("{\"a\":1}\n", "third")
	for _, test := range []struct {
		name                string
		links               int    // calls of link until it dies
		when                string // before or after that call
		object              bool   // visible afterwards
		wantBytes, wantNext writer.Object
	}{
		{"before the metadata", 1, "before", false, otherBytes, otherNext},
		// Metadata that exists stays, because its object may exist too.
		{"after the metadata", 1, "after", false, otherBytes, mine},
		{"before the object", 2, "before", false, otherBytes, mine},
		{"after the object", 2, "after", true, mine, mine},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dead := t.TempDir()
			crash(t, dead, test.links, test.when)
			if got := len(dirBucket(dead).Objects(t)) == 1; got != test.object {
				t.Fatalf("an object is visible: %t, want %t", got, test.object)
			}
			wantKept(t, dead, mine, mine)
			wantKept(t, dead, otherBytes, test.wantBytes)
			wantKept(t, dead, otherNext, test.wantNext)
		})
	}
}

// wantKept puts an object into a copy of dir. Afterwards want must be there, and
// Put must have returned it unless it is the object put.
func wantKept(t *testing.T, dir string, put, want writer.Object) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w := writer.NewDir(copied, "p")
	there, err := w.Put(t.Context(), put)
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(put, want) != (there == nil) {
		t.Errorf("Put = %v", there)
	}
	got, err := w.Get(t.Context(), put.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

// crash runs TestCrashingProcess in a separate process.
func crash(t *testing.T, dir string, links int, when string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe, "-test.run=^TestCrashingProcess$")
	child.Env = append(os.Environ(), "CRASH_DIR="+dir, "CRASH_LINKS="+strconv.Itoa(links), "CRASH_WHEN="+when)
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process was to be killed, got %v:\n%s", err, out)
	}
}

func TestCrashingProcess(t *testing.T) {
	dir := os.Getenv("CRASH_DIR")
	if dir == "" {
		t.Skip("is run by TestDirCrash")
	}
	left, err := strconv.Atoi(os.Getenv("CRASH_LINKS"))
	if err != nil {
		t.Fatal(err)
	}
	writer.SetLink(func(from, to string) error {
		left--
		if left == 0 && os.Getenv("CRASH_WHEN") == "before" {
			die()
		}
		err := os.Link(from, to)
		if left == 0 {
			die()
		}
		return err
	})
	_, err = writer.NewDir(dir, "p").Put(t.Context(), pageOne("{\"a\":1}\n", "first"))
	t.Fatalf("still here after Put: %v", err)
}

// die ends the process like a power cut: no deferred call runs.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	self.Kill()
	select {}
}
