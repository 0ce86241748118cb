package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/duo/duosim"
)

// objects returns the objects in the bucket, by name.
func (w *world) objects() map[string][]byte {
	w.t.Helper()
	list, err := w.bucket.ListObjectsWithOptionsPaginated(bucketName, fakestorage.ListOptions{}) // no MaxResults, one page
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, a := range list.Objects {
		o, err := w.bucket.GetObject(bucketName, a.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		found[a.Name] = o.Content
	}
	return found
}

// files does the same for a directory.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	bucket := os.DirFS(filepath.Join(dir, "bucket"))
	err := fs.WalkDir(bucket, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found[name], err = fs.ReadFile(bucket, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ledger is what objects must hold, each once: all records of must, and possibly some
// of may.
type ledger struct {
	host      string // "" where nothing is appended to the records
	must, may []duosim.Record
}

// wantLedger checks the bucket after a run that began at a time and left this
// watermark.
func (w *world) wantLedger(began time.Time, watermark *time.Time) {
	w.t.Helper()
	w.ledger(began, watermark).check(w.t, w.objects())
}

// ledger is what must be there after such a run. Records that Duo has shown only
// since it began may or may not be there.
func (w *world) ledger(began time.Time, watermark *time.Time) ledger {
	w.t.Helper()
	if watermark == nil {
		w.t.Fatal("there is no watermark")
	}
	return ledger{w.duo.Host, w.shown(began, *watermark), w.shown(time.Now(), *watermark)}
}

func (l ledger) check(t *testing.T, objects map[string][]byte) {
	t.Helper()
	if len(l.must) == 0 {
		t.Fatal("a ledger without records proves nothing")
	}
	missing, doubled, unknown := l.compare(t, objects)
	if len(missing)+len(doubled)+len(unknown) > 0 {
		t.Fatalf("of %d records in %d objects %d are missing, %d doubled, %d unknown or altered; such as %v %v %v",
			len(l.must), len(objects), len(missing), len(doubled), len(unknown), firstOf(missing), firstOf(doubled), firstOf(unknown))
	}
}

// compare returns ids.
func (l ledger) compare(t *testing.T, objects map[string][]byte) (missing, doubled, unknown []string) {
	t.Helper()
	found := map[string]int{}
	for name, data := range objects {
		for line := range strings.Lines(unpack(t, name, data)) {
			found[strings.TrimSuffix(line, "\n")]++
		}
	}
	for _, r := range l.must {
		if found[l.line(t, r)] == 0 {
			missing = append(missing, r.ID)
		}
	}
	for _, r := range l.may {
		line := l.line(t, r)
		if found[line] > 1 {
			doubled = append(doubled, r.ID)
		}
		delete(found, line)
	}
	for line := range found {
		unknown = append(unknown, idOf(line))
	}
	return missing, doubled, unknown
}

// TestLedger checks that every kind of damage is noticed.
func TestLedger(t *testing.T) {
	must := []duosim.Record{{ID: "1", Raw: []byte(`{"telephony_id": "1"}`)}, {ID: "2", Raw: []byte(`{"telephony_id":"2"}`)}}
	l := ledger{"h", must, append(must, duosim.Record{ID: "3", Raw: []byte(`{"telephony_id":"3"}`)})}
	one := `{"telephony_id":"1","eventtype":"telephony","host":"h"}` + "\n"
	two, three, four := strings.Replace(one, "1", "2", 1), strings.Replace(one, "1", "3", 1), strings.Replace(one, "1", "4", 1)
	altered := strings.Replace(one, "telephony\"", "other\"", 1)
	for name, test := range map[string]struct{ objects, want []string }{
		"right":    {[]string{one, two}, nil},
		"may":      {[]string{one + two, three}, nil},
		"missing":  {[]string{one}, []string{"missing 2"}},
		"doubled":  {[]string{one, two + one}, []string{"doubled 1"}},
		"twice":    {[]string{one + one + two}, []string{"doubled 1"}},
		"unknown":  {[]string{one, two, four}, []string{"unknown 4"}},
		"altered":  {[]string{altered, two}, []string{"missing 1", "unknown 1"}},
		"may, too": {[]string{one, two, three, three}, []string{"doubled 3"}},
	} {
		objects := map[string][]byte{}
		for i, data := range test.objects {
			objects[fmt.Sprint(i, ".ndjson")] = []byte(data)
		}
		missing, doubled, unknown := l.compare(t, objects)
		var got []string
		for kind, ids := range map[string][]string{"missing": missing, "doubled": doubled, "unknown": unknown} {
			for _, id := range ids {
				got = append(got, kind+" "+id)
			}
		}
		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// line returns a record as it must be written.
func (l ledger) line(t *testing.T, r duosim.Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, r.Raw); err != nil {
		t.Fatal(err)
	}
	if l.host == "" {
		return b.String()
	}
	return strings.TrimSuffix(b.String(), "}") + `,"eventtype":"telephony","host":"` + l.host + `"}`
}

// unpack returns the text of an object and checks its form.
func unpack(t *testing.T, name string, data []byte) string {
	t.Helper()
	if base, zipped := strings.CutSuffix(name, ".gz"); zipped {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if data, err = io.ReadAll(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		name = base
	}
	if !strings.HasSuffix(name, ".ndjson") || !bytes.HasSuffix(data, []byte("}\n")) {
		t.Fatalf("%s is no object of newline-delimited JSON", name)
	}
	return string(data)
}

// idOf returns a line's id, so that tests don't print phone numbers.
func idOf(line string) string {
	var r struct {
		ID string `json:"telephony_id"`
	}
	if json.Unmarshal([]byte(line), &r) != nil || r.ID == "" {
		return "(no id)"
	}
	return r.ID
}

func firstOf(list []string) []string { return list[:min(len(list), 3)] }
