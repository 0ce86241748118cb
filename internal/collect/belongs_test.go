package collect_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// doubled counts the records that are in the bucket more than once.
func (w *world) doubled() (n int) {
	for _, objects := range w.lines() {
		if len(objects) > 1 {
			n++
		}
	}
	return n
}

// move has objects go elsewhere from now on.
func (w *world) move(prefix string) {
	place := w.bucket.Place()
	place.Prefix = prefix
	w.bucket = w.at(place)
}

// TestOtherAccount sets the service to another account, between windows and
// after a run that died in one. It is refused, naming both, and nothing moves.
func TestOtherAccount(t *testing.T) {
	t.Parallel()
	for name, open := range worlds {
		for when, begin := range map[string]func(*world){
			"between windows": func(w *world) { w.complete() },
			"in a window":     func(w *world) { w.breakRun(breakage{at: 2, how: diesAfter}); w.expire() },
		} {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				w := open(t)
				w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
				begin(w)
				before, objects := w.state().Cursor, len(w.objects())
				w.config.Host = "api-other.duosecurity.com"
				r := w.collector().Run(t.Context(), collect.Job{Force: true})
				if r.Outcome != collect.Failed || !r.Act || !errors.Is(r.Err, collect.ErrAccount) || r.Requests != 0 {
					t.Errorf("%s, act %v, %d requests: %s", r.Outcome, r.Act, r.Requests, r.Reason)
				}
				for _, part := range []string{host, "api-other.duosecurity.com", "FIRESTORE_COLLECTION"} {
					if !strings.Contains(r.Reason, part) {
						t.Errorf("the reason does not name %s: %s", part, r.Reason)
					}
				}
				if after := w.state().Cursor; !after.Watermark.Equal(before.Watermark) || len(w.objects()) != objects {
					t.Errorf("the watermark is %s, %d objects", after.Watermark, len(w.objects()))
				}
				w.config.Host = host
				w.recover()
			})
		}
	}
}

// TestOtherAccountAsks has a backfill and an audit asked of a service that is set
// to another account than the live stream's: what is settled is not its own.
func TestOtherAccountAsks(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(300, w.start.Add(-3*time.Hour), time.Second)...)
	w.complete()
	objects := len(w.objects())
	w.config.Host = "api-other.duosecurity.com"
	r := w.collector().Run(t.Context(), w.again(4*time.Hour, time.Hour))
	if r.Outcome != collect.Failed || !r.Act || !errors.Is(r.Err, collect.ErrAccount) || r.Requests != 0 || len(w.objects()) != objects {
		t.Errorf("the backfill is %s, act %v, %d requests, %d objects: %s", r.Outcome, r.Act, r.Requests, len(w.objects()), r.Reason)
	}
	if _, err := w.collector().Settled(t.Context()); !errors.Is(err, collect.ErrAccount) {
		t.Errorf("the audit is told %v", err)
	}
}

// TestOtherAccountsObject finds another account's object in its page's place: it
// is neither adopted nor overwritten.
func TestOtherAccountsObject(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
	w.breakRun(breakage{at: 1, how: dies}) // the window is frozen
	w.expire()
	window := w.state().Cursor.Window
	line := []byte(`{"telephony_id":"a1"}` + "\n")
	if _, err := w.bucket.Put(t.Context(), writer.Object{
		Name: writer.Name{Stream: w.stream, From: window.From, To: window.To, Page: 1}, Data: line,
		Meta: writer.Meta{Records: 1, RunID: "other", Token: 1, Account: "api-other.duosecurity.com"},
	}); err != nil {
		t.Fatal(err)
	}
	r := w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Failed || !r.Act || !strings.Contains(r.Reason, "api-other.duosecurity.com") || !strings.Contains(r.Reason, "GCS_PREFIX") {
		t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
	}
	if len(w.lines()) != 1 || w.state().Cursor.Window.Page != 0 {
		t.Errorf("%d lines, page %d", len(w.lines()), w.state().Cursor.Window.Page)
	}
}

// TestPlaceMoved edits GCS_PREFIX: a window in progress is finished where it
// began, later ones go to the new place, and what the old one holds is known.
func TestPlaceMoved(t *testing.T) {
	t.Parallel()
	for name, open := range worlds {
		t.Run(name+"/in a window", func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.sim.Add(w.spread(2300, w.start.Add(-2*time.Hour), time.Second)...)
			w.breakRun(breakage{at: 5, how: diesAfter})
			w.move("duo2")
			w.recover()
			for object := range w.objects() {
				if strings.Contains(object, "duo2") {
					t.Errorf("%s is of a window that began elsewhere", object)
				}
			}
			w.pass(5 * time.Minute)
			w.sim.Add(w.spread(3, w.clock().Add(-4*time.Minute), time.Second)...)
			if r := w.complete(); len(r.Objects) != 1 || !strings.Contains(r.Objects[0], "duo2") {
				t.Errorf("the next window's objects are %v", r.Objects)
			}
		})
	}
	t.Run("backfill", func(t *testing.T) {
		t.Parallel()
		w := embedded(t)
		w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
		w.complete()
		w.move("duo2")
		if r := w.collector().Run(t.Context(), w.again(3*time.Hour, time.Hour)); r.Outcome != collect.Complete || w.doubled() != 0 {
			t.Errorf("%s: %d records are there twice", r.Outcome, w.doubled())
		}
	})
}

// TestBucketMoved edits GCS_BUCKET in a window: that is finished in the old
// bucket, and a backfill knows both.
func TestBucketMoved(t *testing.T) {
	t.Parallel()
	w := emulated(t)
	w.sim.Add(w.spread(2300, w.start.Add(-2*time.Hour), time.Second)...)
	w.breakRun(breakage{at: 5, how: diesAfter})
	old, place := w.objects, w.bucket.Place()
	place.Bucket = strings.ToLower(rand.Text())
	gcs().CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: place.Bucket})
	w.bucket = w.at(place)
	w.objects = func() map[string][]byte {
		all := old()
		for name, data := range listObjects(t, gcs(), place.Bucket) {
			all[place.Bucket+"/"+name] = data
		}
		return all
	}
	w.recover()
	for object := range w.objects() {
		if strings.Contains(object, place.Bucket) {
			t.Errorf("%s is of a window that began elsewhere", object)
		}
	}
	if r := w.collector().Run(t.Context(), w.again(3*time.Hour, time.Hour)); r.Outcome != collect.Complete || r.Records != 0 || w.doubled() != 0 {
		t.Errorf("%s with %d records, %d are there twice: %s", r.Outcome, r.Records, w.doubled(), r.Reason)
	}
}

// TestOtherStore finds no cursor, or an old one that was restored, while the
// bucket holds what a cursor that is gone has delivered.
func TestOtherStore(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(w *world, old store.Cursor){
		"another store": func(w *world, _ store.Cursor) {
			w.store = store.NewBolt(tempDir(w.t)+"/state.db", w.clock)
		},
		"restored": func(w *world, old store.Cursor) { w.edit(func(c *store.Cursor) { *c = old }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.complete()
			old := w.state().Cursor
			w.pass(2 * time.Hour)
			w.sim.Add(w.spread(2300, w.start.Add(time.Minute), 2*time.Second)...)
			w.complete()
			forget(w, old)
			for range 4 {
				w.pass(4 * time.Minute)
				w.sim.Add(w.spread(3, w.clock().Add(-3*time.Minute), time.Second)...)
				if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || w.doubled() != 0 {
					t.Fatalf("%s, %d records are there twice: %s", r.Outcome, w.doubled(), r.Reason)
				}
			}
			w.checkLate()
		})
	}
}

// TestStartStaysOpen has the first run fail, as it does where the permission is
// missing. Whatever is set after that still counts, and time that passes does
// not move the start.
func TestStartStaysOpen(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(w *world){
		"STATE_KEY": func(w *world) {
			w.config.FirstMark = func(context.Context) (time.Time, error) { return w.start.Add(-101 * time.Hour), nil }
		},
		"INITIAL_LOOKBACK": func(w *world) { w.config.Lookback = 101 * time.Hour },
		"nothing":          func(w *world) { w.sim.Add(w.spread(27, w.start.Add(-23*time.Hour), time.Second)...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.sim.Add(w.spread(23, w.start.Add(-100*time.Hour), time.Hour)...)
			w.sim.Script(duosim.Refuse(40301, "Access forbidden"))
			if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Failed {
				t.Fatalf("%s: %s", r.Outcome, r.Reason)
			}
			w.pass(2 * time.Hour)
			set(w)
			r := w.collector().Run(t.Context(), collect.Job{})
			if want := map[bool]int{true: 27, false: 23}[name == "nothing"]; r.Outcome != collect.Complete || r.Records != want {
				t.Errorf("%s with %d records, want %d: %s", r.Outcome, r.Records, want, r.Reason)
			}
		})
	}
}

// TestHostOfTheFirstRun has a first run that failed with another account's host,
// mistyped perhaps, before or after its write: the right one starts anew, and
// takes no object of the other's for its own.
func TestHostOfTheFirstRun(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 3} { // the first request, the commit
		w := embedded(t)
		w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
		w.config.Host, w.config.Enrich = "api-other.duosecurity.com", false
		w.breakRun(breakage{at: at, how: fails})
		if w.state().Lease.Holder != "" || w.state().Cursor.Account.Host != w.config.Host {
			t.Fatalf("the first run has left %+v", w.state())
		}
		w.config.Host = host
		w.pass(time.Minute)
		if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Records != 300 {
			t.Errorf("%s with %d records: %s", r.Outcome, r.Records, r.Reason)
		}
		if c := w.state().Cursor; c.Account.Host != host {
			t.Errorf("the document is that of %s", c.Account)
		}
	}
}

// TestStartOfTheDead has the first run die between its write and its commit: its
// window stays, so that its object is adopted.
func TestStartOfTheDead(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
	w.breakRun(breakage{at: 2, how: diesAfter})
	w.expire()
	w.config.Lookback = 48 * time.Hour
	if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Records != 300 || w.doubled() != 0 {
		t.Errorf("%s with %d records, %d are there twice", r.Outcome, r.Records, w.doubled())
	}
}

// TestBackfillDocumentDeleted deletes a backfill's document. Names that were
// used are not used again.
func TestBackfillDocumentDeleted(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]func(collect.Job) collect.Job{
		"missing":   func(j collect.Job) collect.Job { return j },
		"redeliver": redeliver,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embedded(t)
			w.sim.Add(w.spread(100, w.start.Add(-3*time.Hour), 10*time.Second)...)
			w.complete()
			job := job(w.again(4*time.Hour, time.Hour))
			if !job.Backfill.Redeliver {
				w.lose("telephony_")
			}
			w.backfill(job, collect.Complete, 100)
			w.forget(w.backfills)
			w.pass(time.Millisecond)
			w.sim.Add(w.spread(7, w.start.Add(-2*time.Hour), 11*time.Second)...)
			objects := len(w.objects())
			want := map[bool]int{true: 107, false: 7}[job.Backfill.Redeliver]
			w.backfill(job, collect.Complete, want)
			if len(w.objects()) != objects+1 {
				t.Errorf("%d objects, there were %d", len(w.objects()), objects)
			}
		})
	}
}

// TestWideWindows has windows wider than any that the settings now allow: a
// backfill finds their objects.
func TestWideWindows(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.config.MaxWindow, w.config.Lookback = 180*days, 90*days
	at := w.start.Add(-10 * days)
	w.sim.Add(w.spread(20, at, time.Second)...)
	w.complete()
	w.config.MaxWindow = 24 * time.Hour
	job := collect.Job{Backfill: &store.Backfill{From: at.Add(-time.Hour), To: at.Add(time.Hour)}}
	if r := w.collector().Run(t.Context(), job); r.Outcome != collect.Complete || r.Records != 0 || w.doubled() != 0 {
		t.Errorf("%s with %d records, %d are there twice", r.Outcome, r.Records, w.doubled())
	}
}

// meanwhile calls do before its first Put.
type meanwhile struct {
	collect.Bucket
	do func()
}

func (m *meanwhile) Put(ctx context.Context, o writer.Object) (*writer.Object, error) {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Bucket.Put(ctx, o)
}

// TestWatermarkBackDuringBackfill sets the watermark back while a backfill
// writes: the live stream waits for its end.
func TestWatermarkBackDuringBackfill(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.sim.Add(w.spread(300, w.start.Add(-3*time.Hour), 10*time.Second)...)
	w.complete()
	w.lose("telephony_")
	c := w.collector()
	c.Bucket = &meanwhile{w.bucket, func() {
		w.edit(func(c *store.Cursor) { c.Watermark = c.Watermark.Add(-4 * time.Hour) })
		if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Partial || !strings.Contains(r.Reason, "backfill") {
			t.Errorf("the live run is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
		}
	}}
	if r := c.Run(t.Context(), w.again(4*time.Hour, time.Hour)); r.Outcome != collect.Complete || r.Records == 0 {
		t.Errorf("the backfill is %s with %d records", r.Outcome, r.Records)
	}
	w.recover()
	if w.doubled() != 0 {
		t.Errorf("%d records are there twice", w.doubled())
	}
}

// TestCountedOnce breaks a run after its write: the reports have each record
// once, as the totals do.
func TestCountedOnce(t *testing.T) {
	t.Parallel()
	for _, how := range breaks {
		w := embedded(t)
		w.sim.Add(w.spread(300, w.start.Add(-2*time.Hour), time.Second)...)
		w.breakRun(breakage{at: 3, how: how})
		w.expire()
		w.complete()
		sum := 0
		for _, r := range w.reports {
			sum += r.Records
		}
		if total := w.state().Cursor.Totals.Records; total != 300 || sum != 300 && how != diesAfter && how != answer {
			t.Errorf("%s: the reports have %d records, the totals %d, want 300", how, sum, total)
		}
	}
}

// TestPauseAtTheEnd has a pause that ends just before the budget, and an answer
// that does not come any more: nothing is set wrongly, so nobody has to act.
func TestPauseAtTheEnd(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.complete()
	w.pass(time.Hour)
	w.edit(func(c *store.Cursor) { c.NotBefore = w.clock().Add(300 * time.Millisecond) })
	w.config.Budget = 500 * time.Millisecond
	w.sim.Script(duosim.Hang)
	if r := w.run(collect.Job{}); r.Outcome != collect.Partial || r.Act {
		t.Errorf("%s, act %v: %s", r.Outcome, r.Act, r.Reason)
	}
}

// TestSchema2 goes on from a document of the version before: between windows, in
// a window, and in one whose last object waits to be adopted.
func TestSchema2(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*world){
		"between windows": func(w *world) { w.complete() },
		"in a window":     func(w *world) { w.config.MaxPages = 1; w.run(collect.Job{}) },
		"before a commit": func(w *world) { w.breakRun(breakage{at: 5, how: diesAfter}); w.expire() },
	} {
		for store, open := range worlds {
			t.Run(store+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := open(t)
				w.sim.Add(w.spread(2300, w.start.Add(-2500*time.Second), time.Second)...)
				begin(w)
				w.config.MaxPages = 0
				w.age()
				late := w.plain(uuid(1, w.start), w.start.Add(-6*time.Minute))
				late.VisibleAt = w.clock()
				w.sim.Add(late)
				w.recover()
				if w.doubled() != 0 || len(w.lines()) != 2301 {
					t.Errorf("%d lines, %d of them twice", len(w.lines()), w.doubled())
				}
				c := w.state().Cursor
				if c.Account.Host != host || c.Log != w.stream || len(c.Places) != 1 {
					t.Errorf("the cursor is %+v", c)
				}
			})
		}
	}
}

// TestLeftObject dies after a write, and then Duo shows none of the records for
// the window's rest. They are delivered all the same, so they are not once more
// when Duo shows them again.
func TestLeftObject(t *testing.T) {
	t.Parallel()
	for name, open := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.sim.Add(w.spread(300, w.start.Add(-9*time.Minute), time.Second)...)
			w.breakRun(breakage{at: 2, how: diesAfter})
			w.expire()
			w.sim.Script(duosim.Status(200, `{"stat":"OK","response":{"items":[],"metadata":{"total_objects":0}}}`))
			if r := w.run(collect.Job{}); r.Outcome != collect.Complete || r.Records != 300 {
				t.Errorf("%s with %d records: %s", r.Outcome, r.Records, r.Reason)
			}
			w.pass(time.Minute)
			w.run(collect.Job{})
			if w.doubled() != 0 {
				t.Errorf("%d records are there twice", w.doubled())
			}
		})
	}
}

// TestDeletedDuringBackfill loses the live stream's document while a backfill
// writes what lies behind the watermark that the history still tells: the live
// stream waits for its end.
func TestDeletedDuringBackfill(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	w.complete()
	mark := w.state().Cursor.Watermark
	w.sim.Add(w.spread(300, mark.Add(time.Minute), 10*time.Second)...)
	w.pass(3 * time.Hour)
	w.edit(func(c *store.Cursor) { // which leaves the history as it is
		c.Watermark = mark.Add(3 * time.Hour)
		c.SeenFrom = c.Watermark
	})
	c := w.collector()
	c.Bucket = &meanwhile{w.bucket, func() {
		w.forget(w.stream)
		if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Partial || !strings.Contains(r.Reason, "backfill") {
			t.Errorf("the live run is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
		}
	}}
	job := collect.Job{Backfill: &store.Backfill{From: mark, To: mark.Add(2 * time.Hour)}}
	if r := c.Run(t.Context(), job); r.Outcome != collect.Complete || r.Records != 300 {
		t.Errorf("the backfill is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
	}
	w.collector().Run(t.Context(), collect.Job{})
	if n := len(w.lines()); w.doubled() != 0 || n != 300 {
		t.Errorf("%d lines, %d records are there twice", n, w.doubled())
	}
}
