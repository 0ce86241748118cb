package duosim_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestDelay(t *testing.T) {
	now := noon
	sim := newSim(duosim.Config{Now: func() time.Time { return now }})
	sim.Add(
		duosim.Record{TS: noon, ID: "prompt"},
		duosim.Record{TS: noon, ID: "late", VisibleAt: noon.Add(10 * time.Minute)},
		duosim.Record{TS: noon, ID: "early", VisibleAt: noon},
	)
	for after, want := range map[time.Duration][]string{
		2*time.Minute - time.Microsecond:  {},
		2 * time.Minute:                   {"early", "prompt"},
		10*time.Minute - time.Microsecond: {"early", "prompt"},
		10 * time.Minute:                  {"early", "late", "prompt"},
		duosim.Retention:                  {"early", "late", "prompt"},
		duosim.Retention + time.Hour:      {},
	} {
		now = noon.Add(after)
		visible := []string{}
		for _, r := range sim.Visible(noon.Add(-time.Hour), noon.Add(time.Hour)) {
			visible = append(visible, r.ID)
		}
		if diff := cmp.Diff(want, visible); diff != "" {
			t.Errorf("%s after: visible (-want +got):\n%s", after, diff)
		}
		if after > duosim.Retention {
			continue
		}
		_, page := do(t, sim, request(sim, now, "mintime="+millis(noon)))
		if diff := cmp.Diff(want, page.ids(t)); diff != "" {
			t.Errorf("%s after: page (-want +got):\n%s", after, diff)
		}
	}
}

func TestVisibleIsHalfOpen(t *testing.T) {
	sim := newSim(duosim.Config{})
	sim.Add(abc()...)
	first := noon.Add(-time.Hour)
	visible := sim.Visible(first.Add(20*time.Microsecond), first.Add(time.Millisecond))
	if len(visible) != 1 || visible[0].ID != "a" {
		t.Errorf("visible = %v, want a alone", visible)
	}
}

func TestRaw(t *testing.T) {
	const raw = `{ "ts" : null, "n" : 1.0 }`
	sim := newSim(duosim.Config{})
	sim.Add(duosim.Record{TS: noon.Add(-time.Hour), ID: "a", Raw: json.RawMessage(raw)})
	w, page := do(t, sim, request(sim, noon))
	if !strings.Contains(w.Body.String(), `"items":[`+raw+`]`) || string(page.Response.Items[0]) != raw {
		t.Errorf("body = %s, want the record's bytes as they are", w.Body)
	}
	if visible := sim.Visible(noon.Add(-2*time.Hour), noon); string(visible[0].Raw) != raw {
		t.Errorf("visible = %s, want the same", visible[0].Raw)
	}
}

func TestRendering(t *testing.T) {
	sim := newSim(duosim.Config{})
	sim.Add(duosim.Record{TS: noon.Add(-time.Hour), ID: "220f89ff-bff8-4466-b6cb-b7787940ce68"})
	_, page := do(t, sim, request(sim, noon))
	var got map[string]any
	if err := json.Unmarshal(page.Response.Items[0], &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{ // the fields that are free, of the right type
		"context": got["context"].(string), "credits": got["credits"].(float64), "phone": got["phone"].(string),
		"txid": got["txid"].(string), "type": got["type"].(string),
		"telephony_id": "220f89ff-bff8-4466-b6cb-b7787940ce68",
		"ts":           "2026-03-01T11:00:00.000000+00:00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
