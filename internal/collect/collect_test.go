package collect_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/duo/duosim"
)

// TestCursors collects every number of records around a page's size, with and
// without many records in the millisecond in which a page ends, under every
// way in which Duo may end a walk.
func TestCursors(t *testing.T) {
	t.Parallel()
	counts := []int{0, 1, 999, 1000, 1001, 2000, 2500}
	if testing.Short() {
		counts = []int{0, 1000, 1001}
	}
	for _, cursor := range []duosim.Cursor{duosim.EveryPage, duosim.NullAtEnd, duosim.AbsentAtEnd} {
		for _, inclusive := range []bool{false, true} {
			for _, n := range counts {
				for name, step := range map[string]time.Duration{"spread": time.Second, "ties": 7 * time.Microsecond} {
					t.Run(fmt.Sprintf("cursor %d/inclusive %v/%d/%s", cursor, inclusive, n, name), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, duosim.Config{Manners: duosim.Manners{Cursor: cursor, InclusiveCursor: inclusive}})
						w.sim.Add(w.spread(n, w.start.Add(-3*time.Hour), step)...)
						if r := w.complete(); r.Records != n {
							t.Errorf("delivered %d of %d records", r.Records, n)
						}
						if r := w.complete(); r.Records != 0 || r.Requests > 1 {
							t.Errorf("the second run delivered %d records with %d requests", r.Records, r.Requests)
						}
					})
				}
			}
		}
	}
}

func TestQuietRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.complete()
	w.pass(50 * time.Second)
	r := w.complete()
	if r.Requests != 1 || r.Pages != 1 || r.Records != 0 || len(r.Objects) != 0 {
		t.Errorf("a quiet run made %d requests, %d pages, %d objects", r.Requests, r.Pages, len(r.Objects))
	}
	if len(w.objects()) != 0 {
		t.Errorf("objects without records: %v", w.objectNames())
	}
	if want := w.clock().Add(-w.config.Delay); !r.Watermark.Equal(want) {
		t.Errorf("watermark %s, want %s", r.Watermark, want)
	}
	r = w.complete()
	if r.Requests != 0 || r.Window != nil {
		t.Errorf("with nothing new to ask for, %d requests for %v", r.Requests, r.Window)
	}
}

// TestQueries checks that every request carries all parameters, and that the
// bounds of a window are the same on each of its pages.
func TestQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(2100, w.start.Add(-3*time.Hour), time.Second)...)
	r := w.complete()
	var got []map[string]string
	for _, q := range w.sim.Requests() {
		one := map[string]string{}
		for key := range q.Query {
			if key != "next_offset" {
				one[key] = q.Query.Get(key)
			}
		}
		got = append(got, one)
	}
	page := map[string]string{
		"mintime": fmt.Sprint(r.Window.From.UnixMilli() - 1), "maxtime": fmt.Sprint(r.Window.To.UnixMilli()),
		"limit": "1000", "sort": "ts:asc",
	}
	if diff := cmp.Diff([]map[string]string{page, page, page}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestObjectNames checks names and that a window's records are in its objects.
func TestObjectNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(1500, w.start.Add(-3*time.Hour), time.Second)...)
	w.complete()
	from, to := w.start.Add(-24*time.Hour), w.start.Add(-w.config.Delay)
	const layout = "20060102T150405.000Z"
	want := []string{
		fmt.Sprintf("telephony_%s_%s_0001.ndjson", from.Format(layout), to.Format(layout)),
		fmt.Sprintf("telephony_%s_%s_0002.ndjson", from.Format(layout), to.Format(layout)),
	}
	if diff := cmp.Diff(want, w.objectNames()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestLate delivers records that appear after their window was collected.
func TestLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(300, w.start.Add(-time.Hour), 10*time.Second)...)
	w.complete()
	within := duosim.Record{TS: w.start.Add(-5 * time.Minute), ID: uuid(1, w.start), VisibleAt: w.start.Add(time.Minute)}
	beyond := duosim.Record{TS: w.start.Add(-30 * time.Minute), ID: uuid(2, w.start), VisibleAt: w.start.Add(time.Minute)}
	w.sim.Add(within, beyond)
	w.pass(2 * time.Minute)
	r := w.complete()
	if r.Records != r.Late || r.Late != 1 {
		t.Errorf("%d records, %d late, want the one within the overlap", r.Records, r.Late)
	}
	if r.Duplicates == 0 {
		t.Error("the overlap fetched nothing again")
	}
	for range 5 {
		w.pass(3 * time.Minute)
		if r := w.complete(); r.Records != 0 {
			t.Errorf("%d records came again", r.Records)
		}
	}
}

// TestOverlapSettings changes the overlap between runs: a longer one must not
// reach back to what is no longer remembered.
func TestOverlapSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(600, w.start.Add(-2*time.Hour), 10*time.Second)...)
	for _, overlap := range []time.Duration{10 * time.Minute, 0, 30 * time.Minute, time.Minute, 2 * time.Hour, 0, 0} {
		w.config.Overlap = overlap
		w.complete()
		w.pass(4 * time.Minute)
	}
	if got := len(w.lines()); got != 600 {
		t.Errorf("%d records, want 600", got)
	}
}

// TestWindows cuts a backlog into windows that touch in the middle of ties.
func TestWindows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.config.MaxWindow = time.Hour
	for h := range 12 {
		w.sim.Add(w.spread(40, w.start.Add(-24*time.Hour+time.Duration(h)*time.Hour-20*time.Microsecond), time.Microsecond)...)
	}
	r := w.complete()
	if r.Pages != 24 {
		t.Errorf("%d pages for 24 windows", r.Pages)
	}
	if got := len(w.lines()); got != 40*12-20 {
		t.Errorf("%d records, want all but the 20 from before the first watermark", got)
	}
}

// TestOddRecords writes whatever Duo shows, one line each, unharmed.
func TestOddRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	ts := w.start.Add(-time.Hour)
	stamp := ts.Format(`"ts":"2006-01-02T15:04:05.000000+00:00"`)
	raws := []string{
		`{"telephony_id":"a",` + stamp + `,"unknown":{"deep":[1,2,{"x":null}]}}`,
		`{"telephony_id":"b",` + stamp + `,"n":12345678901234567890,"f":1.10,"e":1e400}`,
		"{\"telephony_id\":\"c\"," + stamp + ",\"s\":\"line\\nbreak \u2028 \u2029 \\u2028 <&> \\ud83d\\ude00\"}",
		"{ \"telephony_id\" : \"d\" ,\n" + stamp + " ,\n\t\"pretty\": [ 1 , 2 ] }",
		`{"telephony_id":null,` + stamp + `,"phone":null,"txid":null}`,
		`{` + stamp + `,"without":"id"}`,
		`{` + stamp + `,"without":"id either"}`,
		`{"telephony_id":"no-time"}`,
		`{"telephony_id":"bad-time","ts":"yesterday"}`,
		`{"telephony_id":"number-time","ts":1666714065304}`,
		`{"telephony_id":"mine",` + stamp + `,"host":"api-other.duosecurity.com","eventtype":"kept"}`,
		`{"telephony_id":7,` + stamp + `}`,
		`{}`,
		`null`,
		`"a string"`,
	}
	for i, raw := range raws {
		w.sim.Add(duosim.Record{TS: ts.Add(time.Duration(i) * time.Millisecond / 4), ID: fmt.Sprint(i), Raw: json.RawMessage(raw)})
	}
	if r := w.complete(); r.Records != len(raws) {
		t.Errorf("delivered %d of %d", r.Records, len(raws))
	}
	w.pass(5 * time.Minute)
	if r := w.complete(); r.Records != 0 {
		t.Errorf("%d records came again", r.Records)
	}
}
