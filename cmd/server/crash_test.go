package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
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
	for _, compression := range []string{"none", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, 2*time.Hour)
			stored := newGate()
			w.scriptUploads(duosim.Pass, stored.after)
			p := w.start(map[string]string{"COMPRESSION": compression, "OVERLAP": "3h"})
			push := begin(p.push)
			receive(t, stored.reached, "the second object is stored")
			p.kill()
			if a := receive(t, push, "the push ends"); a.err == nil {
				t.Errorf("the push was answered with %d", a.status)
			}
			w.add(1, time.Now().Add(-secondPage)) // what Duo shows now must not matter

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
			if next.stop(); !next.hasLogged(`"message":"object adopted","object":"` + a.Objects[0]) {
				t.Errorf("no line tells that %s was adopted:\n%s", a.Objects[0], next.log)
			}
		})
	}
}

// crashes is a collection that is killed again and again.
type crashes struct {
	*world
	kills int
	rng   *rand.Rand

	caught    int // kills in the middle of a run
	adopted   int
	token     int64
	watermark time.Time
}

// newCrashes has an hour of records for every kill, some of them late.
func newCrashes(t *testing.T) *crashes {
	seed := fromEnv(t, "CRASH_SEED", int(time.Now().UnixMilli()))
	t.Logf("CRASH_SEED=%d", seed)
	c := &crashes{kills: fromEnv(t, "CRASH_KILLS", 10), rng: rand.New(rand.NewPCG(uint64(seed), 0))}
	c.world = newWorldOf(t, duosim.Generator{
		Seed: c.rng.Uint64(), PerHour: 2000 + c.rng.IntN(2000), LateOneIn: 20, LateBy: 2 * time.Second, From: time.Now().Add(-time.Duration(c.kills) * time.Hour),
	})
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

// between checks what a kill has left: neither token nor watermark ever goes back.
// Then it adds late records where the next run still sees them, at the end of the
// window in progress.
func (c *crashes) between(token int64, watermark time.Time, window store.Window) {
	c.t.Helper()
	if token < c.token || watermark.Before(c.watermark) {
		c.t.Errorf("token %d and watermark %s came after %d and %s", token, watermark, c.token, c.watermark)
	}
	c.token, c.watermark = token, watermark
	if window.Open() {
		c.add(5, window.To.Add(-time.Duration(1+c.rng.IntN(60))*time.Second))
	}
}

// end checks that enough kills hit a run.
func (c *crashes) end() {
	c.t.Helper()
	c.t.Logf("%d of %d kills met a process at work, %d objects were adopted", c.caught, c.kills, c.adopted)
	if c.caught < c.kills/2 {
		c.t.Error("that is too few to prove anything")
	}
}

func TestKillService(t *testing.T) {
	t.Parallel()
	c := newCrashes(t)
	for range c.kills {
		p := c.start(nil)
		c.look(p.status())
		g := newGate()
		c.scriptUploads(append(slices.Repeat([]duosim.Fault{duosim.Pass}, c.rng.IntN(4)), g.after)...)
		c.kill(p, time.Second, g.reached, begin(p.force))
		c.scriptUploads()
	}
	p := c.start(nil)
	c.look(p.status())
	wantRun(t, p.force(), http.StatusOK, collect.Complete)
	last := p.push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	c.between(last.Token, *last.Watermark, store.Window{})
	c.wantLedger(last.sent, last.Watermark)
	c.end()
}

func (c *crashes) look(s collect.Status) {
	c.t.Helper()
	switch {
	case s.Lease == nil && len(s.Runs) > 0:
		c.between(s.Runs[0].Token, *s.Watermark, store.Window{})
	case s.Lease != nil && s.Cursor.Window != nil:
		c.between(s.Lease.Token, *s.Watermark, *s.Cursor.Window)
	}
}

// The same with a directory for the bucket and a file for the store.
func TestKillLocal(t *testing.T) {
	t.Parallel()
	c := newCrashes(t)
	dir := t.TempDir()
	c.env["GOCOVERDIR"] = t.TempDir() // a kill can leave a truncated file, which would spoil the others'
	for range c.kills {
		s := takeLease(t, dir)
		c.between(s.Lease.Token, s.Cursor.Watermark, s.Cursor.Window)
		stored := appeared(t, dir, len(objectsIn(dir))+1+c.rng.IntN(4))
		c.kill(launch(t, c.env, "local", "-once", "-dir", dir), 2*time.Second, stored, nil)
	}
	takeLease(t, dir)
	once(t, c.env, dir)
	began := time.Now()
	_, last := once(t, c.env, dir)
	if last.Outcome != collect.Complete {
		t.Fatalf("the last report is %+v", last)
	}
	c.between(last.Token, *last.Watermark, store.Window{})
	c.ledger(began, last.Watermark).check(t, files(t, dir))
	c.end()
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

// takeLease takes the lease that a killed process left, which would last for
// minutes, with a claim that expires at once. It returns the state before, and
// leaves the cursor alone.
func takeLease(t *testing.T, dir string) (before store.State) {
	t.Helper()
	_, _, err := store.NewBolt(filepath.Join(dir, "state.db"), nil).Acquire(t.Context(), stream, store.Claim{
		Holder: fmt.Sprint(rand.Uint64()), Force: true,
		Next: func(_ context.Context, s store.State) (store.Cursor, error) {
			before = s
			return s.Cursor, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return before
}
