package collect_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// collected returns a world in which n records, ten seconds apart from three
// hours ago on, are delivered.
func collected(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(n, w.start.Add(-3*time.Hour), 10*time.Second)...)
	w.complete()
	return w
}

// again is a backfill of the hours from and to before the start.
func (w *world) again(from, to time.Duration) collect.Job {
	return collect.Job{Backfill: &store.Backfill{From: w.start.Add(-from), To: w.start.Add(-to)}}
}

func redeliver(j collect.Job) collect.Job {
	j.Backfill.Redeliver = true
	return j
}

// backfill runs once, expects the outcome and n records, and that the live
// cursor stays as it is.
func (w *world) backfill(job collect.Job, outcome string, n int) collect.Report {
	w.t.Helper()
	before := w.state().Cursor
	r := w.collector().Run(w.t.Context(), job)
	if r.Outcome != outcome || r.Records != n {
		w.t.Fatalf("backfill %s with %d records (%s), want %s with %d", r.Outcome, r.Records, r.Reason, outcome, n)
	}
	if after := w.state().Cursor; !reflect.DeepEqual(before, after) { // ten times faster than cmp where nothing differs
		w.t.Fatalf("the live cursor moved (-was +is):\n%s", cmp.Diff(before, after))
	}
	return r
}

// live collects without looking at the bucket, from which records are missing
// or in which some are twice.
func (w *world) live() {
	w.t.Helper()
	c := w.collector()
	c.MaxPages = 0
	if r := c.Run(w.t.Context(), collect.Job{}); r.Outcome != collect.Complete {
		w.t.Fatalf("live run %s: %s", r.Outcome, r.Reason)
	}
}

// lose deletes objects as a feed would, and returns how many records are gone.
func (w *world) lose(match string) int {
	w.t.Helper()
	n := 0
	for path, data := range w.objects() {
		if strings.Contains(path, match) {
			n += strings.Count(string(data), "\n")
			if err := os.Remove(path); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return n
}

// counted returns how often the bucket holds records: a number of records for
// each number of times.
func (w *world) counted() map[int]int {
	out := map[int]int{}
	for _, objects := range w.lines() {
		out[len(objects)]++
	}
	return out
}

// TestBackfillRepeats brings back what is missing once, whatever is asked again.
func TestBackfillRepeats(t *testing.T) {
	t.Parallel()
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip %v", gzip), func(t *testing.T) {
			t.Parallel()
			w := collected(t, 900)
			w.config.Gzip = gzip
			job := w.again(4*time.Hour, time.Hour)
			w.backfill(job, collect.Complete, 0)
			lost := w.lose("telephony_")
			if lost != 900 {
				t.Fatalf("lost %d records", lost)
			}
			r := w.backfill(job, collect.Complete, 720)
			for _, o := range r.Objects {
				if !strings.Contains(o, "/telephony-backfill_") || strings.HasSuffix(o, ".gz") != gzip {
					t.Errorf("object %s", o)
				}
			}
			w.backfill(job, collect.Complete, 0)
			// What a backfill has brought back can be lost too.
			w.lose("telephony-backfill_")
			w.backfill(job, collect.Complete, 720)
			w.backfill(w.again(5*time.Hour, 30*time.Minute), collect.Complete, 180)
		})
	}
}

// TestBackfillPartly brings back one of three objects.
func TestBackfillPartly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.config.MaxWindow = time.Hour
	w.sim.Add(w.spread(1000, w.start.Add(-3*time.Hour-5*time.Minute), 10*time.Second)...)
	w.complete()
	before := maps.Collect(maps.All(w.lines()))
	lost := w.lose(w.objectNames()[1])
	if lost == 0 || lost == 1000 {
		t.Fatalf("lost %d of 1000 records", lost)
	}
	w.config.MaxWindow = 24 * time.Hour
	w.backfill(w.again(24*time.Hour, time.Minute), collect.Complete, lost)
	if len(w.check()) != len(before) {
		t.Error("not all records are back")
	}
}

// TestBackfillLimit cuts a range to what the live stream will not reach again.
func TestBackfillLimit(t *testing.T) {
	t.Parallel()
	w := collected(t, 1070) // up to the last two minutes
	mark := w.state().Cursor.Watermark
	everything := w.again(4*time.Hour, -time.Hour)
	limit := func(want time.Time) {
		t.Helper()
		r := w.backfill(everything, collect.Complete, 0)
		if !r.Window.To.Equal(want) {
			t.Errorf("cut to %s, want %s", r.Window.To, want)
		}
	}
	limit(mark.Add(-w.config.Overlap))

	w.config.Overlap = 20 * time.Minute // the next window still starts where the shorter one did
	limit(mark.Add(-w.config.Overlap))

	w.config.Overlap = 0
	limit(mark.Add(-10 * time.Minute)) // as far back as the next run may reach
	w.config.Overlap = 10 * time.Minute

	w.pass(time.Hour)
	w.sim.Script(duosim.RateLimited(0)) // the live window stays in progress
	w.config.Overlap = 30 * time.Second
	w.config.Budget = 20 * time.Second
	w.partial("rate limited")
	if from := w.state().Cursor.Window.From; !from.Equal(mark.Add(-30 * time.Second)) {
		t.Fatalf("the live window starts at %s", from)
	}
	w.config.Overlap = 0
	limit(earliest(mark.Add(-30*time.Second), w.state().Cursor.SeenFrom))
	if r := w.backfill(w.again(time.Minute, 0), collect.Failed, 0); !errors.Is(r.Err, collect.ErrUnsettled) || r.Requests != 0 {
		t.Errorf("a range that is the live stream's own: %v after %d requests", r.Err, r.Requests)
	}
}

// TestBackfillRest expects the report of a range that is cut to say where, and
// from when on the rest can be asked for; that time holds, and a second before
// it would not. A dry run says the same.
func TestBackfillRest(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]time.Duration{"past": 5 * time.Minute, "future": -30 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := collected(t, 900)
			job := w.again(4*time.Hour, behind)
			cut := w.state().Cursor.Watermark.Add(-w.config.Overlap)
			asked := job.Backfill.To
			from := asked.Add(w.config.Overlap + w.config.Delay)
			for _, dry := range []bool{true, false} {
				job.DryRun = dry
				r := w.backfill(job, collect.Complete, 0)
				for _, words := range []string{"not before " + cut.Format(time.RFC3339), "from " + from.Format(time.RFC3339) + " on"} {
					if !strings.Contains(r.Reason, words) {
						t.Errorf("dry %v: reason %q lacks %q", dry, r.Reason, words)
					}
				}
				if !r.Window.To.Equal(cut) {
					t.Errorf("dry %v: it covers up to %s, want %s", dry, r.Window.To, cut)
				}
			}
			rest := collect.Job{Backfill: &store.Backfill{From: asked.Add(-time.Second), To: asked}}
			w.pass(from.Sub(w.clock()) - time.Second)
			w.live()
			if r := w.backfill(rest, collect.Failed, 0); !errors.Is(r.Err, collect.ErrUnsettled) || !strings.Contains(r.Reason, from.Format(time.RFC3339)) {
				t.Errorf("a second too early: %s", r.Reason)
			}
			w.pass(time.Second)
			w.live()
			if r := w.backfill(rest, collect.Complete, 0); r.Reason != "" || !r.Window.To.Equal(asked) {
				t.Errorf("in time it covers %v: %q", r.Window, r.Reason)
			}
		})
	}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// TestBackfillWhollyTooOld asks for what is nearly as old as Duo keeps it: what Duo may no
// longer show is not asked for, and of nothing else there is no run.
func TestBackfillWhollyTooOld(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	for _, dry := range []bool{true, false} {
		job := w.again(180*days-10*time.Minute, 180*days-50*time.Minute)
		job.DryRun = dry
		if r := w.backfill(job, collect.Failed, 0); !errors.Is(r.Err, collect.ErrUnsettled) || !strings.Contains(r.Reason, "no longer show") || r.Requests != 0 {
			t.Errorf("dry %v: after %d requests: %s", dry, r.Requests, r.Reason)
		}
	}
	if r := w.backfill(w.again(180*days-10*time.Minute, 180*days-2*time.Hour), collect.Complete, 0); r.Requests == 0 || !strings.Contains(r.Reason, "no longer show") {
		t.Errorf("the rest, after %d requests: %s", r.Requests, r.Reason)
	}
}

// TestBackfillFirst asks for a range before anything was collected.
func TestBackfillFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	r := w.backfill(w.again(2*time.Hour, time.Hour), collect.Failed, 0)
	if !r.Act || !strings.Contains(r.Reason, "ordinary run first") {
		t.Errorf("act %v: %s", r.Act, r.Reason)
	}
}

// TestRedeliver writes everything again, under new names, each time.
func TestRedeliver(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	w.config.MaxWindow = 2 * time.Hour
	for i := 1; i <= 3; i++ {
		w.backfill(redeliver(w.again(4*time.Hour, time.Hour)), collect.Complete, 720)
		if diff := cmp.Diff(map[int]int{i + 1: 720, 1: 180}, w.counted()); diff != "" {
			t.Fatalf("records by copies (-want +got):\n%s", diff)
		}
	}
	w.backfill(w.again(4*time.Hour, time.Hour), collect.Complete, 0)
	if names := w.objectNames(); len(slices.Compact(names)) != len(names) {
		t.Error("a name came twice")
	}
}

// TestBackfillAfterRedeliver remembers nothing of what was delivered again: the
// bucket alone counts.
func TestBackfillAfterRedeliver(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	job := w.again(4*time.Hour, time.Hour)
	w.backfill(redeliver(w.again(4*time.Hour, time.Hour)), collect.Complete, 720)
	w.lose("telephony")
	w.backfill(job, collect.Complete, 720)
}

// TestBackfillInterrupted stops after each page, and goes on with the same call,
// whether its end is fixed or cut to a limit that moves on meanwhile.
func TestBackfillInterrupted(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]time.Duration{"fixed": time.Hour, "cut": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := collected(t, 1000)
			w.config.MaxWindow = time.Hour
			w.config.MaxPages = 1
			last := w.start.Add(-4 * time.Hour)
			for i := range 4 {
				r := w.collector().Run(t.Context(), redeliver(w.again(4*time.Hour, to)))
				if want := last.Add(time.Hour); r.Watermark == nil || !r.Watermark.Equal(earliest(want, *r.Watermark)) || !r.Watermark.After(last) {
					t.Fatalf("call %d: %s, from %s to %v: %s", i, r.Outcome, last, r.Watermark, r.Reason)
				}
				last = *r.Watermark
				if r.Outcome == collect.Complete {
					break
				}
				w.pass(time.Minute)
				w.live()
			}
			for copies, n := range w.counted() {
				if copies > 2 {
					t.Errorf("%d records are there %d times", n, copies)
				}
			}
		})
	}
}

// TestBackfillOther asks for another range while one is unfinished: its window
// is finished first, the rest of it given up.
func TestBackfillOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(2500, w.start.Add(-3*time.Hour), time.Second)...)
	w.complete()
	w.lose("telephony_")
	w.config.MaxPages = 1
	w.config.MaxWindow = 30 * time.Minute
	w.backfill(w.again(3*time.Hour, time.Hour), collect.Partial, 1000)
	w.config.MaxPages = 0
	r := w.backfill(w.again(150*time.Minute, 140*time.Minute), collect.Complete, 800+600)
	if want := w.start.Add(-140 * time.Minute); !r.Watermark.Equal(want) {
		t.Errorf("watermark %s, want %s", r.Watermark, want)
	}
	w.backfill(w.again(3*time.Hour, time.Hour), collect.Complete, 100)
	if diff := cmp.Diff(map[int]int{1: 2500}, w.counted()); diff != "" {
		t.Errorf("records by copies (-want +got):\n%s", diff)
	}
}

// TestBackfillOtherKind finishes the window of a range that wanted only what is
// missing before it delivers another range again.
func TestBackfillOtherKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{})
	w.sim.Add(w.spread(2500, w.start.Add(-3*time.Hour), time.Second)...)
	w.complete()
	w.config.MaxPages = 1
	w.backfill(w.again(3*time.Hour, time.Hour), collect.Partial, 0)
	w.config.MaxPages = 0
	w.backfill(redeliver(w.again(150*time.Minute, 149*time.Minute)), collect.Complete, 60)
	if diff := cmp.Diff(map[int]int{2: 60, 1: 2440}, w.counted()); diff != "" {
		t.Errorf("records by copies (-want +got):\n%s", diff)
	}
}

// TestBackfillTooOld leaves a window unfinished for so long that Duo no longer
// answers for it, wholly or in part. The next backfill is none the worse.
func TestBackfillTooOld(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"wholly": 30 * 24 * time.Hour, "in part": 10*24*time.Hour - 50*time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, duosim.Config{})
			w.sim.Add(w.spread(2500, w.start.Add(-170*24*time.Hour), time.Second)...)
			w.live()
			w.config.MaxPages = 1
			job := w.again(170*24*time.Hour, 169*24*time.Hour)
			w.backfill(job, collect.Partial, 1000)
			w.config.MaxPages = 0
			w.pass(later)
			w.live()
			r := w.backfill(w.again(2*time.Hour, time.Hour), collect.Complete, map[string]int{"wholly": 0, "in part": 1500}[name])
			if want := w.start.Add(-time.Hour); !r.Watermark.Equal(want) {
				t.Errorf("watermark %s, want %s", r.Watermark, want)
			}
		})
	}
}

// TestBackfillCrash dies at each step of a backfill, and calls it again.
func TestBackfillCrash(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestCrash breaks a run")
	}
	arrange := func(t *testing.T) *world {
		w := newWorld(t, duosim.Config{})
		w.config.MaxWindow = 30 * time.Minute
		w.sim.Add(w.spread(200, w.start.Add(-3*time.Hour), time.Minute)...)
		w.complete()
		names := w.objectNames()
		w.lose(names[1])
		w.lose(names[2])
		return w
	}
	rehearsal := arrange(t)
	steps := rehearsal.breakBackfill(breakage{at: -1})
	if n := strings.Count(strings.Join(steps, " "), "write"); n < 2 {
		t.Fatalf("the rehearsal takes the steps %v", steps)
	}
	for i, step := range steps {
		for _, how := range []string{answer, dies, diesAfter} {
			t.Run(fmt.Sprintf("%d %s/%s", i, step, how), func(t *testing.T) {
				t.Parallel()
				w := arrange(t)
				w.breakBackfill(breakage{at: i, how: how})
				w.expire()
				w.pass(w.config.Budget)
				job := w.again(3*time.Hour, time.Hour)
				if r := w.collector().Run(t.Context(), job); r.Outcome != collect.Complete {
					t.Fatalf("%s: %s", r.Outcome, r.Reason)
				}
				w.backfill(job, collect.Complete, 0)
				w.check()
			})
		}
	}
}

// breakBackfill does one backfill that breaks, and returns the steps it took.
func (w *world) breakBackfill(b breakage) []string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	s := &saboteur{breakage: b, cancel: cancel}
	c := w.collector()
	c.Store, c.Bucket = brokenStore{w.store, s}, brokenBucket{w.bucket, s}
	c.Run(ctx, w.again(3*time.Hour, time.Hour))
	return s.steps
}

// TestBackfillBesideLive runs both at the same time, again and again.
func TestBackfillBesideLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, duosim.Config{Generate: duosim.Generator{Seed: 1, PerHour: 300}})
	w.config.Lookback = 3 * time.Hour
	w.complete()
	for i := range 6 {
		w.lose(fmt.Sprintf("000%d.ndjson", i%2+1))
		w.pass(4 * time.Minute)
		var both sync.WaitGroup
		both.Go(func() {
			if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete {
				t.Errorf("live %s: %s", r.Outcome, r.Reason)
			}
		})
		both.Go(func() {
			if r := w.collector().Run(t.Context(), w.again(3*time.Hour, -time.Hour)); r.Outcome != collect.Complete {
				t.Errorf("backfill %s: %s", r.Outcome, r.Reason)
			}
		})
		both.Wait()
	}
	w.pass(time.Hour)
	w.live()
	w.backfill(w.again(3*time.Hour, -time.Hour), collect.Complete, w.gone())
	w.check()
}

// gone is how many records that were collected the bucket does not hold.
func (w *world) gone() int {
	n := 0
	have := w.lines()
	c := w.state().Cursor
	for _, r := range w.sim.Visible(w.start.Add(-w.config.Lookback), c.Watermark.Add(-w.config.Overlap)) {
		if len(have[w.line(r.Raw)]) == 0 {
			n++
		}
	}
	return n
}

// vanishing lists an object that is gone when it is read.
type vanishing struct {
	collect.Bucket
	w *world
}

func (v vanishing) List(ctx context.Context, from, to time.Time, reach time.Duration) iter.Seq2[writer.Info, error] {
	return func(yield func(writer.Info, error) bool) {
		infos := maps.Collect(v.Bucket.List(ctx, from, to, reach))
		v.w.lose("telephony_")
		for info, err := range infos {
			if !yield(info, err) {
				return
			}
		}
	}
}

func TestBackfillObjectVanishes(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	w.bucket = vanishing{w.bucket, w}
	w.backfill(w.again(4*time.Hour, time.Hour), collect.Complete, 720)
	w.backfill(w.again(4*time.Hour, time.Hour), collect.Complete, 0)
}

// TestBackfillPageNumbers gives every page of every backfill a number of its
// own, so no two ever share a name.
func TestBackfillPageNumbers(t *testing.T) {
	t.Parallel()
	w := collected(t, 900)
	w.config.MaxWindow = time.Hour
	seen := map[string]bool{}
	for range 3 {
		r := w.backfill(redeliver(w.again(3*time.Hour, time.Hour)), collect.Complete, 720)
		for _, o := range r.Objects {
			number := o[strings.LastIndex(o, "_"):]
			if seen[number] {
				t.Errorf("page number %s came twice", number)
			}
			seen[number] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d objects, want 6", len(seen))
	}
}

// TestBackfillOldStart begins before what Duo answers for: the report says from when on
// it was asked.
func TestBackfillOldStart(t *testing.T) {
	t.Parallel()
	w := collected(t, 10)
	job := collect.Job{Backfill: &store.Backfill{From: w.clock().Add(-180*days + 30*time.Minute), To: w.clock().Add(-179 * days)}}
	if r := w.backfill(job, collect.Complete, 0); !strings.Contains(r.Reason, "what is before "+r.Window.From.Format(time.RFC3339)) {
		t.Errorf("the reason is %q", r.Reason)
	}
}
