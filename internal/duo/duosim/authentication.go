package duosim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// login is a record of authentication. Which members there are, and of what type,
// differs from record to record as it does with Duo.
type login struct {
	AccessDevice accessDevice `json:"access_device"`
	Assessments  any          `json:"adaptive_trust_assessments,omitempty"`
	Alias        string       `json:"alias"`
	Application  named        `json:"application"`
	AuthDevice   authDevice   `json:"auth_device"`
	Email        any          `json:"email"`
	EventType    any          `json:"event_type"`
	Factor       any          `json:"factor"`
	ISOTimestamp string       `json:"isotimestamp"`
	OODSoftware  any          `json:"ood_software"`
	Reason       string       `json:"reason"`
	Result       string       `json:"result"`
	Timestamp    int64        `json:"timestamp"`
	Trusted      string       `json:"trusted_endpoint_status,omitempty"`
	TxID         string       `json:"txid"`
	User         user         `json:"user"`
}

type accessDevice struct {
	Browser        string   `json:"browser,omitempty"`
	BrowserVersion string   `json:"browser_version,omitempty"`
	EPKey          any      `json:"epkey,omitempty"`
	FlashVersion   string   `json:"flash_version,omitempty"`
	Hostname       any      `json:"hostname"`
	IP             string   `json:"ip"`
	Encrypted      any      `json:"is_encryption_enabled"`
	Firewall       any      `json:"is_firewall_enabled"`
	Password       any      `json:"is_password_set"`
	JavaVersion    string   `json:"java_version,omitempty"`
	Location       location `json:"location"`
	OS             string   `json:"os,omitempty"`
	OSVersion      any      `json:"os_version,omitempty"`
	SecurityAgents any      `json:"security_agents"`
}

type authDevice struct {
	IP       any      `json:"ip"`
	Key      any      `json:"key,omitempty"`
	Location location `json:"location"`
	Name     any      `json:"name"`
}

type user struct {
	Groups []string `json:"groups"`
	named
}

type agent struct {
	Agent   string `json:"security_agent"`
	Version string `json:"version"`
}

// assessment is what Duo's adaptive policies think of a login.
type assessment struct {
	FeaturesVersion string `json:"features_version"`
	ModelVersion    string `json:"model_version"`
	PolicyEnabled   bool   `json:"policy_enabled"`
	Reason          string `json:"reason"`
	TrustLevel      string `json:"trust_level"`
}

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
	return []json.RawMessage{marshal(newLogin(rand.New(r.source()), r.TS, r.ID))}
}

func newLogin(random *rand.Rand, at time.Time, txid string) login {
	who, v := pick(random, staff...), pick(random, verdicts...)
	l := login{
		AccessDevice: newAccessDevice(random, who),
		Assessments:  assessments(random),
		Alias:        pick(random, "", "", "unknown", who.Name+"-adm"),
		Application:  pick(random, applications...),
		AuthDevice:   newAuthDevice(random, who, v.factor),
		Email:        pick[any](random, who.email, who.email, who.email, "", nil),
		EventType:    pick[any](random, "authentication", "authentication", "authentication", "authentication", "enrollment", nil),
		Factor:       v.factor,
		ISOTimestamp: stamp(at),
		Reason:       v.reason, Result: v.result,
		Timestamp: at.Unix(),
		Trusted:   pick(random, "trusted", "trusted", "not trusted", "unknown", ""),
		TxID:      txid,
		User:      user{memberOf(random), who.named},
	}
	if v.reason == "out_of_date" {
		l.OODSoftware = "Chrome"
	}
	return l
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

func newAccessDevice(random *rand.Rand, who person) accessDevice {
	yesNo := func() any { return pick[any](random, true, true, false, "unknown") }
	d := accessDevice{
		Browser: pick(random, "Chrome", "Edge", "Firefox", "Safari"), BrowserVersion: fmt.Sprintf("%d.0.%d", 120+random.IntN(25), random.IntN(9)),
		EPKey: pick[any](random, key("EP", random), key("EP", random), nil, null), FlashVersion: "uninstalled",
		Hostname:  pick[any](random, nil, "ws-"+who.Name, fmt.Sprintf("LAPTOP-%04d", random.IntN(10_000))),
		IP:        address(random),
		Encrypted: yesNo(), Firewall: yesNo(), Password: yesNo(), JavaVersion: "uninstalled",
		Location:       who.home,
		SecurityAgents: pick[any](random, agents(random), []agent{}, "unknown", nil),
	}
	if random.IntN(8) == 0 {
		d.IP += fmt.Sprintf(":%d", 1024+random.IntN(60_000))
	}
	if random.IntN(8) == 0 { // no browser: a shell or a VPN client
		d.Browser, d.BrowserVersion, d.FlashVersion, d.JavaVersion = "", "", "", ""
		return d
	}
	d.OS = pick(random, "Windows", "Mac OS X", "Linux", "iOS", "Android", "Chrome OS")
	d.OSVersion = pick[any](random, "10", "11", "14.5.0", "26.1", null)
	return d
}

func agents(random *rand.Rand) []agent {
	all := []agent{{"Cisco Secure Endpoint", "8.4.1"}, {"Windows Defender", "4.18.25100"}, {"CrowdStrike Falcon", "7.29.0"}}
	return all[random.IntN(len(all)):]
}

func assessments(random *rand.Rand) any {
	if random.IntN(2) == 0 {
		return nil // the edition has none
	}
	return map[string]assessment{
		"more_secure_auth": {"3.0", "2026.04.21.001", true, "Normal level of trust; no detection of known attack pattern", "NORMAL"},
		"remember_me":      {"3.0", "2026.04.21.001", false, "Known Access IP", pick(random, "NORMAL", "NORMAL", "LOW", "UNKNOWN")},
	}
}

// newAuthDevice returns what was authenticated with: mostly a phone, which is
// named after its number.
func newAuthDevice(random *rand.Rand, who person, factor any) authDevice {
	d := authDevice{IP: pick[any](random, address(random), address(random), nil), Location: who.home}
	switch factor {
	case "hardware_token":
		d.Key, d.Name = key("DH", random), fmt.Sprintf("HOTP-6 %06d", random.IntN(1_000_000))
	case "webauthn":
		d.Key, d.Name = key("WA", random), "Security key"
	case nil, "not_available":
		d.IP, d.Name, d.Location = nil, nil, location{}
	default:
		d.Key, d.Name = key("DP", random), pick(random, who.phone, who.phone, "Work phone ("+who.phone+")")
	}
	return d
}
