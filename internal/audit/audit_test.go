package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/audit"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// simulated returns a world with the simulator as Duo, at the current time.
func simulated(t *testing.T, cfg duosim.Config) (*world, *duosim.Sim) {
	t.Helper()
	w := newWorld(t, time.Now().UTC().Truncate(time.Second), nil)
	cfg.IKey, cfg.SKey, cfg.Host, cfg.Now = "ikey", "skey", host, w.clock
	sim := duosim.New(cfg)
	w.connect(sim)
	return w, sim
}

// add puts events into the simulated log.
func add(sim *duosim.Sim, events ...event) {
	for _, e := range events {
		sim.Add(duosim.Record{TS: e.at, ID: uuid(), Raw: []byte(e.raw)})
	}
}

// tampered is a bucket that replaces each line, numbered from 1, by what change
// returns.
type tampered struct {
	collect.Bucket
	change func(n int, line string) []string
	lines  int
}

func (b *tampered) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	var data strings.Builder
	for line := range strings.Lines(string(o.Data)) {
		b.lines++
		for _, changed := range b.change(b.lines, strings.TrimSuffix(line, "\n")) {
			data.WriteString(changed + "\n")
		}
	}
	o.Data = []byte(data.String())
	return b.Bucket.Put(ctx, o)
}

// TestAudit finds one fault of each kind among many delivered records.
func TestAudit(t *testing.T) {
	t.Parallel()
	n := 20_000
	if testing.Short() {
		n = 4_000
	}
	for name, bucket := range map[string]func(*world){"directory": func(*world) {}, "Cloud Storage": func(w *world) { w.useGCS() }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := spread(n, afternoon.Add(-20*time.Hour), 3*time.Second)
			w := newWorld(t, afternoon, newAccount(events...))
			bucket(w)
			honest := w.collector.Bucket
			w.collector.Bucket = &tampered{Bucket: honest, change: func(i int, line string) []string {
				switch i {
				case n / 8:
					return nil
				case n/4 + 1500: // another object
					return []string{line, events[n/4].line()}
				case n / 2:
					return []string{strings.Replace(line, `"eventtype"`, `"credits":1,"eventtype"`, 1)}
				case 3 * n / 4:
					return []string{line, strings.Replace(line, `"telephony_id":"`, `"telephony_id":"f`, 1)}
				}
				return []string{line}
			}}
			if r := w.run(collect.Job{}); r.Records != n {
				t.Fatalf("the run delivered %d records", r.Records)
			}
			w.collector.Bucket = honest
			r := w.audit(24*time.Hour, 0)
			wantFaults(t, r, map[string][]string{
				"missing": {id(t, events[n/8-1].raw) + "×0"}, "doubled": {id(t, events[n/4].raw) + "×2"},
				"altered": {id(t, events[n/2-1].raw) + "×1"}, "unknown": {"f" + id(t, events[3*n/4-1].raw) + "×1"},
			})
			if c := r.Doubled.Records[0].Copies; c[0].Object == c[1].Object || !strings.HasPrefix(c[1].Object, honest.URI(writer.Name{})[:5]) {
				t.Errorf("the doubled one is in %v", c)
			}
			if r.Duo != n || r.Bucket != n+1 {
				t.Errorf("%d records at Duo, %d in the bucket", r.Duo, r.Bucket)
			}
		})
	}
}

// odd are records with and without id and time.
func odd() []event {
	events := spread(8, afternoon.Add(-3*time.Hour), time.Minute)
	for i, raw := range []string{
		`{"telephony_id":"untimed 1","ts":"soon"}`, `{"ts":%q}`, `{"telephony_id":7,"ts":%q}`, `{}`, `["no object"]`,
		`{"telephony_id":"own 1","ts":%q,"host":"h"}`, `{"telephony_id":"own 2","ts":%q,"host":"h","eventtype":"e"}`,
		`{"telephony_id":"two years ago 1","ts":"2024-03-01T00:00:00Z"}`, `{"telephony_id":"next month 1","ts":"2026-04-10T00:00:00Z"}`,
		`{"telephony_id":"year 1","ts":"0001-01-01T00:00:00Z"}`, `{"telephony_id":"N/A","ts":%q}`,
	} {
		at := afternoon.Add(-2*time.Hour + time.Duration(i)*time.Minute)
		if strings.Contains(raw, "%q") {
			raw = fmt.Sprintf(raw, at.Format(time.RFC3339Nano))
		}
		events = append(events, event{at, raw})
	}
	return events
}

// TestPlanted plants one fault among a few records, some of them odd.
func TestPlanted(t *testing.T) {
	t.Parallel()
	one := func(n int, lines ...string) map[int][]string { return map[int][]string{n: lines} }
	for _, test := range []struct {
		name   string
		change map[int][]string // a line's number, from 0, to the lines in its place
		want   map[string][]string
	}{
		{"exact", nil, nil},
		{"missing", one(0), map[string][]string{"missing": {"ID×0"}}},
		{"doubled in one object", one(0, "LINE", "LINE"), map[string][]string{"doubled": {"ID×2"}}},
		{"three times", one(0, "LINE", "LINE", "LINE"), map[string][]string{"doubled": {"ID×3"}}},
		{"white space", one(0, "LINE "), map[string][]string{"altered": {"ID×1"}}},
		{"another member", one(0, `{"telephony_id":"ID","ts":"TS","x":1}`), map[string][]string{"altered": {"ID×1"}}},
		{"another account's host", one(0, `{"telephony_id":"ID","ts":"TS","eventtype":"telephony","host":"api-other.duosecurity.com"}`), map[string][]string{"altered": {"ID×1"}}},
		{"without what is appended", one(0, `{"telephony_id":"ID","ts":"TS"}`), nil},
		{"with half of it", one(0, `{"telephony_id":"ID","ts":"TS","eventtype":"telephony"}`), nil},
		{"the host in capitals", one(0, `{"telephony_id":"ID","ts":"TS","eventtype":"telephony","host":"API-test.duosecurity.com"}`), nil},
		{"doubled and one of them altered", one(0, "LINE", " LINE"), map[string][]string{"doubled": {"ID×2"}, "altered": {"ID×1"}}},
		{"altered twice", one(0, " LINE", " LINE"), map[string][]string{"doubled": {"ID×2"}, "altered": {"ID×2"}}},
		{"unknown", one(0, "LINE", `{"telephony_id":"x1","ts":"TS"}`), map[string][]string{"unknown": {"x1×1"}}},
		{"unknown twice", one(0, "LINE", `{"telephony_id":"x1","ts":"TS"}`, `{"telephony_id":"x1","ts":"TS"}`), map[string][]string{"unknown": {"x1×2"}, "doubled": {"x1×2"}}},
		{"unknown without time", one(0, "LINE", `{"telephony_id":"x1"}`), map[string][]string{"unknown": {"x1×1"}}},
		{"unknown with a time from elsewhere", one(0, "LINE", `{"telephony_id":"x1","ts":"2020-01-01T00:00:00Z"}`), map[string][]string{"unknown": {"x1×1"}}},
		{"one id at two times", one(0, "LINE", `{"telephony_id":"ID","ts":"2026-03-10T12:30:00Z"}`), map[string][]string{"unknown": {"ID×1"}}},
		{"the time written in another way", one(0, strings.ReplaceAll(`{"telephony_id":"ID","ts":"TS"}`, "TS", "2026-03-10T12:00:00.0000000+00:00")), map[string][]string{"missing": {"ID×0"}, "unknown": {"ID×1"}}},
		{"no JSON", one(0, "LINE", `telephony`), map[string][]string{"unknown": {"×1"}}},
		{"an empty line", one(0, "LINE", ``), map[string][]string{"unknown": {"×1"}}},
		{"missing without time", one(8), map[string][]string{"missing": {"untimed 1×0"}}},
		{"missing without id", one(9), map[string][]string{"missing": {"×0"}}},
		{"missing with a number for an id", one(10), map[string][]string{"missing": {"7×0"}}},
		{"missing without anything", one(11), map[string][]string{"missing": {"×0"}}},
		{"missing and no object", one(12), map[string][]string{"missing": {"×0"}}},
		{"missing from another year", one(15), map[string][]string{"missing": {"two years ago 1×0"}}},
		{"missing from next month", one(16), map[string][]string{"missing": {"next month 1×0"}}},
		{"missing from the year 1", one(17), map[string][]string{"missing": {"year 1×0"}}},
		{"missing with an id that says nothing", one(18), map[string][]string{"missing": {"N/A×0"}}},
		{"doubled without id", one(9, "LINE", "LINE"), map[string][]string{"doubled": {"×2"}}},
		{"doubled without anything", one(11, "LINE", "LINE"), map[string][]string{"doubled": {"×2"}}},
		{"doubled from next month", one(16, "LINE", "LINE"), map[string][]string{"doubled": {"next month 1×2"}}},
		{"altered without time", one(8, "LINE "), map[string][]string{"altered": {"untimed 1×1"}}},
	} {
		for _, gzip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gzip %v", test.name, gzip), func(t *testing.T) {
				t.Parallel()
				events := odd()
				w := newWorld(t, afternoon, newAccount(slices.Clone(events)...))
				of := strings.NewReplacer("ID", id(t, events[0].raw), "TS", events[0].at.Format("2006-01-02T15:04:05.000000-07:00"))
				var stored []string
				for i, e := range events {
					instead, ok := test.change[i]
					if !ok {
						instead = []string{"LINE"}
					}
					for _, line := range instead {
						stored = append(stored, strings.ReplaceAll(of.Replace(line), "LINE", e.line()))
					}
				}
				w.putAs(writer.Name{Stream: stream, From: afternoon.Add(-4 * time.Hour), To: afternoon.Add(-time.Hour), Page: 1, Gzip: gzip}, stored...)
				want := map[string][]string{}
				for kind, ids := range test.want {
					for _, id := range ids {
						want[kind] = append(want[kind], of.Replace(id))
					}
				}
				r := w.audit(24*time.Hour, 0)
				wantFaults(t, r, want)
				if r.Duo != len(events) || r.Objects != 1 {
					t.Errorf("%d records at Duo, %d objects", r.Duo, r.Objects)
				}
			})
		}
	}
}

// TestIdentity compares records that identity by the id alone, or by the enriched
// line, would confuse.
func TestIdentity(t *testing.T) {
	t.Parallel()
	at := afternoon.Add(-2 * time.Hour)
	ts := func(i int) string { return at.Add(time.Duration(i) * time.Second).Format(time.RFC3339Nano) }
	const one = "1111aaaa-bff8-4466-b6cb-b7787940ce68"
	var events []event
	for i, raw := range []string{ // each pair at one time
		`{"telephony_id":"N/A","ts":%q,"n":1}`, `{"telephony_id":"N/A","ts":%q,"n":2}`,
		`{"telephony_id":0,"ts":%q}`, `{"telephony_id":0,"ts":%q,"n":2}`,
		`{"telephony_id":7,"ts":%q}`, `{"telephony_id":7,"ts":%q,"n":2}`,
		`{"telephony_id":" ","ts":%q}`, `{"telephony_id":" ","ts":%q,"n":2}`,
		`{"telephony_id":"\u0041","ts":%q}`, `{"telephony_id":"\u0041","ts":%q,"n":2}`,
		`{"telephony_id":[1],"ts":%q}`, `{"telephony_id":[1],"ts":%q,"n":2}`,
		`{"telephony_id":null,"ts":%q}`, `{"telephony_id":null,"ts":%q,"n":2}`,
		`{"telephony_id":"00000000-0000-0000-0000-000000000000","ts":%q}`, `{"telephony_id":"00000000-0000-0000-0000-000000000000","ts":%q,"n":2}`,
		`{"telephony_id":"` + one + `","ts":%q}`, `{"telephony_id":"` + strings.ToUpper(one) + `","ts":%q}`,
		`{"telephony_id":"` + one + `","ts":%q}`, `{"telephony_id":"two 2","ts":%q}`,
	} {
		events = append(events, event{at.Add(time.Duration(i) * time.Second), fmt.Sprintf(raw, ts(i/2))})
	}
	twice := append(slices.Clone(events), events[0], events[len(events)-1]) // which is once
	w := newWorld(t, afternoon, newAccount(twice...))
	r := w.audit(24*time.Hour, time.Hour)
	if r.Missing.Count != len(events) || r.Duo != len(events) {
		t.Errorf("%d of %d records are told apart", r.Missing.Count, len(events))
	}
	for _, fault := range r.Missing.Records {
		if strings.Contains(fault.ID, "[") {
			t.Errorf("the id is shown: %s", fault.ID)
		}
	}
	w.put(4*time.Hour, time.Hour, 1, lines(events)...)
	wantFaults(t, w.audit(24*time.Hour, time.Hour), nil)
}

// TestEnriched: changing ENRICH over time is no fault.
func TestEnriched(t *testing.T) {
	t.Parallel()
	events := append(odd(), event{afternoon.Add(-time.Hour), `{"telephony_id":"both 1","eventtype":"telephony","host":"` + host + `"}`})
	w := newWorld(t, afternoon, newAccount(slices.Clone(events)...))
	for i, e := range events {
		line := e.line()
		if i%2 == 0 || i == len(events)-1 {
			line = e.raw
		}
		w.put(4*time.Hour, time.Minute, i, line)
	}
	wantFaults(t, w.audit(24*time.Hour, 0), nil)
}

// TestForeign compares objects that lost their metadata because they were
// downloaded and uploaded again.
func TestForeign(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(w *world, n writer.Name, data string){
		"directory": func(w *world, n writer.Name, data string) {
			file := filepath.Join(w.dir, "bucket", "duo", n.String())
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				w.t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
				w.t.Fatal(err)
			}
		},
		"Cloud Storage": func(w *world, n writer.Name, data string) {
			fake := w.useGCS()
			fake.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "b", Name: "duo/" + n.String()}, Content: []byte(data)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := spread(4, afternoon.Add(-3*time.Hour), time.Minute)
			w := newWorld(t, afternoon, newAccount(events...))
			foreign := writer.Name{Stream: stream, From: afternoon.Add(-4 * time.Hour), To: afternoon.Add(-time.Hour), Page: 1, Gzip: true}
			plant(w, foreign, strings.Join(lines(events[:3]), "\n")+"\n"+`{"telephony_id":"x1"}`+"\n"+`{"telephony_id":"x1"}`+"\n")
			w.put(4*time.Hour, time.Hour, 2, lines(events[2:])...)
			ids := []string{}
			for _, e := range events[:3] {
				ids = append(ids, id(t, e.raw)+"×1")
			}
			slices.Sort(ids)
			r := w.audit(24*time.Hour, 0)
			wantFaults(t, r, map[string][]string{"foreign": append(ids, "x1×2"), "doubled": {id(t, events[2].raw) + "×2", "x1×2"}, "unknown": {"x1×2"}})
			if c := r.Foreign.Records[1].Copies[0]; c.Object != w.collector.Bucket.URI(foreign) || c.Line == 0 || r.Objects != 2 || r.Bucket != 7 {
				t.Errorf("%+v", r)
			}
			if r := w.audit(24*time.Hour, 5*time.Hour); !r.Exact() {
				t.Errorf("of another range it matters: %+v", r)
			}
		})
	}
}

// TestExact: no kind of fault is exact.
func TestExact(t *testing.T) {
	one := audit.Faults{Count: 1}
	for _, r := range []audit.Report{{Missing: one}, {Doubled: one}, {Altered: one}, {Unknown: one}, {Foreign: one}} {
		if r.Exact() {
			t.Errorf("%+v is exact", r)
		}
	}
}

// TestStreams: the audit reads the objects of the live stream and its backfills,
// and no others.
func TestStreams(t *testing.T) {
	t.Parallel()
	events := spread(4, afternoon.Add(-2*time.Hour), time.Minute)
	w := newWorld(t, afternoon, newAccount(events...))
	n := w.put(3*time.Hour, time.Hour, 1, lines(events[:2])...)
	n.Stream = "telephony-backfill"
	w.putAs(n, lines(events[2:])...)
	n.Stream = "authentication"
	w.putAs(n, lines(events)...)
	wantFaults(t, w.audit(3*time.Hour, time.Hour), nil)
}

// TestMoved: the audit reads all places that the settings ever named, without
// another account's objects.
func TestMoved(t *testing.T) {
	t.Parallel()
	account := newAccount(spread(500, afternoon.Add(-20*time.Hour), time.Minute)...)
	w := newWorld(t, afternoon, account)
	w.run(collect.Job{})
	w.pass(time.Hour)
	account.log = append(account.log, spread(20, afternoon.Add(10*time.Minute), time.Second)...)
	w.collector.Bucket = writer.NewDir(w.dir, "elsewhere")
	w.run(collect.Job{})
	other := writer.Object{
		Name: writer.Name{Stream: stream, From: afternoon.Add(-3 * time.Hour), To: afternoon.Add(-time.Hour), Page: 1},
		Data: []byte("{}\n"), Meta: writer.Meta{Records: 1, Account: "api-other.duosecurity.com"},
	}
	if _, err := w.collector.Bucket.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if r := w.audit(24*time.Hour, -time.Hour); !r.Exact() || r.Duo != 520 {
		t.Errorf("%+v", r)
	}
}

// TestMends: a backfill of the range that the audit names brings back exactly what
// is missing.
func TestMends(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestPlanted finds what is planted")
	}
	w, sim := simulated(t, duosim.Config{})
	w.collector.MaxWindow = 20 * time.Minute
	add(sim, spread(900, w.start.Add(-3*time.Hour), 10*time.Second)...)
	delivered := w.run(collect.Job{})
	for _, object := range delivered.Objects[3:5] {
		if err := os.Remove(object); err != nil {
			t.Fatal(err)
		}
	}
	r := w.audit(24*time.Hour, 30*time.Minute)
	if r.Missing.Count < 100 || r.Duo != 900 || r.Bucket != 900-r.Missing.Count {
		t.Fatalf("%+v", r)
	}
	back := w.run(collect.Job{Backfill: &store.Backfill{From: r.Backfill.From, To: r.Backfill.To}})
	if back.Records != r.Missing.Count {
		t.Errorf("the backfill brought %d records, %d are missing", back.Records, r.Missing.Count)
	}
	if r := w.audit(24*time.Hour, 30*time.Minute); !r.Exact() || r.Duo != 900 {
		t.Errorf("after the backfill: %+v", r)
	}
	w.run(collect.Job{Backfill: &store.Backfill{From: r.Backfill.From, To: r.Backfill.To, Redeliver: true}})
	if r := w.audit(24*time.Hour, 30*time.Minute); r.Doubled.Count != back.Records || r.Missing.Count != 0 {
		t.Errorf("after a redelivery %d records are doubled", r.Doubled.Count)
	}
}

// TestBackfillRange: the audit names the millisecond of the missing record, or the
// whole range if the record's own time is no guide.
func TestBackfillRange(t *testing.T) {
	t.Parallel()
	for i, e := range odd() {
		w := newWorld(t, afternoon, newAccount(e))
		r := w.audit(24*time.Hour, time.Hour)
		want := store.Span{From: e.at, To: e.at.Add(time.Millisecond)}
		if r.Missing.Records[0].TS == nil || !r.Missing.Records[0].TS.Equal(e.at) {
			want = store.Span{From: r.From, To: r.To}
		}
		if b := r.Backfill; b == nil || !b.From.Equal(want.From) || !b.To.Equal(want.To) {
			t.Errorf("of record %d: %v, want %v", i, b, want)
		}
	}
	midnight := afternoon.Truncate(24 * time.Hour)
	for _, indexed := range []time.Duration{-3 * time.Minute, 3 * time.Minute, -3 * time.Hour} { // shown with both days, or with one
		for _, ts := range []time.Duration{-6 * time.Hour, 6 * time.Hour} {
			e := plain("1", midnight.Add(ts))
			e.at = midnight.Add(indexed)
			w := newWorld(t, afternoon, newAccount(e))
			r := w.audit(24*time.Hour, time.Hour)
			if b := r.Backfill; !b.From.Equal(r.From) && (indexed > -time.Hour || ts > 0) {
				t.Errorf("indexed %v, timed %v from midnight: %v", indexed, ts, b)
			}
		}
	}
	w := newWorld(t, afternoon, newAccount(spread(3, afternoon.Add(-3*time.Hour), time.Minute)...))
	if b := w.audit(24*time.Hour, time.Hour).Backfill; !b.From.Equal(afternoon.Add(-3*time.Hour)) || !b.To.Equal(b.From.Add(2*time.Minute+time.Millisecond)) {
		t.Errorf("of three records: %v", b)
	}
}

// TestLate: records appear late. Those within the overlap are not compared before
// they are delivered; one that came even later is missing.
func TestLate(t *testing.T) {
	t.Parallel()
	w, sim := simulated(t, duosim.Config{})
	add(sim, spread(600, w.start.Add(-time.Hour), 5*time.Second)...)
	for i, late := range []time.Duration{4 * time.Minute, 9 * time.Minute, 40 * time.Minute} {
		e := plain(uuid(), w.start.Add(-5*time.Minute+time.Duration(i)*time.Second))
		sim.Add(duosim.Record{TS: e.at, ID: uuid(), Raw: []byte(e.raw), VisibleAt: e.at.Add(late)})
	}
	for range 12 {
		w.run(collect.Job{})
		if r := w.audit(24*time.Hour, -24*time.Hour); !r.Exact() || len(r.Cut) == 0 {
			t.Fatalf("%s after the start: %+v", w.clock().Sub(w.start), r)
		}
		w.pass(2 * time.Minute)
	}
	w.pass(20 * time.Minute)
	w.run(collect.Job{})
	if r := w.audit(24*time.Hour, -24*time.Hour); r.Missing.Count != 1 || r.Duo != 603 {
		t.Errorf("%+v", r)
	}
}

// TestRange: the audit cuts the range to what it can compare, and says so.
func TestRange(t *testing.T) {
	t.Parallel()
	w, sim := simulated(t, duosim.Config{})
	add(sim, spread(900, w.start.Add(-3*time.Hour), 10*time.Second)...) // to half an hour ago
	if r := w.audit(24*time.Hour, 0); r.Missing.Count != 900 || len(r.Cut) != 1 {
		t.Errorf("before the first run: %+v", r)
	}
	w.run(collect.Job{})
	settled := w.start.Add(-w.collector.Delay - w.collector.Overlap)
	for _, test := range []struct {
		name             string
		from, to         time.Time
		wantFrom, wantTo time.Time
		records, cut     int
	}{
		{"inside", w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), 720, 0},
		{"half open", w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + 10*time.Second), w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + 10*time.Second), 1, 0},
		{"a millisecond", w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + time.Millisecond), w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + time.Millisecond), 1, 0},
		{"between milliseconds", w.start.Add(-3*time.Hour + 1), w.start.Add(-time.Hour + 1), w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), 720, 0},
		{"up to now", w.start.Add(-3 * time.Hour), w.start, w.start.Add(-3 * time.Hour), settled, 900, 1},
		{"beyond retention", w.start.Add(-200 * 24 * time.Hour), w.start.Add(-time.Hour), w.start.Add(-180*24*time.Hour + time.Hour), w.start.Add(-time.Hour), 720, 1},
	} {
		r, err := audit.Run(t.Context(), w.collector, test.from, test.to, nil)
		if err != nil || !r.Exact() || r.Duo != test.records || r.Bucket != test.records || len(r.Cut) != test.cut ||
			!r.From.Equal(test.wantFrom) || !r.To.Equal(test.wantTo) {
			t.Errorf("%s: %+v, %v", test.name, r, err)
		}
	}
	for name, from := range map[string]time.Duration{"all too new": time.Minute, "in the future": -time.Hour, "all too old": 190 * 24 * time.Hour} {
		r, err := audit.Run(t.Context(), w.collector, w.start.Add(-from), w.start.Add(-from+time.Minute), nil)
		if err == nil || !strings.Contains(err.Error(), "nothing is left") || !strings.Contains(err.Error(), "to is") && !strings.Contains(err.Error(), "from is") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestBorders: records without a time at a border of the range or of windows are no
// fault, whichever window's object has them.
func TestBorders(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestAudit reads a log")
	}
	var events []event
	objects := map[[2]int][]string{}
	for h := range 6 {
		for ms := -2; ms <= 2; ms++ {
			at := afternoon.Add(time.Duration(h-8)*time.Hour + time.Duration(ms)*time.Millisecond)
			e := event{at, fmt.Sprintf(`{"telephony_id":"untimed %d %d"}`, h, ms)}
			events = append(events, e)
			window := h
			if ms < 0 || ms == 0 && h%2 == 0 { // asked for by both
				window--
			}
			objects[[2]int{window, ms + 2}] = append(objects[[2]int{window, ms + 2}], e.line())
		}
	}
	w := newWorld(t, afternoon, newAccount(events...))
	for at, lines := range objects {
		w.put(time.Duration(8-at[0])*time.Hour, time.Duration(7-at[0])*time.Hour, at[1], lines...)
	}
	for from := 2 * time.Hour; from < 9*time.Hour; from += 20 * time.Minute {
		for ms := time.Duration(-2); ms <= 2; ms++ {
			r := w.audit(from+ms*time.Millisecond, time.Hour)
			shown := 0
			for _, e := range events {
				if !e.at.Before(r.From) && e.at.Before(r.To) {
					shown++
				}
			}
			if !r.Exact() || r.Duo != shown {
				t.Fatalf("from %s ago, %d shown: %+v", from+ms*time.Millisecond, shown, r)
			}
		}
	}
	w = newWorld(t, afternoon, newAccount(events...))
	if r := w.audit(5*time.Hour, 4*time.Hour); r.Missing.Count != 5 {
		t.Errorf("of an hour with five records, %d are missing", r.Missing.Count)
	}
}

// TestWide finds an object with the widest possible window.
func TestWide(t *testing.T) {
	t.Parallel()
	events := spread(3, afternoon.Add(-2*time.Hour), time.Minute)
	w := newWorld(t, afternoon, newAccount(events...))
	w.put(179*24*time.Hour, time.Hour, 1, lines(events)...)
	wantFaults(t, w.audit(3*time.Hour, time.Hour), nil)
}

// TestFails: an audit returns the errors of Duo, the bucket and the store.
func TestFails(t *testing.T) {
	t.Parallel()
	w, sim := simulated(t, duosim.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Run(ctx, w.collector, w.start.Add(-24*time.Hour), w.start, nil); err == nil {
		t.Error("a cancelled audit ends well")
	}
	sim.Script(duosim.Refuse(40301, "Access forbidden"))
	if _, err := audit.Run(t.Context(), w.collector, w.start.Add(-24*time.Hour), w.start, nil); err == nil || !strings.Contains(err.Error(), "Grant read log") {
		t.Errorf("%v", err)
	}
	n := w.put(2*time.Hour, time.Hour, 1, "{}")
	meta, err := filepath.Glob(filepath.Join(w.dir, "bucket.meta", "duo", n.String()) + ".*")
	if err != nil || len(meta) != 1 {
		t.Fatal(meta, err)
	}
	if err := os.WriteFile(meta[0], []byte("<"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Run(t.Context(), w.collector, w.start.Add(-24*time.Hour), w.start, nil); err == nil || !strings.Contains(err.Error(), "reading metadata") {
		t.Errorf("%v", err)
	}
}

// TestProgress: progress is called for every page, backwards.
func TestProgress(t *testing.T) {
	t.Parallel()
	account := newAccount(spread(2500, afternoon.Add(-20*time.Hour), time.Second)...)
	w := newWorld(t, afternoon, account)
	var told []collect.Progress
	r, err := audit.Run(t.Context(), w.collector, afternoon.Add(-48*time.Hour), afternoon.Add(-time.Hour), func(p collect.Progress) { told = append(told, p) })
	if err != nil || r.Missing.Count != 2500 || len(told) != len(account.requests()) {
		t.Fatalf("%+v, %v, told of %d pages", r, err, len(told))
	}
	if !slices.IsSortedFunc(told, func(a, b collect.Progress) int { return b.At.Compare(a.At) }) {
		t.Errorf("in disorder: %v", told)
	}
	last := told[len(told)-1]
	if last.Records != r.Duo || last.Stream != stream || !last.From.Equal(r.To) || !last.To.Equal(r.From) || !last.At.Equal(r.From) {
		t.Errorf("the last is %+v of %+v", last, r)
	}
}
