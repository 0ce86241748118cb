package collect_test

import (
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
)

// TestEveryLog collects each log: what is there, what comes late, what is there
// already when the document is lost or a range is asked for again.
func TestEveryLog(t *testing.T) {
	t.Parallel()
	for name, open := range worlds {
		for _, log := range duo.Logs {
			t.Run(name+"/"+log.Name, func(t *testing.T) {
				t.Parallel()
				collectLog(t, open(t).use(log))
			})
		}
	}
}

func collectLog(t *testing.T, w *world) {
	old := w.lively(w.spread(2*w.page+10, w.start.Add(-2*time.Hour), time.Second))
	young := w.lively(w.spread(40, w.start.Add(-10*time.Minute), time.Second))
	w.sim.Add(old...)
	w.sim.Add(young...)
	if r := w.complete(); r.Records != len(old)+len(young) || r.Stream != w.name {
		t.Errorf("%d of %d records of %s", r.Records, len(old)+len(young), r.Stream)
	}
	late := w.plain(w.newID(1, w.start), w.start.Add(-6*time.Minute))
	late.VisibleAt = w.clock()
	w.sim.Add(late)
	w.pass(time.Minute)
	if r := w.complete(); r.Records != 1 || r.Late != 1 || r.Duplicates != len(young) {
		t.Errorf("%d records, %d late, and %d of %d dropped", r.Records, r.Late, r.Duplicates, len(young))
	}
	w.forget(w.stream)
	w.pass(time.Minute)
	if r := w.complete(); r.Records != 0 || r.Duplicates != len(young)+1 {
		t.Errorf("%d came again, %d of %d dropped", r.Records, r.Duplicates, len(young)+1)
	}
	r := w.collector().Run(t.Context(), w.again(3*time.Hour, 30*time.Minute))
	if r.Records != 0 || r.Duplicates != len(old) || r.Stream != w.name+"-backfill" {
		t.Errorf("the backfill of %s delivers %d, and drops %d of %d: %s", r.Stream, r.Records, r.Duplicates, len(old), r.Reason)
	}
	w.checkLate()
	for _, object := range w.objectNames() {
		if !strings.HasPrefix(object, w.name+"_") {
			t.Errorf("an object is named %s", object)
		}
	}
}
