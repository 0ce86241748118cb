package duosim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// generated returns generated records of a log, those of four hours.
func generated(log string, g duosim.Generator) []duosim.Record {
	sim := newSim(duosim.Config{GenerateFor: map[string]duosim.Generator{log: g}})
	return sim.Log(log).Visible(noon.Add(-5*time.Hour), noon.Add(-time.Hour))
}

// What is generated of a log depends on seed and time alone, and differs from what
// one seed makes of another log.
func TestGeneratorOfEveryLog(t *testing.T) {
	others := map[string]string{}
	forEachLog(t, func(t *testing.T, log string) {
		records := generated(log, duosim.Generator{Seed: 7, PerHour: 90})
		if !slices.EqualFunc(records, generated(log, duosim.Generator{Seed: 7, PerHour: 90}), equal) || len(records) != 360 {
			t.Errorf("%d records, not the same when they are made again", len(records))
		}
		if slices.EqualFunc(records, generated(log, duosim.Generator{Seed: 8, PerHour: 90}), equal) {
			t.Error("another seed makes the same records")
		}
		for _, r := range records {
			if other, ok := others[r.TS.String()]; ok && other != log {
				t.Fatalf("a record has the microsecond of one of %s", other)
			}
			others[r.TS.String()] = log
			if parse(t, r.Raw).id(log) != r.ID || timeOf(t, log, r.Raw) != r.TS.UnixMilli() {
				t.Fatalf("%s of %s: %s", r.ID, r.TS, r.Raw)
			}
		}
	})
}

// equal compares what two records are shown as.
func equal(a, b duosim.Record) bool {
	return string(a.Raw) == string(b.Raw) && slices.EqualFunc(a.Edits, b.Edits, func(a, b json.RawMessage) bool { return string(a) == string(b) })
}

// timeOf returns a record's time in milliseconds, of the member that Duo documents.
func timeOf(t *testing.T, log string, raw json.RawMessage) int64 {
	t.Helper()
	var r struct {
		TS           string
		ISOTimestamp string
		Timestamp    int64
		Surfaced     int64 `json:"surfaced_timestamp"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if log == "trust-monitor" {
		return r.Surfaced
	}
	ts, err := time.Parse("2006-01-02T15:04:05.000000-07:00", r.TS+r.ISOTimestamp)
	if err != nil || r.Timestamp != 0 && r.Timestamp != ts.Unix() {
		t.Fatalf("%v, %s", err, raw)
	}
	return ts.UnixMilli()
}

// Nothing in a generated record is anybody's.
func TestNobodyIsThere(t *testing.T) {
	foreign := map[string]*regexp.Regexp{
		"address":     regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`),
		"phone":       regexp.MustCompile(`\+\d+`),
		"mail domain": regexp.MustCompile(`@[a-z.]+`),
	}
	ours := regexp.MustCompile(`^(192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+|\+1\d{3}55501\d\d|@example\.org|\+00)$`)
	forEachLog(t, func(t *testing.T, log string) {
		for _, r := range generated(log, duosim.Generator{PerHour: 90}) {
			for what, pattern := range foreign {
				for _, found := range pattern.FindAllString(string(r.Raw), -1) {
					if !ours.MatchString(found) {
						t.Fatalf("the %s %s could be somebody's: %s", what, found, r.Raw)
					}
				}
			}
		}
	})
}

// Everything that is known to differ between records of a log does.
func TestVariety(t *testing.T) {
	known := map[string][]string{
		"authentication": {
			"access_device", "access_device.browser", "access_device.browser absent", "access_device.epkey", "access_device.epkey absent",
			"access_device.epkey null", "access_device.hostname null", "access_device.is_firewall_enabled true",
			"access_device.is_firewall_enabled unknown", "access_device.is_encryption_enabled unknown", "access_device.is_password_set unknown",
			"access_device.os_version null", "access_device.os_version absent", "access_device.security_agents [",
			"access_device.security_agents unknown", "access_device.security_agents null", "adaptive_trust_assessments",
			"adaptive_trust_assessments absent", "auth_device.ip null", "auth_device.key absent", "auth_device.name null", "email null", "email ",
			"event_type enrollment", "event_type null", "factor null", "factor not_available", "factor duo_push", "ood_software null",
			"ood_software Chrome", "result denied", "result fraud", "trusted_endpoint_status unknown", "trusted_endpoint_status absent",
		},
		"activity": {
			"access_device null", "access_device.ip.address", "action.details {", "action.details null", "actor.details {", "actor.details null",
			"actor.type admin", "actor.type system", "akey DAS1D2F3G4H5J6K7L8Z9", "application null", "application.type", "old_target null",
			"old_target.name", "outcome null", "outcome.result SUCCESS", "target null", "target.details {", "target.details null", "target.type user",
		},
		"trust-monitor": {
			"type auth", "type bypass_status", "type device_registration", "surfaced_auth.txid", "surfaced_auth absent", "explanations [",
			"bypass_status_enabled", "bypass_status_enabled absent", "enabled_by.key", "enabled_for.name", "from_new_user true",
			"priority_event true", "priority_reasons []", "state new", "state_updated_timestamp null", "triaged_as_interesting false",
		},
	}
	for log, wanted := range known {
		t.Run(log, func(t *testing.T) {
			records := generated(log, duosim.Generator{PerHour: 600})
			for _, want := range wanted {
				path, value, _ := strings.Cut(want, " ")
				if !slices.ContainsFunc(records, func(r duosim.Record) bool { return shows(parse(t, r.Raw), strings.Split(path, "."), value, want) }) {
					t.Errorf("no record shows %s", want)
				}
			}
		})
	}
}

// shows reports whether a record has a member, and whether its value begins so.
func shows(r map[string]any, path []string, value, want string) bool {
	member, ok := r[path[0]]
	if inner, is := member.(map[string]any); is && len(path) > 1 {
		return shows(inner, path[1:], value, want)
	}
	switch {
	case len(path) > 1:
		return false
	case value == "absent":
		return !ok
	case value == "null":
		return ok && member == nil
	case value == "" && strings.HasSuffix(want, " "):
		return member == ""
	}
	return member != nil && strings.HasPrefix(fmt.Sprint(member), value)
}

// Authentications have one to five kilobytes, and some addresses a port.
func TestAuthentications(t *testing.T) {
	records, ports, sum := generated("authentication", duosim.Generator{PerHour: 600}), 0, 0
	for _, r := range records {
		if sum += len(r.Raw); len(r.Raw) < 1000 || len(r.Raw) > 5000 {
			t.Errorf("%d bytes, want 1000 to 5000: %s", len(r.Raw), r.Raw)
		}
		if ip := parse(t, r.Raw)["access_device"].(map[string]any)["ip"].(string); strings.Contains(ip, ":") {
			ports++
		}
	}
	if n := len(records); sum/n < 1500 || sum/n > 3500 || ports == 0 || ports > n/2 {
		t.Errorf("%d bytes on average, %d of %d addresses with a port", sum/n, ports, n)
	}
}

// Details of an activity are JSON in a string.
func TestActivityDetails(t *testing.T) {
	for _, r := range generated("activity", duosim.Generator{PerHour: 600}) {
		record := parse(t, r.Raw)
		for _, member := range []string{"action", "actor", "target", "old_target"} {
			party, _ := record[member].(map[string]any)
			details, ok := party["details"].(string)
			if ok && !json.Valid([]byte(details)) {
				t.Errorf("%s.details is no JSON: %s", member, r.Raw)
			}
		}
	}
}

// An event of trust monitor is new at first. Most are processed when they are shown
// again, and some marked at last; nothing else of them changes.
func TestTrustMonitorChanges(t *testing.T) {
	sim := newSim(duosim.Config{GenerateFor: map[string]duosim.Generator{"trust-monitor": {Seed: 1, PerHour: 40}}})
	all := sim.Log("trust-monitor").Visible(noon.Add(-time.Hour), noon)
	versions := map[int]int{}
	for _, r := range all {
		versions[len(r.Edits)]++
		at := []string{"mintime=" + millis(r.TS), "maxtime=" + millis(r.TS.Add(time.Millisecond)), "sort="}
		for n, want := range append([]json.RawMessage{r.Raw}, r.Edits...) {
			_, page := do(t, sim, requestFor("trust-monitor", sim, noon, at...))
			if len(page.Response.Events) != 1 || string(page.Response.Events[0]) != string(want) {
				t.Fatalf("showing %d is %s, want %s", n, page.Response.Events, want)
			}
			event := parse(t, want)
			if n == 0 != (event["state"] == "new") || n == 0 != (event["state_updated_timestamp"] == nil) || n == 2 != event["triaged_as_interesting"].(bool) {
				t.Errorf("showing %d is %s", n, want)
			}
		}
	}
	if versions[0] == 0 || versions[1] == 0 || versions[2] == 0 || len(versions) != 3 {
		t.Errorf("numbers of edits: %v, want some with none, one and two", versions)
	}
}

// Offline logins appear hours later.
func TestOfflineLogins(t *testing.T) {
	now := noon
	sim := newSim(duosim.Config{
		Now:         func() time.Time { return now },
		GenerateFor: map[string]duosim.Generator{"authentication": {PerHour: 600, LateOneIn: 10, LateBy: 5 * time.Hour}},
	})
	count := func(after time.Duration) int {
		now = noon.Add(after)
		return len(sim.Log("authentication").Visible(noon.Add(-time.Hour), noon))
	}
	if prompt, all := count(duosim.Delay), count(duosim.Delay+5*time.Hour); prompt < 500 || prompt > 580 || all != 600 {
		t.Errorf("%d of 600 logins are visible in time, want about 540, and %d at last", prompt, all)
	}
}

func BenchmarkPageOfAuthentications(b *testing.B) {
	sim := newSim(duosim.Config{GenerateFor: map[string]duosim.Generator{"authentication": {PerHour: 1000}}})
	for b.Loop() {
		sim.ServeHTTP(nowhere{}, requestFor("authentication", sim, noon))
	}
}
