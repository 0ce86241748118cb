package udm

import (
	"net/netip"
	"strings"
)

// authentication maps by the table of the guide "Collect Duo authentication
// logs" and the change log of the parser, DUO_AUTH, up to 2026-03-17:
//
//	record                      event
//	timestamp                   metadata.event_timestamp; isotimestamp is not read
//	txid                        metadata.product_log_id and network.session_id
//	event_type                  metadata.product_event_type; and metadata.event_type: authentication
//	                            is USER_LOGIN, enrollment USER_CREATION, with no
//	                            access_device.hostname USER_UNCATEGORIZED, else GENERIC_EVENT
//	log_type                    metadata.log_type
//	result                      security_result.action_details; and security_result.action: success
//	                            is ALLOW, another one BLOCK
//	reason                      security_result.summary
//	factor                      extensions.auth.auth_details and extensions.auth.mechanism
//	user.name                   target.user.userid
//	user.key                    target.user.product_object_id
//	user.groups                 target.user.group_identifiers
//	access_device.ip            principal.ip if it is an IPv4 address, else additional.fields
//	access_device.hostname      principal.hostname
//	access_device.location      principal.location
//	access_device.os            principal.platform: WINDOWS, MAC or LINUX
//	access_device.os_version    principal.platform_version
//	access_device.browser, .browser_version, .epkey, .flash_version, .is_encryption_enabled,
//	.is_firewall_enabled        principal.resource.attribute.labels
//	access_device.device_info_source, trusted_endpoint_status
//	                            principal.asset.attribute.labels
//	access_device.key           target.resource.product_object_id
//	application.key             target.resource.id
//	application.name            target.application
//	application.destination_name
//	                            target.application
//	auth_device.ip              target.ip
//	auth_device.location        target.location
//	auth_device.name            target.user.phone_numbers if it is a phone number, else target.hostname
//	host                        target.hostname and target.asset.hostname, unless it begins with "api."
//	adaptive_trust_assessments.{more_secure_auth,remember_me}, of which
//	.features_version, .model_version, .trust_level
//	                            security_result.detection_fields
//	.policy_enabled, .preview_mode_enabled, .reason, more_secure_auth.detected_attack_detectors
//	                            additional.fields
//
// What is static: vendor_name "DUO_SECURITY", product_name
// "MULTI-FACTOR_AUTHENTICATION", extensions.auth.type SSO. The rows for lines of
// the Duo Authentication Proxy, which the parser reads, too, are left out.
//
// Where guide and change log disagree or say too little, this is what is done:
//
//   - The guide has the browser in target.resource. The change log moved it to
//     principal.resource on 2025-02-26, where what came later is, too.
//   - Labels and additional fields have the record's path as key, as the one
//     key that the guide names does: "access_device.ip".
//   - application.destination_name counts before application.name: every record
//     has a name, so the other way round it would never be seen.
//   - auth_device.name counts before host in target.hostname: the guide has it,
//     and host only the change log.
//   - The guide names four mechanisms and not the factors that have them. See
//     mechanisms.
func authentication(r fields) Event {
	return Event{
		Metadata: Metadata{
			EventTimestamp:   r.seconds("timestamp"),
			EventType:        authenticationType(r),
			VendorName:       "DUO_SECURITY",
			ProductName:      "MULTI-FACTOR_AUTHENTICATION",
			ProductEventType: r.text("event_type"),
			ProductLogID:     r.text("txid"),
			LogType:          r.text("log_type"),
		},
		Principal:      accessDevice(r),
		Target:         authenticated(r),
		Network:        Network{SessionID: r.text("txid")},
		SecurityResult: some(authenticationResult(r)),
		Extensions: Extensions{Auth{
			Type:        "SSO",
			Mechanism:   some(mechanisms[r.text("factor")]),
			AuthDetails: r.text("factor"),
		}},
		Additional: authenticationRest(r),
	}
}

// mechanisms are those of the factors for which there is no doubt: the change
// log names duo_mobile_passcode_hotp, and of the others the name says what the
// model calls OTP or HARDWARE_KEY. duo_push, phone_call, bypass_code,
// hardware_token, which shows passcodes, and more have none.
var mechanisms = map[string]string{
	"duo_mobile_passcode":      "OTP",
	"duo_mobile_passcode_hotp": "OTP",
	"sms_passcode":             "OTP",
	"u2f_token":                "HARDWARE_KEY",
	"webauthn_security_key":    "HARDWARE_KEY",
}

func authenticationType(r fields) string {
	switch r.text("event_type") {
	case "authentication":
		return "USER_LOGIN"
	case "enrollment":
		if r.text("access_device.hostname") == "" {
			return "USER_UNCATEGORIZED"
		}
		return "USER_CREATION"
	}
	return "GENERIC_EVENT"
}

// authenticationPlatforms are all that the guide names.
var authenticationPlatforms = []platform{{"windows", "WINDOWS"}, {"mac", "MAC"}, {"linux", "LINUX"}}

// accessDevice is what the user logs in with.
func accessDevice(r fields) Noun {
	p := Noun{
		Hostname: r.text("access_device.hostname"),
		Asset: Asset{Attribute: Attribute{r.labels(
			"access_device.device_info_source",
			"trusted_endpoint_status",
		)}},
		Resource: Resource{Attribute: Attribute{r.labels(
			"access_device.browser",
			"access_device.browser_version",
			"access_device.epkey",
			"access_device.flash_version",
			"access_device.is_encryption_enabled",
			"access_device.is_firewall_enabled",
		)}},
		Platform:        platformOf(r.text("access_device.os"), authenticationPlatforms),
		PlatformVersion: r.text("access_device.os_version"),
		Location:        r.location("access_device.location"),
	}
	if ip := r.text("access_device.ip"); isIPv4(ip) {
		p.IP = []string{ip}
	}
	return p
}

// authenticated is the user, what they log in to and the device that they
// confirm it with: the guide has all in one noun.
func authenticated(r fields) Noun {
	host := r.text("host")
	if strings.HasPrefix(host, "api.") {
		host = ""
	}
	t := Noun{
		Hostname: host,
		IP:       r.ip("auth_device.ip"),
		User: User{
			UserID:           r.text("user.name"),
			ProductObjectID:  r.text("user.key"),
			GroupIdentifiers: r.texts("user.groups"),
		},
		Asset:       Asset{Hostname: host},
		Application: r.text("application.name"),
		Resource:    Resource{ID: r.text("application.key"), ProductObjectID: r.text("access_device.key")},
		Location:    r.location("auth_device.location"),
	}
	if destination := r.text("application.destination_name"); destination != "" {
		t.Application = destination
	}
	switch name := r.text("auth_device.name"); {
	case isPhoneNumber(name):
		t.User.PhoneNumbers = []string{name}
	case name != "":
		t.Hostname = name
	}
	return t
}

func authenticationResult(r fields) SecurityResult {
	s := SecurityResult{
		ActionDetails: r.text("result"),
		Summary:       r.text("reason"),
		DetectionFields: r.labels(
			"adaptive_trust_assessments.more_secure_auth.features_version",
			"adaptive_trust_assessments.more_secure_auth.model_version",
			"adaptive_trust_assessments.more_secure_auth.trust_level",
			"adaptive_trust_assessments.remember_me.features_version",
			"adaptive_trust_assessments.remember_me.model_version",
			"adaptive_trust_assessments.remember_me.trust_level",
		),
	}
	switch s.ActionDetails {
	case "":
	case "success", "SUCCESS":
		s.Action = []string{"ALLOW"}
	default:
		s.Action = []string{"BLOCK"}
	}
	return s
}

func authenticationRest(r fields) map[string]string {
	rest := map[string]string{}
	for _, l := range r.labels(
		"access_device.ip",
		"adaptive_trust_assessments.more_secure_auth.detected_attack_detectors",
		"adaptive_trust_assessments.more_secure_auth.policy_enabled",
		"adaptive_trust_assessments.more_secure_auth.preview_mode_enabled",
		"adaptive_trust_assessments.more_secure_auth.reason",
		"adaptive_trust_assessments.remember_me.policy_enabled",
		"adaptive_trust_assessments.remember_me.preview_mode_enabled",
		"adaptive_trust_assessments.remember_me.reason",
	) {
		rest[l.Key] = l.Value
	}
	if isIPv4(rest["access_device.ip"]) {
		delete(rest, "access_device.ip")
	}
	return rest
}

func isIPv4(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Is4()
}

// isPhoneNumber takes 7 to 15 digits, the most that a number can have, with a
// plus before and spaces, hyphens and parentheses between them.
func isPhoneNumber(name string) bool {
	digits := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(name)
	digits = strings.TrimPrefix(digits, "+")
	return len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}
