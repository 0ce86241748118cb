package collect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/record"
)

// TestPhones has the phone numbers of two logs written as each mode says. A run
// dies after its first object and another one adopts it; the mode changes, and
// what the overlap shows again is not written again; a backfill finds all there.
func TestPhones(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestPhonesAlike writes numbers")
	}
	key := []byte("0123456789abcdef")
	logs := map[string]string{
		"telephony":      `{"phone":"+17345550100","telephony_id":"ID","ts":"TIME"}`,
		"authentication": `{"auth_device":{"key":"DPZ9Y8X7W6V5U4T3S2R1","name":"Work phone (+1 734-555-0100)"},"isotimestamp":"TIME","txid":"ID"}`,
	}
	written := map[string]map[string]string{
		"keep": {"telephony": `"phone":"+17345550100"`, "authentication": `"name":"Work phone (+1 734-555-0100)"`},
		"mask": {"telephony": `"phone":"+xxxxxxx0100"`, "authentication": `"name":"Work phone (+x xxx-xxx-0100)"`},
		"hash": {"telephony": `"phone":"hmac-sha256:`, "authentication": `"name":"Work phone (hmac-sha256:`},
	}
	for log, form := range logs {
		for mode, want := range written {
			t.Run(log+"/"+mode, func(t *testing.T) {
				t.Parallel()
				row, _ := duo.LogNamed(log)
				w := embedded(t).use(row)
				w.config.Phones = phones(t, mode, key)
				for i := range 1200 {
					at := w.start.Add(time.Duration(i)*time.Millisecond - 10*time.Minute)
					raw := strings.NewReplacer("ID", uuid(i, at), "TIME", at.Format("2006-01-02T15:04:05.000000-07:00")).Replace(form)
					w.sim.Add(duosim.Record{TS: at, ID: uuid(i, at), Raw: json.RawMessage(raw)})
				}
				w.sabotage(breakage{at: 2, how: diesAfter})
				w.expire()
				for n, now := range []string{mode, "mask", "keep", mode} {
					w.config.Phones = phones(t, now, key)
					r := w.collector().Run(t.Context(), collect.Job{})
					delivered := n > 0 && r.Records == 0 || n == 0 && (r.Records == 1200 || r.Records == 200) // 200: the first page was committed
					if r.Outcome != collect.Complete || !delivered {
						t.Errorf("run %d is %s with %d records: %s", n, r.Outcome, r.Records, r.Reason)
					}
					w.pass(time.Minute)
				}
				w.pass(time.Hour)
				w.collector().Run(t.Context(), collect.Job{})
				job := w.again(30*time.Minute, -time.Minute)
				if r := w.collector().Run(t.Context(), job); r.Outcome != collect.Complete || r.Records != 0 {
					t.Errorf("the backfill is %s with %d records: %s", r.Outcome, r.Records, r.Reason)
				}
				lines := w.lines()
				for line, objects := range lines {
					if len(objects) != 1 || !strings.Contains(line, want[log]) {
						t.Fatalf("%v: %s", objects, line)
					}
				}
				if len(lines) != 1200 {
					t.Errorf("%d lines", len(lines))
				}
			})
		}
	}
}

// TestPhonesMaskedLater collects a record again, of which its bytes alone tell that
// it is the same, after its number was written unmasked.
func TestPhonesMaskedLater(t *testing.T) {
	t.Parallel()
	row, _ := duo.LogNamed("authentication")
	w := embedded(t).use(row)
	at := w.start.Add(-time.Hour)
	w.sim.Add(duosim.Record{TS: at, ID: "x", Raw: json.RawMessage(`{"auth_device":{"name":"+1 734-555-0100"},"isotimestamp":"` + at.Format(time.RFC3339Nano) + `","txid":"x"}`)})
	w.config.Overlap = 0
	w.complete()
	w.config.Phones = phones(t, "mask", nil)
	if r := w.collector().Run(t.Context(), w.again(2*time.Hour, 30*time.Minute)); r.Outcome != collect.Complete || r.Records != 0 || r.Duplicates != 1 {
		t.Errorf("the backfill is %s with %d records, %d duplicates: %s", r.Outcome, r.Records, r.Duplicates, r.Reason)
	}
}

func phones(t *testing.T, mode string, key []byte) record.Phones {
	t.Helper()
	p, err := record.NewPhones(mode, key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPhonesAlike has records of which a digit that is masked alone tells that they
// are not one. All are written, once, through an object that is adopted and changes
// of the mode.
func TestPhonesAlike(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	at := w.start.Add(-6 * time.Minute)
	for i := range 4 {
		raw := fmt.Sprintf(`{"phone":"+173%d5550100","telephony_id":"","ts":%q}`, i, at.Format(time.RFC3339Nano))
		w.sim.Add(duosim.Record{TS: at, ID: fmt.Sprint(i), Raw: json.RawMessage(raw)})
	}
	w.config.Phones = phones(t, "mask", nil)
	w.sabotage(breakage{at: 2, how: diesAfter})
	w.expire()
	for n, mode := range []string{"mask", "keep", "mask"} {
		w.config.Phones = phones(t, mode, nil)
		if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || r.Records != map[bool]int{true: 4}[n == 0] {
			t.Errorf("run %d is %s with %d records: %s", n, r.Outcome, r.Records, r.Reason)
		}
		w.pass(time.Minute)
	}
	total := 0
	for _, objects := range w.lines() {
		total += len(objects)
	}
	if total != 4 {
		t.Errorf("%d lines are there, want 4", total)
	}
}
