package record

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"duo-telephony-collector/internal/duo"
)

// samples has a record of each log, as Duo sends it.
var samples = map[string]string{
	"telephony": `{"context":"authentication","credits":1,"phone":"+12025550100","telephony_id":"d0c7c1a2-0f43-4c59-9a0e-7d8b6a4f2e10",` +
		`"ts":"2026-11-20T09:15:02.481920+00:00","txid":"7c0a2f5e-8d0b-4d4e-9d57-0c6b2f7a9e11","type":"sms"}`,
	"authentication": `{"access_device":{"hostname":"WS-0421","ip":"198.51.100.24","is_firewall_enabled":"unknown","security_agents":[]},` +
		`"application":{"key":"DIA1B2C3D4E5F6G7H8I9","name":"Corp VPN"},"event_type":"authentication","isotimestamp":"2026-11-20T09:15:02.481920+00:00",` +
		`"ood_software":null,"result":"success","timestamp":1795166102,"txid":"7c0a2f5e-8d0b-4d4e-9d57-0c6b2f7a9e11","user":{"groups":["vpn"],"name":"mleroy"}}`,
	"activity": `{"action":{"details":null,"name":"bypass_create"},"activity_id":"b3a4d2c1-6b0e-4c3b-8a77-51f2e9c0d7aa",` +
		`"actor":{"details":"{\"created\": \"2024-02-11T08:00:00.000000+00:00\"}","name":"Ops Admin"},"akey":"DAS1D2F3G4H5J6K7L8Z9","ts":"2026-11-20T09:15:02.481920+00:00"}`,
	"trust-monitor": `{"priority_event":true,"sekey":"SEA1S2D3F4G5H6J7K8L9","state":"new","state_updated_timestamp":null,` +
		`"surfaced_auth":{"isotimestamp":"2026-11-20T09:15:02.481920+00:00","timestamp":1795166102,"txid":"7c0a2f5e-8d0b-4d4e-9d57-0c6b2f7a9e11"},` +
		`"surfaced_timestamp":1795166102481,"type":"auth"}`,
}

// each calls f for each log with its sample.
func each(t *testing.T, f func(t *testing.T, log duo.Log, sample string)) {
	for _, log := range duo.Logs {
		t.Run(log.Name, func(t *testing.T) {
			sample, there := samples[log.Name]
			if !there {
				t.Fatal("there is no sample of this log: add one")
			}
			f(t, log, sample)
		})
	}
}

// TestSamples has the time and the name of a record of each log, and what is
// added to it.
func TestSamples(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"telephony": "d0c7c1a2-0f43-4c59-9a0e-7d8b6a4f2e10", "authentication": "7c0a2f5e-8d0b-4d4e-9d57-0c6b2f7a9e11",
		"activity": "b3a4d2c1-6b0e-4c3b-8a77-51f2e9c0d7aa", "trust-monitor": "SEA1S2D3F4G5H6J7K8L9",
	}
	added := map[string]string{"telephony": `,"eventtype":"telephony","host":"` + apiHost + `"`}
	each(t, func(t *testing.T, log duo.Log, sample string) {
		r := Read([]byte(sample), log, apiHost)
		if want := strings.TrimSuffix(sample, "}") + added[log.Name] + "}"; string(r.Line) != want {
			t.Errorf("the line is %s, want %s", r.Line, want)
		}
		if r.At != 1795166102481 {
			t.Errorf("the time is %d", r.At)
		}
		if got := Name(r.Line, log); got != names[log.Name] {
			t.Errorf("the name is %s, want %s", got, names[log.Name])
		}
	})
}

// TestIdentityByLog has an id at one time with other bytes: one record where the
// log's ids are unique, two where nobody says so.
func TestIdentityByLog(t *testing.T) {
	t.Parallel()
	same := map[string]bool{"telephony": true, "authentication": false, "activity": true, "trust-monitor": true}
	each(t, func(t *testing.T, log duo.Log, sample string) {
		identity := func(raw string) [16]byte { return Read([]byte(raw), log, apiHost).ID }
		changed := strings.TrimSuffix(sample, "}") + `,"more":1}`
		if got := identity(sample) == identity(changed); got != same[log.Name] {
			t.Errorf("an id at one time with other bytes: one record is %v", got)
		}
		if identity(sample) != identity(strings.ReplaceAll(sample, `,"`, " ,\n\"")) {
			t.Error("white space between its tokens makes another record")
		}
		if identity(sample) == identity(strings.Replace(sample, "481", "482", 1)) && log.TimeUnit == 0 {
			t.Error("one id at two times is one record")
		}
		if identity(sample) == identity(strings.ReplaceAll(sample, "1795166102481", "1795166102482")) && log.TimeUnit != 0 {
			t.Error("one id at two times is one record")
		}
	})
}

// TestMutable: the state of a trust monitor event changes while somebody works on
// it. It stays the same record, also where chance has made its key of letters.
func TestMutable(t *testing.T) {
	t.Parallel()
	log, _ := duo.LogNamed("trust-monitor")
	for key, same := range map[string]bool{
		"SEA1S2D3F4G5H6J7K8L9": true, "SEQWERTZUIOPASDFGHJK": true, "SEQWERTZ00OPASDFGHJ0": true, "SEZEVWVEJCCESWCZJJWW": true, "1": true,
		"": false, "-": false, "N/A": false, "UNKNOWN": false, "not available so far": false, "00000000000000000000": false,
		"XXXXXXXXXXXXXXXXXXXX": false, "NONENONENONENONE": false, "SEqwertzuiopasdfghjk": false,
	} {
		if tells([]byte(key)) != same {
			t.Errorf("that %q tells a record from others is %v", key, !same)
		}
		version := func(state string) Record {
			return Read(fmt.Appendf(nil, `{"sekey":%q,"state":%q,"surfaced_timestamp":1795166102481}`, key, state), log, apiHost)
		}
		if got := version("new").ID == version("processed").ID; got != same {
			t.Errorf("with the key %q the versions are one record: %v", key, got)
		}
	}
}

// TestTimeByUnit reads a number in any form that leaves no doubt.
func TestTimeByUnit(t *testing.T) {
	t.Parallel()
	log, _ := duo.LogNamed("trust-monitor")
	const at = 1795166102481
	for value, want := range map[string]int64{
		`1795166102481`: at, `"1795166102481"`: at, `1795166102481.0`: at, `1.795166102481e12`: at, `"1.795166102481E+12"`: at,
		`"1795166102\u003481"`: at, `-1`: -1, `253402300799999`: 253402300799999, `-62167219200000`: -62167219200000,
		`253402300800000`: 0, `-62167219200001`: 0, `1795166102481000`: 0,
		`1795166102481.5`: 0, `1e400`: 0, `9007199254740994`: 0, `"0x1p40"`: 0, `"1_795_166_102_481"`: 0, `" 1795166102481"`: 0, `"+1795166102481"`: 0,
		`"inf"`: 0, `"nan"`: 0, `""`: 0, `"2026-11-20T09:15:02.481Z"`: 0, `null`: 0, `true`: 0, `[1795166102481]`: 0, `{"ms":1795166102481}`: 0,
	} {
		if got := Read([]byte(`{"surfaced_timestamp":`+value+`}`), log, "").At; got != want {
			t.Errorf("%s is read as %d, want %d", value, got, want)
		}
	}
}

// TestAddedByDuo has what is added to telephony in a record that Duo sends: in the
// other logs it is a part of the record.
func TestAddedByDuo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, log duo.Log, _ string) {
		const line = `{"a":1,"eventtype":"telephony","host":"` + apiHost + `"}`
		want, own := strings.TrimSuffix(line, "}"), true
		if log.EventType != "" {
			want, own = `{"a":1`, false
		}
		for _, host := range []string{apiHost, ""} {
			if got := string(Undo([]byte(line), log, host)); got != want {
				t.Errorf("%s without what is added is %q, want %q", line, got, want)
			}
		}
		if got := Read([]byte(line), log, "").ID != Read([]byte(`{"a":1}`), log, "").ID; got != own {
			t.Errorf("%s is another record than one without is %v", line, got)
		}
	})
}

// TestIdentityOutlivesEnrichment: a log that gets something added one day keeps
// the identities of its records.
func TestIdentityOutlivesEnrichment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, log duo.Log, sample string) {
		later := log
		later.EventType = "later"
		for _, raw := range []string{sample, `{}`, `{"a":1}`, `[1]`} {
			before, after := Read([]byte(raw), log, apiHost), Read([]byte(raw), later, apiHost)
			if before.ID != after.ID {
				t.Errorf("%s is another record than before", after.Line)
			}
		}
	})
}

// TestDamagedByLog cuts a record of each log at every place, and puts every kind
// of byte in place of every one.
func TestDamagedByLog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, log duo.Log, sample string) {
		for i := range sample {
			stub := sample[:i]
			staysDamaged(t, log, []byte(stub))
			for _, c := range " \x00\"\\{}[]:,0e\u00e9" {
				damaged := []byte(stub + string(c) + sample[i+1:])
				if json.Valid(damaged) {
					becomesLine(t, log, damaged)
				} else {
					staysDamaged(t, log, damaged)
				}
			}
		}
	})
}
