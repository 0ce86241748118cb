package writer_test

import (
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/writer"
	"duo-telephony-collector/internal/writer/writertest"
)

var (
	from = time.Date(2026, 3, 14, 9, 0, 0, 5_000_000, time.UTC)
	to   = time.Date(2026, 3, 15, 0, 59, 59, 999_000_000, time.UTC)
)

// pageOne is an object of the first page.
func pageOne(data, next string) writer.Object {
	return writer.Object{
		Name: writer.Name{Stream: "telephony", From: from, To: to, Page: 1},
		Data: []byte(data),
		Meta: writer.Meta{Next: next, Records: strings.Count(data, "\n"), RunID: "run", Token: 3},
	}
}

// mustPut puts an object whose name must be free, or taken by the same object.
func mustPut(t *testing.T, w writertest.Writer, o writer.Object) {
	t.Helper()
	if there, err := w.Put(t.Context(), o); err != nil || there != nil {
		t.Fatalf("Put = %v, %v, want nil, nil", there, err)
	}
}

func TestName(t *testing.T) {
	for _, test := range []struct {
		name writer.Name
		want string
	}{
		{writer.Name{Stream: "telephony", From: from, To: to, Page: 1},
			"2026/03/14/telephony_20260314T090000.005Z_20260315T005959.999Z_0001.ndjson"},
		{writer.Name{Stream: "telephony-backfill", From: from, To: from, Page: 12345, Gzip: true},
			"2026/03/14/telephony-backfill_20260314T090000.005Z_20260314T090000.005Z_12345.ndjson.gz"},
	} {
		if got := test.name.String(); got != test.want {
			t.Errorf("String = %s, want %s", got, test.want)
		}
		if got, ok := writer.ParseName(test.want); !ok || got != test.name {
			t.Errorf("ParseName = %v, %t, want %v", got, ok, test.name)
		}
	}
}

func TestNameIsInUTC(t *testing.T) {
	east := time.FixedZone("east", 14*60*60)
	name := writer.Name{Stream: "telephony", From: from.In(east), To: to.In(east), Page: 1}
	if got, want := name.String(), "2026/03/14/telephony_20260314T090000.005Z_20260315T005959.999Z_0001.ndjson"; got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
}

func TestParseNameRefuses(t *testing.T) {
	const good = "2026/03/14/telephony_20260314T090000.005Z_20260315T005959.999Z_0001.ndjson"
	if _, ok := writer.ParseName(good); !ok {
		t.Fatalf("%s is refused", good)
	}
	for name, s := range map[string]string{
		"empty":              "",
		"with a prefix":      "p/" + good,
		"leading slash":      "/" + good,
		"no folder":          good[len("2026/03/14/"):],
		"folder below":       strings.Replace(good, "14/", "14/x/", 1),
		"another date":       strings.Replace(good, "03/14", "03/15", 1),
		"no stream":          strings.Replace(good, "telephony", "", 1),
		"five fields":        strings.Replace(good, "telephony", "tele_phony", 1),
		"no such date":       strings.ReplaceAll(strings.ReplaceAll(good, "03/14", "02/30"), "20260314", "20260230"),
		"comma in time":      strings.Replace(good, "00.005Z", "00,005Z", 1),
		"no milliseconds":    strings.Replace(good, "59.999Z", "59Z", 1),
		"three-digit page":   strings.Replace(good, "_0001", "_001", 1),
		"five-digit page":    strings.Replace(good, "_0001", "_00001", 1),
		"signed page":        strings.Replace(good, "_0001", "_-001", 1),
		"huge page":          strings.Replace(good, "_0001", "_99999999999999999999", 1),
		"other extension":    strings.Replace(good, ".ndjson", ".json", 1),
		"zipped twice":       good + ".gz.gz",
		"slash at the end":   strings.Replace(good, ".ndjson", "/.ndjson", 1),
		"newline at the end": good + "\n",
	} {
		if n, ok := writer.ParseName(s); ok {
			t.Errorf("%s: ParseName(%q) = %v", name, s, n)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("2026/03/14/telephony_20260314T090000.005Z_20260315T005959.999Z_0001.ndjson")
	f.Add("0000/01/01/a-b_00000101T000000.000Z_99991231T235959.999Z_1000000.ndjson.gz")
	f.Add("2026/03/14/_20260314T090000.005Z_20260315T005959.999Z_-001.ndjson")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := writer.ParseName(s)
		if !ok {
			if n != (writer.Name{}) {
				t.Errorf("refused with %v", n)
			}
			return
		}
		if n.String() != s {
			t.Errorf("String = %q, want %q", n.String(), s)
		}
		if strings.ContainsAny(n.Stream, "_/") || n.Stream == "" || n.Page < 0 {
			t.Errorf("ParseName = %+v", n)
		}
	})
}
