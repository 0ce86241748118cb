package collect_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// settings are all that a new revision can change of how the stream is
// collected, by the variable. README says of each when it may be changed.
var settings = map[string]func(*world){
	"GCS_PREFIX": func(w *world) { w.move("elsewhere/b") },
	"FIRESTORE_COLLECTION": func(w *world) {
		w.store = store.NewBolt(filepath.Join(tempDir(w.t), "other.db"), w.clock)
	},
	"MAX_ITERATIONS":   func(w *world) { w.config.MaxPages = 1 },
	"RUN_BUDGET":       func(w *world) { w.config.Budget = 3 * time.Minute },
	"INITIAL_LOOKBACK": func(w *world) { w.config.Lookback = 6 * time.Hour },
	"STATE_KEY": func(w *world) {
		w.config.FirstMark = func(context.Context) (time.Time, error) { return w.start.Add(-6 * time.Hour), nil }
	},
	"INGEST_DELAY longer":  func(w *world) { w.config.Delay = 5 * time.Minute },
	"INGEST_DELAY shorter": func(w *world) { w.config.Delay = 2 * time.Minute },
	"OVERLAP longer":       func(w *world) { w.config.Overlap = 2 * time.Hour },
	"OVERLAP shorter":      func(w *world) { w.config.Overlap = 0 },
	"MAX_WINDOW longer":    func(w *world) { w.config.MaxWindow = 179 * days },
	"MAX_WINDOW shorter":   func(w *world) { w.config.MaxWindow = 7 * time.Minute },
	"ENRICH":               func(w *world) { w.config.Enrich = false },
	"COMPRESSION":          func(w *world) { w.config.Gzip = true },
}

// TestSettings changes each setting between two runs, in the window that a kill
// has left after the write or after the commit of a page, and before anything is
// committed. Every record is delivered once.
func TestSettings(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestOtherStore and others change one setting each")
	}
	left := map[string]func(*world){
		"between runs":          func(w *world) { w.ask(collect.Complete) },
		"before the first page": func(w *world) { w.die(1, dies) },
		"after the first write": func(w *world) { w.die(2, diesAfter) },
		"after a commit":        func(w *world) { w.die(5, dies) },
		"after another write":   func(w *world) { w.die(5, diesAfter) },
	}
	for name, change := range settings {
		for when, leave := range left {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				w := embedded(t)
				w.sim.Add(w.spread(2300, w.start.Add(-2*time.Hour), time.Second)...)
				leave(w)
				change(w)
				w.pass(6 * time.Minute)
				w.sim.Add(w.spread(5, w.start.Add(-time.Minute), time.Second)...)
				for range 40 {
					if w.ask("") == collect.Complete {
						break
					}
				}
				w.pass(6 * time.Minute)
				w.ask("")
				ids := map[string]int{}
				for line, objects := range w.lines() {
					ids[idOf(t, line)] += len(objects)
				}
				for id, n := range ids {
					if n != 1 {
						t.Fatalf("%s is there %d times", id, n)
					}
				}
				if len(ids) != 2305 {
					t.Errorf("%d of 2305 records", len(ids))
				}
			})
		}
	}
}

// ask runs once and returns the outcome, which has to be the one that is wanted
// unless that is "". It makes no check that depends on a setting.
func (w *world) ask(want string) string {
	w.t.Helper()
	r := w.collector().Run(w.t.Context(), collect.Job{})
	if want != "" && r.Outcome != want || r.Outcome == collect.Failed {
		w.t.Fatalf("%s: %s", r.Outcome, r.Reason)
	}
	return r.Outcome
}

// die breaks a run so that nobody gives its lease back, and lets that end.
func (w *world) die(at int, how string) {
	w.t.Helper()
	w.breakRun(breakage{at: at, how: how})
	w.expire()
}

// idOf returns a line's telephony_id.
func idOf(t *testing.T, line string) string {
	t.Helper()
	var r struct {
		ID string `json:"telephony_id"`
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}
