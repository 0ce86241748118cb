package udm

import (
	"cmp"
	"net/netip"
	"strings"
)

// authentication is the table of the guide "Collect Duo authentication logs" and
// the change log of the parser, DUO_AUTH, up to 2026-03-17. The rows for lines of
// the Duo Authentication Proxy, which the parser reads, too, are left out, and
// isotimestamp is not read.
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
//     mechanism.
var authentication = Mapping{
	{"timestamp", "metadata.event_timestamp", fields.seconds},
	{"event_type", "metadata.event_type", authenticationType},
	{"DUO_SECURITY", "metadata.vendor_name", static},
	{"MULTI-FACTOR_AUTHENTICATION", "metadata.product_name", static},
	{"event_type", "metadata.product_event_type", fields.text},
	{"txid", "metadata.product_log_id", fields.text},
	{"log_type", "metadata.log_type", fields.text},
	{"access_device.hostname", "principal.hostname", fields.text},
	{"access_device.ip", "principal.ip", ipv4},
	{"access_device.device_info_source", "principal.asset.attribute.labels[]", fields.text},
	{"trusted_endpoint_status", "principal.asset.attribute.labels[]", fields.text},
	{"access_device.browser", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.browser_version", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.epkey", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.flash_version", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.is_encryption_enabled", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.is_firewall_enabled", "principal.resource.attribute.labels[]", fields.text},
	{"access_device.os", "principal.platform", authenticationPlatform},
	{"access_device.os_version", "principal.platform_version", fields.text},
	{"access_device.location.city", "principal.location.city", fields.text},
	{"access_device.location.state", "principal.location.state", fields.text},
	{"access_device.location.country", "principal.location.country_or_region", fields.text},
	{"auth_device.name", "target.hostname", targetName},
	{"auth_device.ip", "target.ip", fields.ip},
	{"user.name", "target.user.userid", fields.text},
	{"user.key", "target.user.product_object_id", fields.text},
	{"auth_device.name", "target.user.phone_numbers", phoneNumber},
	{"user.groups", "target.user.group_identifiers", nil},
	{"host", "target.asset.hostname", targetHost},
	{"application.name", "target.application", application},
	{"application.key", "target.resource.id", fields.text},
	{"access_device.key", "target.resource.product_object_id", fields.text},
	{"auth_device.location.city", "target.location.city", fields.text},
	{"auth_device.location.state", "target.location.state", fields.text},
	{"auth_device.location.country", "target.location.country_or_region", fields.text},
	{"txid", "network.session_id", fields.text},
	{"result", "security_result.action", authenticationAction},
	{"result", "security_result.action_details", fields.text},
	{"reason", "security_result.summary", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.features_version", "security_result.detection_fields[]", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.model_version", "security_result.detection_fields[]", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.trust_level", "security_result.detection_fields[]", fields.text},
	{"adaptive_trust_assessments.remember_me.features_version", "security_result.detection_fields[]", fields.text},
	{"adaptive_trust_assessments.remember_me.model_version", "security_result.detection_fields[]", fields.text},
	{"adaptive_trust_assessments.remember_me.trust_level", "security_result.detection_fields[]", fields.text},
	{"SSO", "extensions.auth.type", static},
	{"factor", "extensions.auth.mechanism", mechanism},
	{"factor", "extensions.auth.auth_details", fields.text},
	{"access_device.ip", "additional[]", noIPv4},
	{"adaptive_trust_assessments.more_secure_auth.detected_attack_detectors", "additional[]", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.policy_enabled", "additional[]", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.preview_mode_enabled", "additional[]", fields.text},
	{"adaptive_trust_assessments.more_secure_auth.reason", "additional[]", fields.text},
	{"adaptive_trust_assessments.remember_me.policy_enabled", "additional[]", fields.text},
	{"adaptive_trust_assessments.remember_me.preview_mode_enabled", "additional[]", fields.text},
	{"adaptive_trust_assessments.remember_me.reason", "additional[]", fields.text},
}

func authenticationType(r fields, path string) string {
	switch r.text(path) {
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

// authenticationPlatform knows the systems that the guide names.
func authenticationPlatform(r fields, path string) string {
	return platformOf(r.text(path), "windows", "WINDOWS", "mac", "MAC", "linux", "LINUX")
}

func ipv4(r fields, path string) string {
	address, err := netip.ParseAddr(r.text(path))
	return only(r.text(path), err == nil && address.Is4())
}

func noIPv4(r fields, path string) string { return only(r.text(path), ipv4(r, path) == "") }

// targetName is the device's name, unless that is a phone number.
func targetName(r fields, path string) string {
	return cmp.Or(only(r.text(path), phoneNumber(r, path) == ""), targetHost(r, "host"))
}

func targetHost(r fields, path string) string {
	host := r.text(path)
	return only(host, !strings.HasPrefix(host, "api."))
}

// phoneNumber takes 7 to 15 digits, the most that a number can have, with a plus
// before and spaces, hyphens and parentheses between them.
func phoneNumber(r fields, path string) string {
	name := r.text(path)
	digits := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(name)
	digits = strings.TrimPrefix(digits, "+")
	return only(name, len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == "")
}

func application(r fields, name string) string {
	return cmp.Or(r.text("application.destination_name"), r.text(name))
}

func authenticationAction(r fields, path string) string {
	switch r.text(path) {
	case "":
		return ""
	case "success", "SUCCESS":
		return "ALLOW"
	}
	return "BLOCK"
}

// mechanism is that of a factor for which there is no doubt: the change log names
// duo_mobile_passcode_hotp, and of the others the name says what the model calls
// OTP or HARDWARE_KEY. duo_push, phone_call, bypass_code, hardware_token, which
// shows passcodes, and more have none.
func mechanism(r fields, factor string) string {
	switch r.text(factor) {
	case "duo_mobile_passcode", "duo_mobile_passcode_hotp", "sms_passcode":
		return "OTP"
	case "u2f_token", "webauthn_security_key":
		return "HARDWARE_KEY"
	}
	return ""
}
