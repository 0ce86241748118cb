package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// secondPage is the age of the records on the second of three pages over two hours.
const secondPage = time.Hour

// The most important moment: the object exists, but the cursor does not know.
func TestKillAfterUpload(t *testing.T) {
	t.Parallel()
	for _, log := range allLogs {
		t.Run(log, func(t *testing.T) { testKillAfterUpload(t, log, "none") })
	}
	t.Run("gzip", func(t *testing.T) { testKillAfterUpload(t, stream, "gzip") })
}

func testKillAfterUpload(t *testing.T, log, compression string) {
	t.Parallel()
	w := newWorldOf(t, pagesOf50, duosim.Generator{Seed: 7, PerHour: 65, From: time.Now().Add(-2 * time.Hour)}, log)
	stored := newGate()
	w.scriptUploads(duosim.Pass, stored.after)
	p := w.start(map[string]string{"COMPRESSION": compression, "OVERLAP": "3h"})
	push := begin(p.push)
	receive(t, stored.reached, "the second object is stored")
	p.kill()
	if a := receive(t, push, "the push ends"); a.err == nil {
		t.Errorf("the push was answered with %d", a.status)
	}
	w.add(1, time.Now().Add(-secondPage)) // what Duo shows by now must not matter

	next := w.start(map[string]string{"OVERLAP": "3h"})
	if s := next.status(); s.Lease == nil || s.Cursor.Window.Page != 1 || len(w.objects()) != 2 {
		t.Errorf("the killed run left the lease %+v, window %+v, %d objects", s.Lease, s.Cursor.Window, len(w.objects()))
	}
	wantRun(t, next.push(), http.StatusOK, collect.Busy)
	a := next.force()
	wantRun(t, a, http.StatusOK, collect.Complete)
	if a.Token != 2 || len(w.objects()) != len(a.Objects)+1 {
		t.Errorf("the run after it is %+v, there are %d objects", a.Summary, len(w.objects()))
	}
	last := next.push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	w.wantLedger(last.sent, last.Watermark)
	if next.stop(); !next.hasLogged(`"message":"object adopted"`) || !next.hasLogged(`"object":"`+a.Objects[0]) {
		t.Errorf("no line tells that %s was adopted:\n%s", a.Objects[0], next.log)
	}
}

// crashes is a collection of all logs that is killed again and again.
type crashes struct {
	*world
	kills int
	rng   *rand.Rand
	left  map[string]standing // what the last kill left of each stream

	caught  int // kills that met a process at work
	crowded int // kills that met several streams under way
	adopted int
}

// standing is where a stream stands after a kill. The holder is "" where that was
// not in the middle of a run.
type standing struct {
	stream, holder string
	token          int64
	watermark      time.Time
	window         store.Window
}

// newCrashes has half an hour of records for every kill, of which some are late.
func newCrashes(t *testing.T) *crashes {
	seed := fromEnv(t, "CRASH_SEED", int(time.Now().UnixMilli()))
	t.Logf("CRASH_SEED=%d", seed)
	c := &crashes{kills: fromEnv(t, "CRASH_KILLS", 10), rng: rand.New(rand.NewPCG(uint64(seed), 0)), left: map[string]standing{}}
	c.world = newWorldOf(t, pagesOf50, duosim.Generator{
		Seed: c.rng.Uint64(), PerHour: 200 + c.rng.IntN(200), LateOneIn: 20, LateBy: 2 * time.Second, From: time.Now().Add(-time.Duration(c.kills) * 30 * time.Minute),
	}, allLogs...)
	// Windows of a page or two, which the next one reaches back into.
	maps.Copy(c.env, map[string]string{"MAX_WINDOW": "15m", "OVERLAP": "5m", "INGEST_DELAY": "120s", "PAGE_INTERVAL": "20ms"})
	return c
}

// kill kills the process at a random moment, or as soon as its run has stored an
// object, unless the run ends before.
func (c *crashes) kill(p *process, limit time.Duration, stored <-chan struct{}, run <-chan answer) {
	select {
	case <-time.After(time.Duration(c.rng.Int64N(int64(limit)))):
		c.caught++
	case <-stored:
		c.caught++
	case <-run:
	case <-p.ended:
	}
	p.kill()
	c.adopted += strings.Count(p.log.String(), "object adopted")
}

// between looks at what a kill has left: neither token nor watermark ever goes
// back. Then it has records appear late, where the next run still sees them: at
// the end of the window in progress.
func (c *crashes) between(streams []standing) {
	c.t.Helper()
	underWay := 0
	for _, s := range streams {
		before := c.left[s.stream]
		if s.token < before.token || s.watermark.Before(before.watermark) {
			c.t.Errorf("%s: token %d and watermark %s came after %d and %s", s.stream, s.token, s.watermark, before.token, before.watermark)
		}
		if s.holder != "" && s.holder != before.holder {
			underWay++
		}
		c.left[s.stream] = s
		if s.window.Open() {
			c.addTo(s.stream, 5, s.window.To.Add(-time.Duration(1+c.rng.IntN(60))*time.Second))
		}
	}
	if underWay > 1 {
		c.crowded++
	}
}

// end sees to the ledgers after the last run, and that the kills were no mere ends
// of idle processes.
func (c *crashes) end(objects map[string][]byte, began time.Time, runs []collect.Summary) {
	c.t.Helper()
	var streams []standing
	for _, r := range runs {
		if r.Outcome != collect.Complete {
			c.t.Fatalf("the last report of %s is %+v", r.Stream, r)
		}
		streams = append(streams, standing{stream: r.Stream, token: r.Token, watermark: *r.Watermark})
	}
	c.between(streams)
	c.wantLedgers(objects, began, runs)
	records := 0
	for _, data := range objects {
		records += bytes.Count(data, []byte("\n"))
	}
	c.t.Logf("%d of %d kills met a process at work, %d several streams under way; %d objects of %d were adopted, with %d records in all",
		c.caught, c.kills, c.crowded, c.adopted, len(objects), records)
	if c.caught < c.kills/2 || c.crowded < c.kills/2 {
		c.t.Error("that is too few to prove anything")
	}
}

func TestKillService(t *testing.T) {
	t.Parallel()
	c := newCrashes(t)
	for range c.kills {
		p := c.start(nil)
		c.between(stand(p.statuses()))
		g := newGate()
		c.scriptUploads(append(slices.Repeat([]duosim.Fault{duosim.Pass}, c.rng.IntN(12)), g.after)...)
		atWork, run := c.atWork(), begin(func() answer { return patiently(p.force) })
		select {
		case <-atWork:
			c.kill(p, time.Second, g.reached, run)
		case <-run: // little was left to do
			p.kill()
		}
		c.scriptUploads()
	}
	p := c.start(nil)
	c.between(stand(p.statuses()))
	wantRun(t, patiently(p.force), http.StatusOK, collect.Complete)
	last := p.push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	c.end(c.objects(), last.sent, last.Runs)
}

// atWork returns a channel that closes when Duo is asked for two logs. A kill before
// that, in the midst of the transactions that take the leases, would leave all
// documents locked, and stop everything for a minute.
func (c *crashes) atWork() <-chan struct{} {
	there := make(chan struct{})
	var asked atomic.Int32
	for _, log := range c.logs {
		first := sync.OnceFunc(func() {
			if asked.Add(1) == 2 {
				close(there)
			}
		})
		c.sim.Log(log).Always(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			first()
			next.ServeHTTP(w, r)
		})
	}
	return there
}

// patiently repeats a run as Pub/Sub does, while Firestore keeps the lock of a
// transaction that a kill has cut short: for two minutes at most. An attempt takes
// a quarter of a minute.
func patiently(run func() answer) answer {
	locked := func(r collect.Summary) bool { return strings.Contains(r.Reason, "or was killed while it did") }
	a := run()
	for range 10 {
		if !slices.ContainsFunc(a.Runs, locked) {
			break
		}
		a = run()
	}
	return a
}

// stand is where the streams stand of which something is known.
func stand(statuses []collect.Status) (streams []standing) {
	for _, s := range statuses {
		switch {
		case s.Lease == nil && len(s.Runs) > 0:
			streams = append(streams, standing{stream: s.Stream, token: s.Runs[0].Token, watermark: *s.Watermark})
		case s.Lease != nil && s.Cursor.Window != nil:
			streams = append(streams, standing{s.Stream, s.Lease.Holder, s.Lease.Token, *s.Watermark, *s.Cursor.Window})
		}
	}
	return streams
}

// The same with a directory for the bucket and a file for the store.
func TestKillLocal(t *testing.T) {
	t.Parallel()
	c := newCrashes(t)
	dir := t.TempDir()
	c.env["GOCOVERDIR"] = t.TempDir() // a kill can leave a truncated file, which would spoil the others'
	for range c.kills {
		c.between(takeLeases(t, dir))
		stored := appeared(t, dir, len(objectsIn(dir))+1+c.rng.IntN(12))
		c.kill(launch(t, c.env, "local", "-once", "-dir", dir), 2*time.Second, stored, nil)
	}
	c.between(takeLeases(t, dir))
	onceAll(t, c.env, dir)
	began := time.Now()
	_, last := onceAll(t, c.env, dir)
	c.end(files(t, dir), began, last.Runs)
}

// appeared returns a channel that closes when there are that many objects. It polls
// often, because the commit follows within milliseconds.
func appeared(t *testing.T, dir string, n int) <-chan struct{} {
	ctx, there := t.Context(), make(chan struct{})
	go func() {
		defer close(there)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for len(objectsIn(dir)) < n && ctx.Err() == nil {
			<-tick.C
		}
	}()
	return there
}

// takeLeases takes the leases that a killed process left, which would last for
// minutes, with claims that are over at once. It returns where the streams stood;
// the cursors stay as they are.
func takeLeases(t *testing.T, dir string) (streams []standing) {
	t.Helper()
	const holder = "nobody "
	state := store.NewBolt(filepath.Join(dir, "state.db"), nil)
	for _, log := range allLogs {
		var before store.State
		_, _, err := state.Acquire(t.Context(), log, store.Claim{
			Holder: holder + fmt.Sprint(rand.Uint64()), Force: true,
			Next: func(_ context.Context, s store.State) (store.Cursor, error) {
				before = s
				return s.Cursor, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := standing{log, before.Lease.Holder, before.Lease.Token, before.Cursor.Watermark, before.Cursor.Window}
		if strings.HasPrefix(s.holder, holder) {
			s.holder = "" // the run after it did not get as far as to a lease
		}
		streams = append(streams, s)
	}
	return streams
}
