package audit_test

import (
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/record"
)

// TestPhones audits numbers that were written masked, and such that were written
// before they were masked: neither is altered. Masked ones are, if none should be.
func TestPhones(t *testing.T) {
	t.Parallel()
	mask, err := record.NewPhones("mask", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		written, now record.Phones
		altered      int
	}{"masked": {mask, mask, 0}, "masked later": {record.Phones{}, mask, 0}, "kept later": {mask, record.Phones{}, 40}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := spread(40, afternoon.Add(-4*time.Hour), time.Minute)
			for i := range events {
				events[i].raw = strings.Replace(events[i].raw, "{", `{"phone":"+17345550100",`, 1)
			}
			w := newWorld(t, afternoon, newAccount(events...))
			w.collector.Phones = test.written
			w.run(collect.Job{})
			w.collector.Phones = test.now
			r := w.audit(5*time.Hour, time.Hour)
			if r.Duo != 40 || r.Bucket != 40 || r.Altered.Count != test.altered || r.Missing.Count+r.Unknown.Count+r.Doubled.Count != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestPhonesAlike has two records that are written alike, because the digit in which
// they differ is masked: the bucket has to hold both.
func TestPhonesAlike(t *testing.T) {
	t.Parallel()
	mask, err := record.NewPhones("mask", nil)
	if err != nil {
		t.Fatal(err)
	}
	at := afternoon.Add(-4 * time.Hour)
	events := spread(3, at.Add(time.Minute), time.Minute)
	for _, number := range []string{"+17345550100", "+17355550100"} {
		events = append(events, event{at, `{"phone":"` + number + `","telephony_id":"","ts":"` + at.Format(time.RFC3339Nano) + `"}`})
	}
	w := newWorld(t, afternoon, newAccount(events...))
	w.collector.Phones = mask
	w.run(collect.Job{})
	if r := w.audit(5*time.Hour, time.Hour); r.Duo != 5 || r.Bucket != 5 || r.Missing.Count+r.Doubled.Count+r.Altered.Count+r.Unknown.Count != 0 {
		t.Errorf("%+v", r)
	}
	w = newWorld(t, afternoon, newAccount(events[:4]...))
	w.collector.Phones = mask
	w.run(collect.Job{})
	w.connect(newAccount(events...))
	if r := w.audit(5*time.Hour, time.Hour); r.Duo != 5 || r.Bucket != 4 || r.Missing.Count != 1 || r.Doubled.Count != 0 {
		t.Errorf("with one of the two: %+v", r)
	}
}
