package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/audit"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/store"
)

// verify runs server verify over more than the last day.
func verify(t *testing.T, env map[string]string, code int, args ...string) *process {
	t.Helper()
	now := time.Now()
	args = append([]string{"verify", "-from", now.Add(-30 * time.Hour).Format(time.RFC3339), "-to", now.Format(time.RFC3339)}, args...)
	p := launch(t, env, args...)
	if got := p.wait(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s%s", got, code, p.out, p.log)
	}
	return p
}

// audited is the report of -json.
type audited struct {
	Exact bool
	audit.Report
	Call string
}

func (p *process) audited() audited {
	p.t.Helper()
	dec := json.NewDecoder(strings.NewReader(p.out.String()))
	dec.DisallowUnknownFields()
	var a audited
	if err := dec.Decode(&a); err != nil || strings.Count(p.out.String(), "\n") != 1 {
		p.t.Fatalf("standard output is not one line with a report: %v:\n%s", err, p.out)
	}
	return a
}

// TestVerifyLocal verifies what server local has collected from its simulator. After
// an object is deleted, the rest of the first day is still exact.
func TestVerifyLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, first := once(t, map[string]string{"MAX_WINDOW": "6h", "PAGE_INTERVAL": "0s"}, dir)
	p := verify(t, nil, exitFailed, "-dir", dir, "-json") // before the first window there are records, too
	before := p.audited().Missing.Count
	if a := p.audited(); a.Exact || before == 0 || a.Doubled.Count+a.Altered.Count+a.Unknown.Count != 0 || a.Call == "" {
		t.Fatalf("%+v", a)
	}
	from := first.Window.From.Format(time.RFC3339Nano)
	p = verify(t, nil, exitOK, "-dir", dir, "-from", from)
	if !p.hasLogged("comparing with a simulated Duo") {
		t.Errorf("it does not say so:\n%s", p.log)
	}
	if text := p.out.String(); !strings.Contains(text, "Exact:") || strings.Contains(text, "curl") || !strings.Contains(text, "to is ") {
		t.Errorf("the report is\n%s", text)
	}
	if err := os.Remove(first.Objects[1]); err != nil {
		t.Fatal(err)
	}
	p = verify(t, nil, exitFailed, "-dir", dir, "-from", from)
	for _, want := range []string{"missing ", "doubled      0", "/run -d '{\"from\":\"", "more, -json", "the feed deletes"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("the report does not say %s:\n%s", want, p.out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bucket.meta")); err != nil || len(files(t, dir)) != len(first.Objects)-1 {
		t.Error("to verify has changed the bucket")
	}
}

// TestVerifyService plants a fault of each kind in the bucket of a service.
func TestVerifyService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1500, 2*time.Hour)
	env := maps.Clone(w.env)
	for _, auth := range []string{"PUSH_AUDIENCE", "ALLOWED_CALLERS", "OIDC_CERTS_URL"} { // it serves nobody
		delete(env, auth)
	}
	env["FIRESTORE_EMULATOR_HOST"] = emulator.Firestore(t)
	service := w.start(nil)
	wantRun(t, service.push(), http.StatusOK, collect.Complete)
	service.stop()
	if a := verify(t, env, exitOK, "-json").audited(); !a.Exact || a.Duo < 2500 || a.Bucket != a.Duo || a.Objects < 3 || a.Call != "" {
		t.Fatalf("%+v", a)
	}
	w.rewrite("_0001.ndjson", func(lines []string) []string {
		lines[2] = strings.Replace(lines[2], `"credits":`, `"credits":1`, 1)
		return append(lines[:1], append(lines[2:], lines[5], strings.Replace(lines[7], `"telephony_id":"`, `"telephony_id":"x`, 1))...)
	})
	p := verify(t, env, exitFailed, "-json")
	a := p.audited()
	for kind, f := range map[string]audit.Faults{"missing": a.Missing, "doubled": a.Doubled, "altered": a.Altered, "unknown": a.Unknown} {
		if f.Count != 1 || len(f.Records) != 1 {
			t.Errorf("%d records are %s", f.Count, kind)
		}
	}
	if !strings.HasPrefix(a.Call, `curl -X POST "$URL/run"`) || !strings.HasPrefix(a.Altered.Records[0].Copies[0].Object, "gs://"+bucketName+"/") {
		t.Errorf("%+v", a)
	}
	service = w.start(nil)
	wish, err := json.Marshal(map[string]time.Time{"from": a.Backfill.From, "to": a.Backfill.To})
	if err != nil {
		t.Fatal(err)
	}
	if r := service.manual(string(wish)); r.status != http.StatusOK || r.Records != 1 {
		t.Errorf("the backfill wrote %d records, status %d", r.Records, r.status)
	}
	service.stop()
	if a := verify(t, env, exitFailed, "-json").audited(); a.Missing.Count != 0 || a.Doubled.Count != 1 || a.Foreign.Count != 0 {
		t.Errorf("%+v", a)
	}
	w.upload("_0002.ndjson")
	if a := verify(t, env, exitFailed, "-json").audited(); a.Foreign.Count == 0 || a.Missing.Count != 0 || a.Doubled.Count != 1 {
		t.Errorf("%+v", a)
	}
}

// upload downloads the object whose name ends like this, and uploads it again.
func (w *world) upload(suffix string) {
	w.t.Helper()
	list, err := w.bucket.ListObjectsWithOptionsPaginated(bucketName, fakestorage.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, attrs := range list.Objects {
		if !strings.HasSuffix(attrs.Name, suffix) {
			continue
		}
		o, err := w.bucket.GetObject(bucketName, attrs.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		o.Metadata = nil
		w.bucket.CreateObject(o)
		return
	}
	w.t.Fatalf("no object %s", suffix)
}

// rewrite changes the lines of the object whose name ends like this, which takes more
// than the right to create.
func (w *world) rewrite(suffix string, change func([]string) []string) {
	w.t.Helper()
	list, err := w.bucket.ListObjectsWithOptionsPaginated(bucketName, fakestorage.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, attrs := range list.Objects {
		if !strings.HasSuffix(attrs.Name, suffix) {
			continue
		}
		o, err := w.bucket.GetObject(bucketName, attrs.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		lines := change(strings.Split(strings.TrimSuffix(string(o.Content), "\n"), "\n"))
		o.Content = []byte(strings.Join(lines, "\n") + "\n")
		o.Crc32c, o.Md5Hash, o.Etag, o.Size = "", "", "", 0 // those of the old content
		w.bucket.CreateObject(o)
		return
	}
	w.t.Fatalf("no object %s", suffix)
}

// TestVerifyFails: without an answer from Duo or the bucket, the exit code is 1 and
// the error says what to do.
func TestVerifyFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, 10, time.Hour)
	env := map[string]string{"DUO_IKEY": w.duo.IKey, "DUO_SKEY": w.duo.SKey, "DUO_API_HOST": w.duo.Host, "DUO_API_URL": w.env["DUO_API_URL"]}
	once(t, env, dir)
	env["DUO_SKEY"] = "wrong"
	p := verify(t, env, exitFailed, "-dir", dir)
	if p.hasLogged("simulated") {
		t.Errorf("a simulator is started beside a Duo that is set:\n%s", p.log)
	}
	if !p.hasLogged("verifying failed: reading Duo's log: ") || !p.hasLogged("check DUO_IKEY") || p.out.String() != "" {
		t.Errorf("it says\n%s%s", p.log, p.out)
	}
	simulated := t.TempDir()
	once(t, nil, simulated)
	p = verify(t, nil, exitFailed, "-dir", simulated, "-from", time.Now().Add(-time.Minute).Format(time.RFC3339))
	if !p.hasLogged("nothing is left of the range") || !p.hasLogged("to is ") {
		t.Errorf("it says\n%s", p.log)
	}
	p = verify(t, map[string]string{"OVERLAP": "long"}, exitConfig, "-dir", simulated)
	if !p.hasLogged("OVERLAP: ") || p.hasLogged("comparing with") {
		t.Errorf("a simulator is started for settings that nothing comes of:\n%s", p.log)
	}
}

// Ctrl-C ends it between two requests.
func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, 2000, 2*time.Hour)
	env := map[string]string{
		"DUO_IKEY": w.duo.IKey, "DUO_SKEY": w.duo.SKey, "DUO_API_HOST": w.duo.Host, "DUO_API_URL": w.env["DUO_API_URL"], "PAGE_INTERVAL": "0",
	}
	once(t, env, dir)
	before := len(w.sim.Requests())
	env["PAGE_INTERVAL"] = "1h"
	p := launch(t, env, "verify", "-dir", dir, "-from", time.Now().Add(-3*time.Hour).Format(time.RFC3339), "-to", time.Now().Format(time.RFC3339))
	eventually(t, "the first page was asked for", func() bool { return len(w.sim.Requests()) > before })
	p.signal(os.Interrupt)
	if code := p.wait(); code != exitFailed || p.out.String() != "" {
		t.Errorf("exit code %d:\n%s%s", code, p.out, p.log)
	}
}

func TestVerifyCommandLine(t *testing.T) {
	t.Chdir(t.TempDir())
	const span = "verify -from 2026-01-02T00:00:00Z -to 2026-01-03T00:00:00Z"
	for args, want := range map[string]string{
		"verify":                            "-from and -to are required",
		"verify -from 2026-01-02T00:00:00Z": "-from and -to are required",
		"verify -from yesterday -to 2026-01-03T00:00:00Z":                 `invalid value "yesterday" for flag -from: no RFC 3339 time`,
		"verify -from 2026-01-03T00:00:00Z -to 2026-01-03T01:00:00+01:00": "-from must be before -to",
		span + " -log sms":  `-log "sms" is no log`,
		span + " extra":     `unexpected argument "extra"`,
		span + " -x":        "flag provided but not defined: -x",
		span + " -dir none": "name the directory of server local",
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(args), console{lookup: lookupIn(nil), out: &out, err: &errs})
		if code != exitConfig || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("server %s: exit code %d, want 2 and %q:\n%s%s", args, code, want, &errs, &out)
		}
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"verify", "-h"}, console{lookup: lookupIn(nil), out: &out, err: &errs})
	if code != exitOK || strings.Count(errs.String(), "\n  -") != 6 {
		t.Errorf("exit code %d:\n%s", code, &errs)
	}
}

// All faults in the configuration are listed, a line each, without those that only
// concern the service.
func TestVerifyConfiguration(t *testing.T) {
	p := verify(t, map[string]string{"FIRESTORE_PROJECT": "p", "OVERLAP": "much"}, exitConfig)
	for _, name := range []string{"DUO_IKEY", "DUO_API_HOST", "DUO_SKEY", "GCS_BUCKET", "OVERLAP"} {
		if !p.hasLogged(`level=ERROR msg="configuration: ` + name + ": ") {
			t.Errorf("%s is not told of:\n%s", name, p.log)
		}
	}
	if p.hasLogged("PUSH_AUDIENCE") || strings.Count(p.log.String(), "\n") != 5 {
		t.Errorf("more is told of:\n%s", p.log)
	}
}

// TestAuditText has a report with each kind of fault.
func TestAuditText(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	copies := []audit.Copy{{Object: "gs://b/one", Line: 7}, {Object: "gs://b/two", Line: 1}}
	a := audit.Report{
		Log: stream, From: at.Truncate(time.Hour), To: at.Truncate(time.Hour).Add(time.Hour), Cut: []string{"to is T: because"}, Duo: 9, Bucket: 8, Objects: 2,
		Missing:  audit.Faults{Count: 31, Records: make([]audit.Fault, 31)},
		Doubled:  audit.Faults{Count: 1, Records: []audit.Fault{{ID: "d0d0", TS: &at, Copies: copies}}},
		Altered:  audit.Faults{Count: 1, Records: []audit.Fault{{ID: "a b\x1b[1m", TS: &at, Copies: copies[:1]}}},
		Foreign:  audit.Faults{Count: 1, Records: []audit.Fault{{ID: "f0f0", TS: &at, Copies: copies[1:]}}},
		Backfill: &store.Span{From: at, To: at.Add(time.Millisecond)},
	}
	want := `compared     telephony, 2026-01-02T03:00:00Z to 2026-01-02T04:00:00Z
             to is T: because
at Duo       9 records
in bucket    8 records, 2 objects read

missing      31: at Duo, not in the bucket
` + strings.Repeat("  (no id)  without a readable time\n", 20) + `  and 11 more, -json has up to 10000

doubled      1: in the bucket more than once
  d0d0  2026-01-02T03:04:05.678Z
    gs://b/one line 7
    gs://b/two line 1

altered      1: in the bucket, but not as Duo shows it
  "a b\x1b[1m"  2026-01-02T03:04:05.678Z
    gs://b/one line 7

unknown      0: in the bucket, not at Duo

foreign      1: in an object that has lost its metadata
  f0f0  2026-01-02T03:04:05.678Z
    gs://b/two line 1

An object loses its metadata if it is downloaded and uploaded again. A backfill
that finds it fails: docs/operations.md, "Is everything there?".

This collects what is missing, and nothing that is there:

  curl -X POST "$URL/run" -H "Authorization: Bearer $TOKEN" -d '{"from":"2026-01-02T03:04:05.678Z","to":"2026-01-02T03:04:05.679Z"}'

If the feed deletes objects after transfer, verify can't tell a transferred record
from a missing one. Collected again, a transferred one is there twice.
`
	if diff := cmp.Diff(want, auditText(a, (&verifyCommand{}).call(a))); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}
