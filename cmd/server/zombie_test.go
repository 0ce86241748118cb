package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// Runs of all logs that were frozen, declared dead and replaced wake up: they must
// neither write another object nor move a cursor.
func TestZombie(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(w *world, log string, g gate){
		"page on its way":   func(w *world, log string, g gate) { w.sim.Log(log).Script(duosim.Pass, g.before) },
		"upload on its way": func(w *world, log string, g gate) { w.scriptUploadsOf(log, duosim.Pass, g.before) },
		"upload stored":     func(w *world, log string, g gate) { w.scriptUploadsOf(log, duosim.Pass, g.after) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfAll(t, 65, 2*time.Hour)
			gates := w.hold(func(log string, g gate) { script(w, log, g) })
			env := map[string]string{"OVERLAP": "3h"}
			zombie := w.start(env)
			push := begin(zombie.push)
			freeze(t, zombie, gates)
			w.add(1, time.Now().Add(-secondPage)) // the two see different pages

			living := w.start(env)
			wantRun(t, living.push(), http.StatusOK, collect.Busy)
			wantRun(t, living.force(), http.StatusOK, collect.Complete)
			wantBuried(t, w, gates, zombie, push)
			last := living.push()
			wantRun(t, last, http.StatusOK, collect.Complete)
			w.wantLedgers(w.objects(), last.sent, last.Runs)
		})
	}
}

// hold makes a gate for each log.
func (w *world) hold(script func(log string, g gate)) (gates []gate) {
	for _, log := range w.logs {
		gates = append(gates, newGate())
		script(log, gates[len(gates)-1])
	}
	return gates
}

// freeze stops the process when it is at every gate.
func freeze(t *testing.T, zombie *process, gates []gate) {
	t.Helper()
	for _, g := range gates {
		receive(t, g.reached, "the run gets to its second page")
	}
	zombie.signal(syscall.SIGSTOP)
}

func open(gates []gate) {
	for _, g := range gates {
		g.open()
	}
}

// wantBuried wakes the zombie up and wants it to fail and to change nothing.
func wantBuried(t *testing.T, w *world, gates []gate, zombie *process, push <-chan answer) {
	t.Helper()
	open(gates)
	before := w.objects()
	zombie.signal(syscall.SIGCONT)
	a := receive(t, push, "the zombie's push is answered")
	wantRun(t, a, http.StatusServiceUnavailable, collect.Failed)
	wantLost(t, a.Runs)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("the zombie changed the bucket: %d objects instead of %d", len(w.objects()), len(before))
	}
	for _, s := range zombie.statuses() {
		if s.Lease != nil || slices.ContainsFunc(a.Runs, func(r collect.Summary) bool { return r.ID == s.Runs[0].ID }) {
			t.Errorf("the lease of %s is %+v, the last run %+v", s.Stream, s.Lease, s.Runs[0])
		}
	}
}

// wantLost wants a run of every log to have lost its lease.
func wantLost(t *testing.T, runs []collect.Summary) {
	t.Helper()
	if len(runs) != len(allLogs) {
		t.Errorf("there were %d runs", len(runs))
	}
	for _, r := range runs {
		if r.Outcome != collect.Failed || !strings.Contains(r.Reason, "lease lost") {
			t.Errorf("%s: the run is %q, for the reason %q", r.Stream, r.Outcome, r.Reason)
		}
	}
}

// The same without force: the leases run out, which takes half a minute.
func TestZombieExpired(t *testing.T) {
	if os.Getenv("CRASH_LONG") != "1" {
		t.Skip("CRASH_LONG=1 waits for a lease to run out")
	}
	t.Parallel()
	w := newWorldOfAll(t, 65, 2*time.Hour)
	gates := w.hold(func(log string, g gate) { w.sim.Log(log).Script(duosim.Pass, g.before) })
	env := map[string]string{"RUN_BUDGET": "5s"}
	zombie := w.start(env)
	push := begin(zombie.push)
	freeze(t, zombie, gates)
	living := w.start(env)
	wantRun(t, living.push(), http.StatusOK, collect.Busy)
	expires := map[string]time.Time{}
	for _, s := range living.statuses() {
		expires[s.Stream] = s.Lease.ExpiresAt
	}
	for _, log := range w.logs {
		var a answer
		eventually(t, "the lease runs out", func() bool {
			a = living.manual(`{"log":"` + log + `"}`)
			return a.Outcome != collect.Busy
		})
		wantRun(t, a, http.StatusOK, collect.Complete)
		if a.StartedAt.Before(expires[log]) {
			t.Errorf("the next run of %s began at %s, before the lease's end at %s", log, a.StartedAt, expires[log])
		}
	}
	wantBuried(t, w, gates, zombie, push)
	last := living.push()
	wantRun(t, last, http.StatusOK, collect.Complete)
	w.wantLedgers(w.objects(), last.sent, last.Runs)
}

// The same with a directory for the bucket and a file for the store.
func TestZombieLocal(t *testing.T) {
	t.Parallel()
	w := newWorldOfAll(t, 65, 2*time.Hour)
	dir := t.TempDir()
	gates := w.hold(func(log string, g gate) { w.sim.Log(log).Script(duosim.Pass, g.before) })
	zombie := launch(t, w.env, "local", "-once", "-dir", dir)
	state := store.NewBolt(filepath.Join(dir, "state.db"), nil)
	for _, log := range w.logs {
		eventually(t, "the first page is committed", func() bool { // frozen in a commit, it would keep the file locked
			s, err := state.Load(t.Context(), log)
			return err == nil && s.Cursor.Window.Page == 1
		})
	}
	freeze(t, zombie, gates)
	takeLeases(t, dir)
	began := time.Now()
	_, living := onceAll(t, w.env, dir)
	if living.Outcome != collect.Complete {
		t.Fatalf("the living one's reports are %+v", living)
	}
	open(gates)
	before := files(t, dir)
	zombie.signal(syscall.SIGCONT)
	if code := zombie.wait(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	wantLost(t, several(t, zombie.out.String()).Runs)
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("the zombie changed the bucket")
	}
	w.wantLedgers(files(t, dir), began, living.Runs)
}
