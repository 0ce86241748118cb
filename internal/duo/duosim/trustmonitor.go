package duosim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// trustMonitor writes an event as it surfaces and, for two in three, as it is when
// somebody has looked at it: the state changes, and triage members fill in.
func trustMonitor(r Record) []json.RawMessage {
	random := rand.New(r.source())
	e := newTrustEvent(random, r.TS, r.ID)
	versions := []json.RawMessage{marshal(e)}
	if random.IntN(3) == 0 {
		return versions
	}
	e["state"] = "processed"
	e["state_updated_timestamp"] = r.TS.Add(time.Duration(random.IntN(90_000)) * time.Millisecond).UnixMilli()
	versions = append(versions, marshal(e))
	if random.IntN(2) == 0 {
		e["triaged_as_interesting"] = true
		versions = append(versions, marshal(e))
	}
	return versions
}

// newTrustEvent returns an event. What else a device_registration has is not known.
func newTrustEvent(random *rand.Rand, at time.Time, id string) object {
	priority := random.IntN(3) == 0
	e := object{
		"priority_event": priority, "priority_reasons": []object{},
		"sekey": id, "state": "new", "state_updated_timestamp": nil, "surfaced_timestamp": at.UnixMilli(), "triaged_as_interesting": false,
		"type": pick(random, "auth", "auth", "auth", "bypass_status", "device_registration"),
	}
	if priority {
		e["priority_reasons"] = []object{{"label": pick(random, groups...), "type": "grp"}}
	}
	switch e["type"] {
	case "auth":
		e.addLogin(random, at)
	case "bypass_status":
		e["bypass_status_enabled"] = at.Add(-time.Duration(random.IntN(3600)) * time.Second).UnixMilli()
		e["enabled_by"], e["enabled_for"] = pick(random, staff...).named, pick(random, staff...).named
	}
	return e
}

// addLogin adds the login that the event is about, hours before it.
func (e object) addLogin(random *rand.Rand, at time.Time) {
	at, txid := at.Add(-time.Duration(1+random.IntN(6*3600))*time.Second), uuid(random.Uint64(), random.Uint64())
	who := pick(random, staff...)
	e["surfaced_auth"] = newLogin(random, who, at, txid)
	e["explanations"] = []object{pick(random,
		object{"summary": who.Name + " has not used this factor recently.", "type": "UNUSUAL_FACTOR"},
		object{"summary": who.Name + " has not logged in at this time of day recently.", "type": "UNUSUAL_TIME_OF_DAY"},
		object{"summary": who.Name + " has not logged in from this country recently.", "type": "NEW_COUNTRY_CODE"},
	)}
	for _, name := range []string{"from_common_netblock", "from_new_user", "low_risk_ip"} {
		e[name] = pick(random, true, false)
	}
	e["triage_event_uri"] = fmt.Sprintf("https://admin-0a1b2c3d.duosecurity.com/trust-monitor?sekey=%s", e["sekey"])
}
