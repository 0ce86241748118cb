package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/collect"
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

// shape is what a record of a log is like in the bucket. The table shares nothing
// with the service's own, so a fault in that one shows.
type shape struct {
	log      string
	id, time string // the members that tell one record from another
	added    string // to each record; HOST is the API host
}

var shapes = []shape{
	{"telephony", "telephony_id", "ts", `,"eventtype":"telephony","host":"HOST"`},
	{"authentication", "txid", "isotimestamp", ""},
	{"activity", "activity_id", "ts", ""},
	{"trust-monitor", "sekey", "surfaced_timestamp", ""},
}

// allLogs are the logs' names in the service's order.
var allLogs = func() (names []string) {
	for _, s := range shapes {
		names = append(names, s.log)
	}
	return names
}()

func shapeOf(t *testing.T, log string) shape {
	t.Helper()
	i := slices.Index(allLogs, log)
	if i < 0 {
		t.Fatalf("what does a record of %s look like? Add a row to the shapes", log)
	}
	return shapes[i]
}

// key is what tells a record from all others of its log.
func (s shape) key(raw []byte) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members[s.id] == nil || members[s.time] == nil {
		return "(no id or no time)" // the text may have a phone number in it
	}
	return string(members[s.id]) + " of " + string(members[s.time])
}

// ledger is what the folder of a log must hold: all records of must, each once,
// and besides at most some of may. Of a record that changes any one version is
// right.
type ledger struct {
	shape
	host      string
	must, may []duosim.Record
}

// wantLedger wants the folder of the world's only log to be right after a run that
// began at a time and left this watermark.
func (w *world) wantLedger(began time.Time, watermark *time.Time) {
	w.t.Helper()
	w.ledger(w.logs[0], began, watermark).check(w.t, w.objects())
}

// wantLedgers does the same for the runs of all logs, and wants nothing else to
// be there.
func (w *world) wantLedgers(objects map[string][]byte, began time.Time, runs []collect.Summary) {
	w.t.Helper()
	if len(runs) != len(w.logs) {
		w.t.Fatalf("%d runs for %d logs", len(runs), len(w.logs))
	}
	elsewhere := len(objects)
	for i, r := range runs {
		l := w.ledger(w.logs[i], began, r.Watermark)
		l.check(w.t, objects)
		elsewhere -= len(l.folder(objects))
	}
	if elsewhere > 0 {
		w.t.Errorf("%d objects are in no log's folder", elsewhere)
	}
}

// ledger is what must be there after such a run. What Duo shows since it began
// may be there or not.
func (w *world) ledger(log string, began time.Time, watermark *time.Time) ledger {
	w.t.Helper()
	if watermark == nil {
		w.t.Fatal("there is no watermark")
	}
	return ledger{shapeOf(w.t, log), w.duo.Host, w.shown(log, began, *watermark), w.shown(log, time.Now(), *watermark)}
}

// folder are those of the objects that are the log's.
func (l ledger) folder(objects map[string][]byte) map[string][]byte {
	found := maps.Clone(objects)
	maps.DeleteFunc(found, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "duo-"+l.log+"/") })
	return found
}

func (l ledger) check(t *testing.T, objects map[string][]byte) {
	t.Helper()
	if len(l.must) == 0 {
		t.Fatal("a ledger without records proves nothing")
	}
	objects = l.folder(objects)
	faults := l.compare(t, objects)
	if len(faults) > 0 {
		t.Fatalf("%s: of %d records in %d objects %d are missing, doubled, altered or unknown, such as: %s",
			l.log, len(l.must), len(objects), len(faults), strings.Join(faults[:min(len(faults), 5)], "; "))
	}
}

// compare returns what is wrong with which record.
func (l ledger) compare(t *testing.T, objects map[string][]byte) (faults []string) {
	t.Helper()
	found := map[string][]string{}
	for name, data := range objects {
		for line := range strings.Lines(unpack(t, name, data)) {
			line = strings.TrimSuffix(line, "\n")
			key := l.key([]byte(line))
			found[key] = append(found[key], line)
		}
	}
	for _, r := range l.must {
		if key := l.key(r.Raw); len(found[key]) == 0 {
			faults = append(faults, "missing "+key)
		}
	}
	for _, r := range l.may {
		key := l.key(r.Raw)
		if len(found[key]) > 1 {
			faults = append(faults, "doubled "+key)
		}
		if slices.ContainsFunc(found[key], func(line string) bool { return !l.writes(t, r, line) }) {
			faults = append(faults, "altered "+key)
		}
		delete(found, key)
	}
	for key := range found {
		faults = append(faults, "unknown "+key)
	}
	return faults
}

// writes reports whether a line is a version of a record as it must be written.
func (l ledger) writes(t *testing.T, r duosim.Record, line string) bool {
	t.Helper()
	return slices.ContainsFunc(append([]json.RawMessage{r.Raw}, r.Edits...), func(raw json.RawMessage) bool {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			t.Fatal(err)
		}
		return line == strings.TrimSuffix(b.String(), "}")+strings.ReplaceAll(l.added, "HOST", l.host)+"}"
	})
}

// TestLedger checks that every kind of damage is noticed.
func TestLedger(t *testing.T) {
	record := func(id string, edits ...json.RawMessage) duosim.Record {
		return duosim.Record{Raw: json.RawMessage(`{"ts":"now", "telephony_id":"` + id + `"}`), Edits: edits}
	}
	must := []duosim.Record{record("1"), record("2", json.RawMessage(`{"ts":"now","telephony_id":"2","state":"old"}`))}
	l := ledger{shapes[0], "h", must, append(must, record("3"))}
	one := `{"ts":"now","telephony_id":"1","eventtype":"telephony","host":"h"}` + "\n"
	two, three, four := strings.Replace(one, "1", "2", 1), strings.Replace(one, "1", "3", 1), strings.Replace(one, "1", "4", 1)
	edited := strings.Replace(two, `,"event`, `,"state":"old","event`, 1)
	for name, test := range map[string]struct{ objects, want []string }{
		"right":     {[]string{one, two}, nil},
		"may":       {[]string{one + two, three}, nil},
		"edited":    {[]string{one, edited}, nil},
		"missing":   {[]string{one}, []string{`missing "2"`}},
		"doubled":   {[]string{one, two + one}, []string{`doubled "1"`}},
		"twice":     {[]string{one + one + two}, []string{`doubled "1"`}},
		"both":      {[]string{one, two, edited}, []string{`doubled "2"`}},
		"unknown":   {[]string{one, two, four}, []string{`unknown "4"`}},
		"altered":   {[]string{strings.Replace(one, "host", "guest", 1), two}, []string{`altered "1"`}},
		"retouched": {[]string{strings.Replace(one, `,"event`, `,"state":"old","event`, 1), two}, []string{`altered "1"`}},
		"retimed":   {[]string{strings.Replace(one, "now", "then", 1), two}, []string{`missing "1"`, `unknown "1"`}},
		"may, too":  {[]string{one, two, three, three}, []string{`doubled "3"`}},
	} {
		objects := map[string][]byte{}
		for i, data := range test.objects {
			objects[fmt.Sprint(i, ".ndjson")] = []byte(data)
		}
		got := l.compare(t, objects)
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], " of ")
		}
		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// unpack returns the text of an object and sees to its form.
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
