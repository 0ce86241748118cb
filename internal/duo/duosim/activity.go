package duosim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// activityRecord is a record of activity.
type activityRecord struct {
	AccessDevice any            `json:"access_device"`
	Action       map[string]any `json:"action"`
	ID           string         `json:"activity_id"`
	Actor        party          `json:"actor"`
	AKey         string         `json:"akey"`
	Application  any            `json:"application"`
	OldTarget    *party         `json:"old_target"`
	Outcome      any            `json:"outcome"`
	Target       *party         `json:"target"`
	TS           string         `json:"ts"`
}

// party is who did something, or what it was done to. Its details are JSON in a
// string.
type party struct {
	Details any    `json:"details"`
	Key     string `json:"key"`
	Name    string `json:"name"`
	Type    string `json:"type"`
}

// action is what is done: by what type of actor, to what type of target. A change
// shows the target as it was before, too.
type action struct {
	name, actor, target string
	change              bool
}

var actions = []action{
	{"admin_login", "admin", "", false}, {"admin_login", "admin", "", false}, {"admin_login", "admin", "", false},
	{"bypass_create", "admin", "user", false}, {"user_create", "adminapi", "user", false}, {"user_update", "admin", "user", true},
	{"user_lockout_cleared", "admin", "user", false}, {"phone_associate", "admin", "phone", false}, {"phone_update", "user", "phone", true},
	{"group_update", "azure_sync", "group", true}, {"ad_sync_finish", "ldapsync", "directory", false}, {"policy_update", "admin", "policy", true},
	{"integration_create", "admin", "integration", false}, {"hardtoken_create", "admin", "hardtoken", false},
	{"o2fa_user_provisioned", "user", "integration", false}, {"device_change_enrollment", "system", "user", false},
}

func activity(r Record) []json.RawMessage {
	random := rand.New(r.source())
	a, who := pick(random, actions...), pick(random, staff...)
	d := activityRecord{
		Action: map[string]any{"details": nil, "name": a.name},
		ID:     r.ID,
		Actor:  newActor(random, a, r.TS),
		AKey:   akey,
		Target: newTarget(random, a, who),
		TS:     stamp(r.TS),
	}
	if a.actor == "admin" || a.actor == "user" {
		d.AccessDevice = activityDevice(random, who)
		d.Outcome = pick[any](random, nil, map[string]string{"result": "SUCCESS"}, map[string]string{"result": "FAILURE"})
	}
	if a.target == "integration" {
		on := pick(random, applications...)
		d.Application = map[string]string{"key": on.Key, "name": on.Name, "type": pick(random, "rdp", "websdk", "sso-generic")}
	}
	if a.change {
		old := *d.Target
		old.Details = nil
		d.OldTarget = &old
		d.Action["details"] = `{"changed": ["name", "status"], "reason": "quarterly review"}`
	}
	return []json.RawMessage{marshal(d)}
}

// newActor returns a person, or a part of Duo without a person's details.
func newActor(random *rand.Rand, a action, at time.Time) party {
	who := pick(random, staff...)
	if a.actor != "admin" && a.actor != "user" {
		return party{nil, key("DI", random), a.actor, a.actor}
	}
	since := func(d time.Duration) string { return stamp(at.Add(-time.Duration(random.Int64N(int64(d))))) }
	details := fmt.Sprintf(`{"created": %q, "email": %q, "last_login": %q, "status": "active", "group": {"key": %q, "name": %q}}`,
		since(3*Retention), who.email, since(24*time.Hour), key("DG", random), pick(random, groups...))
	return party{details, who.Key, who.Name, a.actor}
}

func newTarget(random *rand.Rand, a action, who person) *party {
	switch a.target {
	case "":
		return nil
	case "user":
		return &party{fmt.Sprintf(`{"bypass_codes": [], "email": %q, "username": %q}`, who.email, who.Name), who.Key, who.Name, a.target}
	case "phone":
		return &party{fmt.Sprintf(`{"number": %q, "platform": "Google Android", "username": %q}`, who.phone, who.Name), key("DP", random), who.phone, a.target}
	}
	name := fmt.Sprintf("%s %d", a.target, random.IntN(90))
	return &party{pick[any](random, nil, fmt.Sprintf(`{"name": %q}`, name)), key("DX", random), name, a.target}
}

// activityDevice is where a person sits. Unlike authentication's, its ip is an object.
func activityDevice(random *rand.Rand, who person) any {
	return map[string]any{
		"browser": pick(random, "Chrome", "Edge", "Firefox"), "browser_version": fmt.Sprintf("%d.0", 120+random.IntN(25)),
		"epkey": pick[any](random, nil, key("EP", random)), "ip": map[string]string{"address": address(random)},
		"location": who.home, "os": pick(random, "Windows", "Linux", "Mac OS X"), "os_version": pick[any](random, nil, "11"),
	}
}
