package duosim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

// action is what is done, by which type to which. A change shows the old target, too.
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
	d := object{
		"access_device": nil,
		"action":        object{"details": nil, "name": a.name},
		"activity_id":   r.ID,
		"actor":         newActor(random, a, r.TS),
		"akey":          akey,
		"application":   nil,
		"old_target":    nil,
		"outcome":       nil,
		"target":        newTarget(random, a, who),
		"ts":            stamp(r.TS),
	}
	if a.actor == "admin" || a.actor == "user" {
		d["access_device"] = object{ // unlike authentication's, its ip is an object
			"browser": pick(random, "Chrome", "Edge", "Firefox"), "browser_version": fmt.Sprintf("%d.0", 120+random.IntN(25)),
			"epkey": pick[any](random, nil, key("EP", random)), "ip": object{"address": address(random)},
			"location": who.home, "os": pick(random, "Windows", "Linux", "Mac OS X"), "os_version": pick[any](random, nil, "11"),
		}
		d["outcome"] = pick[any](random, nil, object{"result": "SUCCESS"}, object{"result": "FAILURE"})
	}
	if a.target == "integration" {
		on := pick(random, applications...)
		d["application"] = object{"key": on.Key, "name": on.Name, "type": pick(random, "rdp", "websdk", "sso-generic")}
	}
	if a.change {
		old := maps.Clone(d["target"].(object))
		old["details"] = nil
		d["old_target"] = old
		d["action"] = object{"details": `{"changed": ["name", "status"], "reason": "quarterly review"}`, "name": a.name}
	}
	return []json.RawMessage{marshal(d)}
}

// party is an actor or a target. Its details are JSON in a string.
func party(details any, key, name, kind string) object {
	return object{"details": details, "key": key, "name": name, "type": kind}
}

// newActor returns a person, or a part of Duo without a person's details.
func newActor(random *rand.Rand, a action, at time.Time) object {
	who := pick(random, staff...)
	if a.actor != "admin" && a.actor != "user" {
		return party(nil, key("DI", random), a.actor, a.actor)
	}
	since := func(d time.Duration) string { return stamp(at.Add(-time.Duration(random.Int64N(int64(d))))) }
	details := fmt.Sprintf(`{"created": %q, "email": %q, "last_login": %q, "status": "active", "group": {"key": %q, "name": %q}}`,
		since(3*Retention), who.email, since(24*time.Hour), key("DG", random), pick(random, groups...))
	return party(details, who.Key, who.Name, a.actor)
}

func newTarget(random *rand.Rand, a action, who person) any {
	switch a.target {
	case "":
		return nil
	case "user":
		return party(fmt.Sprintf(`{"bypass_codes": [], "email": %q, "username": %q}`, who.email, who.Name), who.Key, who.Name, a.target)
	case "phone":
		return party(fmt.Sprintf(`{"number": %q, "platform": "Google Android", "username": %q}`, who.phone, who.Name), key("DP", random), who.phone, a.target)
	}
	name := fmt.Sprintf("%s %d", a.target, random.IntN(90))
	return party(pick[any](random, nil, fmt.Sprintf(`{"name": %q}`, name)), key("DX", random), name, a.target)
}
