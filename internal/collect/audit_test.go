package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// tampered is a bucket whose objects are not quite what was put there: each
// line, counted from 1, becomes those that change returns.
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

// audit compares a range of hours before the start.
func (w *world) audit(from, to time.Duration) collect.Audit {
	w.t.Helper()
	a, err := w.collector().Audit(w.t.Context(), w.start.Add(-from), w.start.Add(-to), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// wantFaults wants these records missing, doubled, altered and unknown, each by
// its id and how many copies are named, such as "id×2".
func wantFaults(t *testing.T, a collect.Audit, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for kind, f := range map[string]collect.Faults{"missing": a.Missing, "doubled": a.Doubled, "altered": a.Altered, "unknown": a.Unknown} {
		for _, r := range f.Records {
			got[kind] = append(got[kind], fmt.Sprintf("%s×%d", r.ID, len(r.Copies)))
		}
		if f.Count != len(f.Records) || f.Records == nil {
			t.Errorf("%d records are %s, %d are named", f.Count, kind, len(f.Records))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if a.Exact() != (len(want) == 0) || (a.Backfill != nil) != (len(want["missing"]) > 0) {
		t.Errorf("exact is %v, the range to collect again %v", a.Exact(), a.Backfill)
	}
}

// TestAudit finds one record of each kind of fault among 200,000.
func TestAudit(t *testing.T) {
	t.Parallel()
	n := 200_000
	if raceEnabled {
		n = 10_000 // each takes ten times as long
	}
	for name, bucket := range map[string]func(*world){"directory": func(*world) {}, "Cloud Storage": (*world).useGCS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{Generate: duosim.Generator{Seed: 3, PerHour: n / 20, From: time.Now().Add(-20 * time.Hour)}})
			bucket(w)
			w.config.Budget = 9 * time.Minute
			var missing, doubled, altered, unknown string
			plant := func(i int, line string) []string {
				switch i {
				case n / 8:
					missing = line
					return nil
				case n / 4:
					doubled = line
				case n/4 + 1500: // another object
					return []string{line, doubled}
				case n / 2:
					altered = line
					return []string{strings.Replace(line, `"credits":`, `"credits":1`, 1)}
				case 3 * n / 4:
					unknown = strings.Replace(line, `"telephony_id":"`, `"telephony_id":"f`, 1)
					return []string{line, unknown}
				}
				return []string{line}
			}
			honest := w.bucket
			w.bucket = &tampered{Bucket: honest, change: plant}
			if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Records < n*9/10 {
				t.Fatalf("the run is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
			}
			w.bucket = honest
			a := w.audit(24*time.Hour, 0)
			wantFaults(t, a, map[string][]string{
				"missing": {id(t, missing) + "×0"}, "doubled": {id(t, doubled) + "×2"},
				"altered": {id(t, altered) + "×1"}, "unknown": {id(t, unknown) + "×1"},
			})
			if c := a.Doubled.Records[0].Copies; c[0].Object == c[1].Object || !strings.HasPrefix(c[1].Object, w.bucket.URI(writer.Name{})[:5]) {
				t.Errorf("the doubled one is in %v", c)
			}
			if shown := len(w.sim.Visible(a.From, a.To)); a.Duo != shown || a.Bucket != shown+1 || shown < n*9/10 {
				t.Errorf("%d records at Duo, want %d, and %d in the bucket", a.Duo, shown, a.Bucket)
			}
		})
	}
}

// id is the id of a line.
func id(t *testing.T, line string) string {
	t.Helper()
	var r struct {
		ID string `json:"telephony_id"`
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal("a line is no JSON")
	}
	return r.ID
}

// odd are records with and without what an audit goes by, in Duo's order.
func odd(w *world) []duosim.Record {
	records := spread(8, w.start.Add(-3*time.Hour), time.Minute)
	for i, raw := range []string{
		`{"telephony_id":"untimed","ts":"soon"}`, `{"ts":%q}`, `{"telephony_id":7,"ts":%q}`, `{}`, `["no object"]`,
		`{"telephony_id":"own host","ts":%q,"host":"h"}`, `{"telephony_id":"own","ts":%q,"host":"h","eventtype":"e"}`,
	} {
		at := w.start.Add(-2*time.Hour + time.Duration(i)*time.Minute)
		if strings.Contains(raw, "%q") {
			raw = fmt.Sprintf(raw, at.Format(time.RFC3339Nano))
		}
		records = append(records, duosim.Record{TS: at, ID: uuid(i+100, at), Raw: json.RawMessage(raw)})
	}
	return records
}

// replace returns a change of the nth line.
func replace(n int, lines ...string) func(int, string) []string {
	return func(i int, line string) []string {
		if i != n {
			return []string{line}
		}
		out := []string{}
		for _, l := range lines {
			out = append(out, strings.ReplaceAll(l, "LINE", line))
		}
		return out
	}
}

// TestAuditFaults plants one fault among few records, odd ones among them.
func TestAuditFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(n int, line string) []string
		want   map[string][]string
	}{
		{"exact", replace(0), nil},
		{"missing", replace(1), map[string][]string{"missing": {"ID×0"}}},
		{"doubled in one object", replace(1, "LINE", "LINE"), map[string][]string{"doubled": {"ID×2"}}},
		{"three times", replace(1, "LINE", "LINE", "LINE"), map[string][]string{"doubled": {"ID×3"}}},
		{"white space", replace(1, "LINE "), map[string][]string{"altered": {"ID×1"}}},
		{"doubled and one of them altered", replace(1, "LINE", " LINE"), map[string][]string{"doubled": {"ID×2"}, "altered": {"ID×1"}}},
		{"unknown", replace(1, "LINE", `{"telephony_id":"x","ts":"TS"}`), map[string][]string{"unknown": {"x×1"}}},
		{"unknown twice", replace(1, "LINE", `{"telephony_id":"x","ts":"TS"}`, `{"telephony_id":"x","ts":"TS"}`), map[string][]string{"unknown": {"x×2"}, "doubled": {"x×2"}}},
		{"unknown without time", replace(1, "LINE", `{"telephony_id":"x"}`), map[string][]string{"unknown": {"x×1"}}},
		{"no JSON", replace(1, "LINE", `telephony`), map[string][]string{"unknown": {"×1"}}},
		{"an empty line", replace(1, "LINE", ``), map[string][]string{"unknown": {"×1"}}},
		{"outside the range", replace(1, "LINE", `{"telephony_id":"x","ts":"2020-01-01T00:00:00Z"}`), nil},
		{"missing without time", replace(9), map[string][]string{"missing": {"untimed×0"}}},
		{"missing without id", replace(10), map[string][]string{"missing": {"×0"}}},
		{"missing with a number for an id", replace(11), map[string][]string{"missing": {"7×0"}}},
		{"missing without anything", replace(12), map[string][]string{"missing": {"×0"}}},
		{"missing and no object", replace(13), map[string][]string{"missing": {"×0"}}},
		{"doubled without id", replace(10, "LINE", "LINE"), map[string][]string{"doubled": {"×2"}}},
		{"doubled without anything", replace(12, "LINE", "LINE"), map[string][]string{"doubled": {"×2"}}},
	} {
		for _, gzip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gzip %v", test.name, gzip), func(t *testing.T) {
				t.Parallel()
				w := embedded(t)
				w.config.Gzip, w.config.MaxWindow = gzip, 2*time.Hour
				records := odd(w)
				w.sim.Add(records...)
				honest := w.bucket
				w.bucket = &tampered{Bucket: honest, change: func(n int, line string) []string {
					out := test.change(n, line)
					for i := range out {
						out[i] = strings.ReplaceAll(out[i], "TS", records[0].TS.Format(time.RFC3339Nano))
					}
					return out
				}}
				w.live()
				w.bucket = honest
				want := map[string][]string{}
				for kind, ids := range test.want {
					for _, id := range ids {
						want[kind] = append(want[kind], strings.ReplaceAll(id, "ID", records[0].ID))
					}
				}
				a := w.audit(24*time.Hour, 0)
				wantFaults(t, a, want)
				if a.Duo != len(records) || a.Objects != 2 {
					t.Errorf("%d records at Duo, %d objects", a.Duo, a.Objects)
				}
			})
		}
	}
}

// TestAuditEnriched has the setting of ENRICH change over time: that is no
// fault. Another field that was appended is one.
func TestAuditEnriched(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(odd(w)...)
	w.config.Enrich = false
	w.live()
	w.config.Enrich = true
	w.pass(30 * time.Minute)
	w.sim.Add(spread(5, w.start.Add(10*time.Minute), time.Second)...)
	w.live()
	for _, enrich := range []bool{true, false} {
		w.config.Enrich = enrich
		if a := w.audit(24*time.Hour, -time.Hour); !a.Exact() || a.Bucket != 20 || a.Duo != 20 {
			t.Errorf("with ENRICH %v: %+v", enrich, a)
		}
	}
}

// TestAuditMends has an audit find what is missing, and a backfill of the range
// that it names bring exactly that back.
func TestAuditMends(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	w.config.MaxWindow = 20 * time.Minute
	w.lose("telephony_")
	w.backfill(w.again(2*time.Hour, time.Hour), collect.Complete, 360)
	a := w.audit(150*time.Minute, 30*time.Minute)
	if a.Missing.Count != 360 || a.Doubled.Count+a.Altered.Count+a.Unknown.Count != 0 || a.Bucket != 360 || a.Duo != 720 {
		t.Fatalf("%+v", a)
	}
	w.backfill(collect.Job{Backfill: &store.Backfill{From: a.Backfill.From, To: a.Backfill.To}}, collect.Complete, 360)
	if a := w.audit(150*time.Minute, 30*time.Minute); !a.Exact() || a.Duo != 720 {
		t.Errorf("after the backfill: %+v", a)
	}
	w.backfill(redeliver(w.again(2*time.Hour, time.Hour)), collect.Complete, 360)
	if a := w.audit(150*time.Minute, 30*time.Minute); a.Doubled.Count != 360 || a.Missing.Count != 0 {
		t.Errorf("after a redelivery %d records are doubled", a.Doubled.Count)
	}
}

// TestAuditLate has records that appear late. Those within the overlap are not
// judged before they are delivered; one that came later than it is missing.
func TestAuditLate(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(spread(600, w.start.Add(-time.Hour), 5*time.Second)...)
	for i, late := range []time.Duration{4 * time.Minute, 9 * time.Minute, 40 * time.Minute} {
		r := plain(uuid(i, w.start), w.start.Add(-5*time.Minute+time.Duration(i)*time.Second))
		r.VisibleAt = r.TS.Add(late)
		w.sim.Add(r)
	}
	for range 12 {
		w.complete()
		if a := w.audit(24*time.Hour, -24*time.Hour); !a.Exact() || len(a.Cut) == 0 {
			t.Fatalf("%s after the start: %+v", w.clock().Sub(w.start), a)
		}
		w.pass(2 * time.Minute)
	}
	w.pass(20 * time.Minute)
	w.complete()
	if a := w.audit(24*time.Hour, -24*time.Hour); a.Missing.Count != 1 || a.Duo != 603 {
		t.Errorf("%+v", a)
	}
}

// TestAuditRange compares no more than can be judged, and says so.
func TestAuditRange(t *testing.T) {
	t.Parallel()
	w := collected(t, 900) // three hours ago to half an hour ago
	ctx := t.Context()
	c := w.collector()
	settled := w.start.Add(-w.config.Delay - w.config.Overlap)
	for _, test := range []struct {
		name             string
		from, to         time.Time
		wantFrom, wantTo time.Time
		records, cut     int
	}{
		{"inside", w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), 720, 0},
		{"half open", w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + 10*time.Second), w.start.Add(-3 * time.Hour), w.start.Add(-3*time.Hour + 10*time.Second), 1, 0},
		{"between milliseconds", w.start.Add(-3*time.Hour + 1), w.start.Add(-time.Hour + 1), w.start.Add(-3 * time.Hour), w.start.Add(-time.Hour), 720, 0},
		{"up to now", w.start.Add(-3 * time.Hour), w.start, w.start.Add(-3 * time.Hour), settled, 900, 1},
		{"beyond retention", w.start.Add(-200 * 24 * time.Hour), w.start.Add(-time.Hour), w.start.Add(-180*24*time.Hour + time.Hour), w.start.Add(-time.Hour), 720, 1},
	} {
		a, err := c.Audit(ctx, test.from, test.to, nil)
		if err != nil || !a.Exact() || a.Duo != test.records || a.Bucket != test.records || len(a.Cut) != test.cut ||
			!a.From.Equal(test.wantFrom) || !a.To.Equal(test.wantTo) {
			t.Errorf("%s: %+v, %v", test.name, a, err)
		}
	}
	for name, from := range map[string]time.Duration{"all too new": time.Minute, "in the future": -time.Hour, "all too old": 190 * 24 * time.Hour} {
		a, err := c.Audit(ctx, w.start.Add(-from), w.start.Add(-from+time.Minute), nil)
		if err == nil || !strings.Contains(err.Error(), "nothing is left") || !strings.Contains(err.Error(), "to is") && !strings.Contains(err.Error(), "from is") {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	w.config.Lookback = time.Hour
	behind := newWorld(t, duosim.Config{})
	behind.sim.Add(spread(100, behind.start.Add(-time.Hour), time.Second)...)
	if a := behind.audit(24*time.Hour, 0); a.Missing.Count != 100 || len(a.Cut) != 1 {
		t.Errorf("before the first run: %+v", a)
	}
}

// TestAuditBorders has records without a time at the borders of the range and
// of windows: whatever side of a border they are on, they are no fault.
func TestAuditBorders(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.MaxWindow = time.Hour
	for h := range 6 {
		for ms := -2; ms <= 2; ms++ {
			at := w.start.Add(time.Duration(h-8)*time.Hour + time.Duration(ms)*time.Millisecond)
			raw := fmt.Sprintf(`{"telephony_id":"untimed %d %d"}`, h, ms)
			w.sim.Add(duosim.Record{TS: at, ID: uuid(h*10+ms, at), Raw: json.RawMessage(raw)})
		}
	}
	w.live()
	for from := 2 * time.Hour; from < 9*time.Hour; from += 20 * time.Minute {
		for ms := time.Duration(-2); ms <= 2; ms++ {
			if a := w.audit(from+ms*time.Millisecond, time.Hour); !a.Exact() {
				t.Fatalf("from %s ago: %+v", from+ms*time.Millisecond, a)
			}
		}
	}
}

// TestAuditOffsets goes on where Duo refuses an offset or repeats one, and ends
// where it does so for good.
func TestAuditOffsets(t *testing.T) {
	t.Parallel()
	w := collected(t, 1000)
	w.sim.Add(spread(3500, w.start.Add(-8*time.Hour), time.Second)...)
	w.edit(func(c *store.Cursor) { c.Watermark = w.start.Add(-9 * time.Hour) })
	w.live()
	w.sim.Script(duosim.Pass, duosim.Refuse(40002, "Invalid request parameters"))
	if a := w.audit(24*time.Hour, 0); !a.Exact() || a.Duo != 4500 {
		t.Errorf("refused: %+v", a)
	}
	account := w.misbehave()
	account.next = func(sent string, n int) string {
		if account.requests == 2 {
			return sent
		}
		return account.proper(n)
	}
	if a := w.audit(24*time.Hour, 0); !a.Exact() || a.Duo != 4500 {
		t.Errorf("repeated: %+v", a)
	}
	w.sim.Add(spread(2500, w.start.Add(-4*time.Hour), time.Nanosecond)...)
	account.next = func(string, int) string { return "1,x" }
	if a, err := w.collector().Audit(t.Context(), w.start.Add(-24*time.Hour), w.start, nil); err == nil || !strings.Contains(err.Error(), "paging does not get past") {
		t.Errorf("stuck: %+v, %v", a, err)
	}
}

// TestAuditDisorder has Duo return pages in disorder.
func TestAuditDisorder(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(spread(1500, w.start.Add(-2*time.Hour), time.Second)...)
	w.complete()
	w.sim.Script(disordered(w), disordered(w))
	if a := w.audit(24*time.Hour, 0); !a.Exact() || a.Duo != 1500 {
		t.Errorf("%+v", a)
	}
}

// TestAuditForeign ends at an object of another program under a name of ours.
func TestAuditForeign(t *testing.T) {
	t.Parallel()
	w := collected(t, 10)
	for object := range w.objects() {
		if err := os.WriteFile(object, []byte("{}\n"), 0o600); err != nil { // its metadata is that of other bytes
			t.Fatal(err)
		}
	}
	a, err := w.collector().Audit(t.Context(), w.start.Add(-24*time.Hour), w.start, nil)
	if err == nil || !strings.Contains(err.Error(), "foreign object") || !strings.Contains(err.Error(), "move it out") {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAuditFails returns what is wrong at Duo, the bucket and the store.
func TestAuditFails(t *testing.T) {
	t.Parallel()
	w := collected(t, 10)
	w.sim.Script(duosim.Refuse(40301, "Access forbidden"))
	if _, err := w.collector().Audit(t.Context(), w.start.Add(-24*time.Hour), w.start, nil); err == nil || !strings.Contains(err.Error(), "Grant read log") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.collector().Audit(ctx, w.start.Add(-24*time.Hour), w.start, nil); err == nil {
		t.Error("a cancelled audit ends well")
	}
}

// TestAuditProgress is told of every page, in order.
func TestAuditProgress(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	w.sim.Add(spread(2500, w.start.Add(-20*time.Hour), time.Second)...)
	var told []collect.Progress
	a, err := w.collector().Audit(t.Context(), w.start.Add(-24*time.Hour), w.start.Add(-time.Hour), func(p collect.Progress) { told = append(told, p) })
	if err != nil || a.Missing.Count != 2500 || len(told) != 5 {
		t.Fatalf("%+v, %v, told of %d pages", a, err, len(told))
	}
	if !slices.IsSortedFunc(told, func(a, b collect.Progress) int { return a.At.Compare(b.At) }) {
		t.Errorf("in disorder: %v", told)
	}
	last := told[len(told)-1]
	if last.Records != a.Duo || last.Stream != stream || !last.From.Equal(a.From) || !last.To.Equal(a.To) {
		t.Errorf("the last is %+v of %+v", last, a)
	}
}
