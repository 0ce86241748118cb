package duosim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// trustEvent is a trust monitor event. Of a device_registration no more than what
// all types have is known.
type trustEvent struct {
	BypassEnabled   *int64        `json:"bypass_status_enabled,omitempty"`
	EnabledBy       *named        `json:"enabled_by,omitempty"`
	EnabledFor      *named        `json:"enabled_for,omitempty"`
	Explanations    []explanation `json:"explanations,omitempty"`
	CommonNetblock  *bool         `json:"from_common_netblock,omitempty"`
	NewUser         *bool         `json:"from_new_user,omitempty"`
	LowRiskIP       *bool         `json:"low_risk_ip,omitempty"`
	Priority        bool          `json:"priority_event"`
	PriorityReasons []reason      `json:"priority_reasons"`
	SEKey           string        `json:"sekey"`
	State           string        `json:"state"`
	StateUpdated    *int64        `json:"state_updated_timestamp"`
	Auth            *login        `json:"surfaced_auth,omitempty"`
	Timestamp       int64         `json:"surfaced_timestamp"`
	TriageURI       string        `json:"triage_event_uri,omitempty"`
	Interesting     bool          `json:"triaged_as_interesting"`
	Type            string        `json:"type"`
}

type explanation struct {
	Summary string `json:"summary"`
	Type    string `json:"type"`
}

type reason struct {
	Label string `json:"label"`
	Type  string `json:"type"`
}

// trustMonitor writes an event as it surfaces and, for two in three, as it is when
// somebody has looked at it: the state changes, and triage members fill in.
func trustMonitor(r Record) []json.RawMessage {
	random := rand.New(r.source())
	e := newTrustEvent(random, r.TS, r.ID)
	versions := []json.RawMessage{marshal(e)}
	if random.IntN(3) == 0 {
		return versions
	}
	updated := r.TS.Add(time.Duration(random.IntN(90_000)) * time.Millisecond).UnixMilli()
	e.State, e.StateUpdated = "processed", &updated
	versions = append(versions, marshal(e))
	if random.IntN(2) == 0 {
		e.Interesting = true
		versions = append(versions, marshal(e))
	}
	return versions
}

func newTrustEvent(random *rand.Rand, at time.Time, id string) trustEvent {
	e := trustEvent{
		Priority: random.IntN(3) == 0, PriorityReasons: []reason{},
		SEKey: id, State: "new", Timestamp: at.UnixMilli(),
		Type: pick(random, "auth", "auth", "auth", "bypass_status", "device_registration"),
	}
	if e.Priority {
		e.PriorityReasons = []reason{{pick(random, groups...), "grp"}}
	}
	switch e.Type {
	case "auth":
		e.addLogin(random, at)
	case "bypass_status":
		enabled := at.Add(-time.Duration(random.IntN(3600)) * time.Second).UnixMilli()
		by, to := pick(random, staff...).named, pick(random, staff...).named
		e.BypassEnabled, e.EnabledBy, e.EnabledFor = &enabled, &by, &to
	}
	return e
}

// addLogin adds the login that the event is about, hours before it.
func (e *trustEvent) addLogin(random *rand.Rand, at time.Time) {
	l := newLogin(random, at.Add(-time.Duration(1+random.IntN(6*3600))*time.Second), uuid(random.Uint64(), random.Uint64()))
	e.Auth = &l
	e.Explanations = []explanation{pick(random,
		explanation{l.User.Name + " has not used this factor recently.", "UNUSUAL_FACTOR"},
		explanation{l.User.Name + " has not logged in at this time of day recently.", "UNUSUAL_TIME_OF_DAY"},
		explanation{l.User.Name + " has not logged in from this country recently.", "NEW_COUNTRY_CODE"},
	)}
	yes, no := true, false
	e.CommonNetblock, e.NewUser, e.LowRiskIP = pick(random, &yes, &no), pick(random, &yes, &no), pick(random, &yes, &no)
	e.TriageURI = fmt.Sprintf("https://admin-0a1b2c3d.duosecurity.com/trust-monitor?sekey=%s", e.SEKey)
}
