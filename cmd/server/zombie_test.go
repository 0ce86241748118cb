package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

// A run that was frozen, declared dead and replaced wakes up. It must neither write
// another object nor move the cursor.
func TestZombie(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(*world, gate){
		"page on its way":   func(w *world, g gate) { w.sim.Script(duosim.Pass, g.before) },
		"upload on its way": func(w *world, g gate) { w.scriptUploads(duosim.Pass, g.before) },
		"upload stored":     func(w *world, g gate) { w.scriptUploads(duosim.Pass, g.after) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1300, 2*time.Hour)
			g := newGate()
			script(w, g)
			env := map[string]string{"OVERLAP": "3h"}
			zombie := w.start(env)
			push := begin(zombie.push)
			receive(t, g.reached, "the run gets to its second page")
			zombie.signal(syscall.SIGSTOP)
			w.add(1, time.Now().Add(-secondPage)) // so that the two see different pages

			living := w.start(env)
			wantRun(t, living.push(), http.StatusOK, collect.Busy)
			wantRun(t, living.force(), http.StatusOK, collect.Complete)
			wantBuried(t, w, g, zombie, push)
			last := living.push()
			wantRun(t, last, http.StatusOK, collect.Complete)
			w.wantLedger(last.sent, last.Watermark)
		})
	}
}

// wantBuried wakes the zombie up. It must fail and change nothing.
func wantBuried(t *testing.T, w *world, g gate, zombie *process, push <-chan answer) {
	t.Helper()
	g.open()
	before := w.objects()
	zombie.signal(syscall.SIGCONT)
	a := receive(t, push, "the zombie's push is answered")
	wantRun(t, a, http.StatusServiceUnavailable, collect.Failed)
	if !strings.Contains(a.Reason, "lease lost") {
		t.Errorf("the reason is %q", a.Reason)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("the zombie changed the bucket: %d objects instead of %d", len(w.objects()), len(before))
	}
	if s := zombie.status(); s.Lease != nil || s.Runs[0].ID == a.ID {
		t.Errorf("the lease is %+v, the last run %+v", s.Lease, s.Runs[0])
	}
}

// The same without force: the lease expires, which takes half a minute.
func TestZombieExpired(t *testing.T) {
	if os.Getenv("CRASH_LONG") != "1" {
		t.Skip("CRASH_LONG=1 waits for a lease to run out")
	}
	t.Parallel()
	w := newWorld(t, 1300, 2*time.Hour)
	g := newGate()
	w.sim.Script(duosim.Pass, g.before)
	env := map[string]string{"RUN_BUDGET": "5s"}
	zombie := w.start(env)
	push := begin(zombie.push)
	receive(t, g.reached, "the run gets to its second page")
	zombie.signal(syscall.SIGSTOP)
	living := w.start(env)
	wantRun(t, living.push(), http.StatusOK, collect.Busy)
	expires := living.status().Lease.ExpiresAt
	a := living.push()
	eventually(t, "the lease runs out", func() bool {
		a = living.push()
		return a.Outcome != collect.Busy
	})
	wantRun(t, a, http.StatusOK, collect.Complete)
	if a.StartedAt.Before(expires) {
		t.Errorf("the next run began at %s, before the lease's end at %s", a.StartedAt, expires)
	}
	wantBuried(t, w, g, zombie, push)
	w.wantLedger(a.sent, a.Watermark)
}

// The same with a directory for the bucket and a file for the store.
func TestZombieLocal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1300, 2*time.Hour)
	dir := t.TempDir()
	g := newGate()
	w.sim.Script(duosim.Pass, g.before)
	zombie := launch(t, w.env, "local", "-once", "-dir", dir)
	receive(t, g.reached, "the run gets to its second page")
	state := store.NewBolt(filepath.Join(dir, "state.db"), nil)
	eventually(t, "the first page is committed", func() bool { // if frozen in a commit, it would keep the file locked
		s, err := state.Load(t.Context(), stream)
		return err == nil && s.Cursor.Window.Page == 1
	})
	zombie.signal(syscall.SIGSTOP)
	takeLease(t, dir)
	began := time.Now()
	_, living := once(t, w.env, dir)
	if living.Outcome != collect.Complete {
		t.Fatalf("the living one's report is %+v", living)
	}
	g.open()
	before := files(t, dir)
	zombie.signal(syscall.SIGCONT)
	if code, r := zombie.wait(), zombie.report(); code != exitFailed || r.Outcome != collect.Failed || !strings.Contains(r.Reason, "lease lost") {
		t.Errorf("exit code %d, report %+v", code, r)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("the zombie changed the bucket")
	}
	w.ledger(began, living.Watermark).check(t, files(t, dir))
}
