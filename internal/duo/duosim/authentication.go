package duosim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// verdict is how a login ended.
type verdict struct {
	result, reason string
	factor         any
}

var verdicts = []verdict{
	{"success", "user_approved", "duo_push"}, {"success", "user_approved", "duo_push"}, {"success", "user_approved", "duo_push"},
	{"success", "user_approved", "phone_call"}, {"success", "valid_passcode", "sms_passcode"}, {"success", "valid_passcode", "hardware_token"},
	{"success", "user_approved", "webauthn"}, {"success", "remembered_device", "remembered_device"},
	{"success", "bypass_user", "not_available"}, {"success", "allow_unenrolled_user", nil},
	{"denied", "no_response", "duo_push"}, {"denied", "invalid_passcode", "sms_passcode"}, {"denied", "user_cancelled", "phone_call"},
	{"denied", "locked_out", "not_available"}, {"denied", "out_of_date", nil}, {"fraud", "user_marked_fraud", "duo_push"},
}

func authentication(r Record) []json.RawMessage {
	random := rand.New(r.source())
	return []json.RawMessage{marshal(newLogin(random, pick(random, staff...), r.TS, r.ID))}
}

// newLogin returns a record of authentication. As with Duo, its members and their
// types differ from record to record.
func newLogin(random *rand.Rand, who person, at time.Time, txid string) object {
	v := pick(random, verdicts...)
	l := object{
		"access_device":              newAccessDevice(random, who),
		"adaptive_trust_assessments": assessments(random),
		"alias":                      pick(random, "", "", "unknown", who.Name+"-adm"),
		"application":                pick(random, applications...),
		"auth_device":                newAuthDevice(random, who, v.factor),
		"email":                      pick[any](random, who.email, who.email, who.email, "", nil),
		"event_type":                 pick[any](random, "authentication", "authentication", "authentication", "authentication", "enrollment", nil),
		"factor":                     v.factor,
		"isotimestamp":               stamp(at),
		"ood_software":               nil,
		"reason":                     v.reason,
		"result":                     v.result,
		"timestamp":                  at.Unix(),
		"trusted_endpoint_status":    pick[any](random, "trusted", "trusted", "not trusted", "unknown", absent{}),
		"txid":                       txid,
		"user":                       object{"groups": memberOf(random), "key": who.Key, "name": who.Name},
	}
	if v.reason == "out_of_date" {
		l["ood_software"] = "Chrome"
	}
	return l.present()
}

// memberOf returns some of the company's groups; one in ten are in most of them.
func memberOf(random *rand.Rand) []string {
	n := 6 + random.IntN(20)
	if random.IntN(10) == 0 {
		n = 35 + random.IntN(25)
	}
	first := random.IntN(len(groups) - n)
	return groups[first : first+n]
}

func newAccessDevice(random *rand.Rand, who person) object {
	yesNo := func() any { return pick[any](random, true, true, false, "unknown") }
	d := object{
		"browser":               pick(random, "Chrome", "Edge", "Firefox", "Safari"),
		"browser_version":       fmt.Sprintf("%d.0.%d", 120+random.IntN(25), random.IntN(9)),
		"epkey":                 pick[any](random, key("EP", random), key("EP", random), absent{}, nil),
		"flash_version":         "uninstalled",
		"hostname":              pick[any](random, nil, "ws-"+who.Name, fmt.Sprintf("LAPTOP-%04d", random.IntN(10_000))),
		"ip":                    address(random),
		"is_encryption_enabled": yesNo(),
		"is_firewall_enabled":   yesNo(),
		"is_password_set":       yesNo(),
		"java_version":          "uninstalled",
		"location":              who.home,
		"security_agents":       pick[any](random, agents[random.IntN(len(agents)):], []object{}, "unknown", nil),
	}.present()
	if random.IntN(8) == 0 {
		d["ip"] = fmt.Sprintf("%s:%d", d["ip"], 1024+random.IntN(60_000))
	}
	if random.IntN(8) == 0 { // no browser: a shell or a VPN client
		for _, name := range []string{"browser", "browser_version", "flash_version", "java_version"} {
			delete(d, name)
		}
		return d
	}
	d["os"] = pick(random, "Windows", "Mac OS X", "Linux", "iOS", "Android", "Chrome OS")
	d["os_version"] = pick[any](random, "10", "11", "14.5.0", "26.1", nil)
	return d
}

var agents = []object{
	{"security_agent": "Cisco Secure Endpoint", "version": "8.4.1"},
	{"security_agent": "Windows Defender", "version": "4.18.25100"},
	{"security_agent": "CrowdStrike Falcon", "version": "7.29.0"},
}

// assessments are what Duo's adaptive policies, where an account has them, think.
func assessments(random *rand.Rand) any {
	if random.IntN(2) == 0 {
		return absent{}
	}
	assessment := func(enabled bool, reason, level string) object {
		return object{"features_version": "3.0", "model_version": "2026.04.21.001", "policy_enabled": enabled, "reason": reason, "trust_level": level}
	}
	return object{
		"more_secure_auth": assessment(true, "Normal level of trust; no detection of known attack pattern", "NORMAL"),
		"remember_me":      assessment(false, "Known Access IP", pick(random, "NORMAL", "NORMAL", "LOW", "UNKNOWN")),
	}
}

// newAuthDevice is mostly a phone, which is named after its number.
func newAuthDevice(random *rand.Rand, who person, factor any) object {
	d := object{"ip": pick[any](random, address(random), address(random), nil), "location": who.home}
	switch factor {
	case "hardware_token":
		d["key"], d["name"] = key("DH", random), fmt.Sprintf("HOTP-6 %06d", random.IntN(1_000_000))
	case "webauthn":
		d["key"], d["name"] = key("WA", random), "Security key"
	case nil, "not_available":
		d["ip"], d["name"], d["location"] = nil, nil, location{}
	default:
		d["key"], d["name"] = key("DP", random), pick(random, who.phone, who.phone, "Work phone ("+who.phone+")")
	}
	return d
}
