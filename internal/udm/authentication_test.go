package udm_test

import (
	"strings"
	"testing"
)

// TestAuthentication has a test for every row of the table, in its order, and one
// for each choice where guide and change log disagree or say too little.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	const principalLabels, assetLabels = "principal.resource.attribute.labels", "principal.asset.attribute.labels"
	testRows(t, "authentication", []row{
		{"timestamp to metadata.event_timestamp", `{"timestamp":1795166102}`, "metadata.event_timestamp", "2026-11-20T09:15:02Z"},
		{"timestamp before isotimestamp", `{"isotimestamp":"2026-11-20T09:15:02.481920+00:00","timestamp":1795166101}`, "metadata.event_timestamp", "2026-11-20T09:15:01Z"},
		{"isotimestamp alone: no timestamp", `{"isotimestamp":"2026-11-20T09:15:02.481920+00:00"}`, "metadata.event_timestamp", ""},
		{"timestamp that is a text", `{"timestamp":"1795166102"}`, "metadata.event_timestamp", "2026-11-20T09:15:02Z"},
		{"timestamp that is no whole number", `{"timestamp":1795166102.5}`, "metadata.event_timestamp", ""},
		{"timestamp in the year 10000", `{"timestamp":253402300800}`, "metadata.event_timestamp", ""},
		{"timestamp that overflows", `{"timestamp":9223372036854775807}`, "metadata.event_timestamp", ""},
		{"txid to metadata.product_log_id", `{"txid":"7c0a2f5e"}`, "metadata.product_log_id", "7c0a2f5e"},
		{"txid to network.session_id", `{"txid":"7c0a2f5e"}`, "network.session_id", "7c0a2f5e"},
		{"event_type to metadata.product_event_type", `{"event_type":"authentication"}`, "metadata.product_event_type", "authentication"},
		{"event_type authentication", `{"event_type":"authentication"}`, "metadata.event_type", "USER_LOGIN"},
		{"event_type enrollment", `{"event_type":"enrollment","access_device":{"hostname":"WS-0421"}}`, "metadata.event_type", "USER_CREATION"},
		{"event_type enrollment without a hostname", `{"event_type":"enrollment","access_device":{"hostname":""}}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type enrollment with a hostname of null", `{"event_type":"enrollment","access_device":{"hostname":null}}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type that is another one", `{"event_type":"test"}`, "metadata.event_type", "GENERIC_EVENT"},
		{"event_type of null", `{"event_type":null}`, "metadata.event_type", "GENERIC_EVENT"},
		{"event_type: none", `{}`, "metadata.event_type", "GENERIC_EVENT"},
		{"log_type to metadata.log_type", `{"log_type":"DUO_AUTH"}`, "metadata.log_type", "DUO_AUTH"},
		{"result to security_result.action_details", `{"result":"fraud"}`, "security_result.action_details", "fraud"},
		{"result success", `{"result":"success"}`, "security_result.action", `["ALLOW"]`},
		{"result SUCCESS", `{"result":"SUCCESS"}`, "security_result.action", `["ALLOW"]`},
		{"result denied", `{"result":"denied"}`, "security_result.action", `["BLOCK"]`},
		{"result fraud", `{"result":"fraud"}`, "security_result.action", `["BLOCK"]`},
		{"result: none, no action", `{"reason":"user_approved"}`, "security_result.action", ""},
		{"reason to security_result.summary", `{"reason":"user_approved"}`, "security_result.summary", "user_approved"},
		{"result and reason: none, no security_result", `{}`, "security_result", ""},
		{"factor to extensions.auth.auth_details", `{"factor":"duo_push"}`, "extensions.auth.auth_details", "duo_push"},
		{"factor duo_mobile_passcode_hotp", `{"factor":"duo_mobile_passcode_hotp"}`, "extensions.auth.mechanism", `["OTP"]`},
		{"factor duo_mobile_passcode", `{"factor":"duo_mobile_passcode"}`, "extensions.auth.mechanism", `["OTP"]`},
		{"factor sms_passcode", `{"factor":"sms_passcode"}`, "extensions.auth.mechanism", `["OTP"]`},
		{"factor u2f_token", `{"factor":"u2f_token"}`, "extensions.auth.mechanism", `["HARDWARE_KEY"]`},
		{"factor webauthn_security_key", `{"factor":"webauthn_security_key"}`, "extensions.auth.mechanism", `["HARDWARE_KEY"]`},
		{"factor with a doubt: no mechanism", `{"factor":"duo_push"}`, "extensions.auth.mechanism", ""},
		{"factor that is unknown: no mechanism", `{"factor":"not_available"}`, "extensions.auth.mechanism", ""},
		{"factor of null", `{"factor":null}`, "extensions.auth", `{"type":"SSO"}`},
		{"user.name to target.user.userid", `{"user":{"name":"mleroy"}}`, "target.user.userid", "mleroy"},
		{"user.key to target.user.product_object_id", `{"user":{"key":"DUQ1"}}`, "target.user.product_object_id", "DUQ1"},
		{"user.groups to target.user.group_identifiers", `{"user":{"groups":["vpn","staff"]}}`, "target.user.group_identifiers", `["vpn","staff"]`},
		{"user.groups that are no texts", `{"user":{"groups":[null,"","vpn",{"name":"staff"}]}}`, "target.user.group_identifiers", `["vpn"]`},
		{"user.groups: none", `{"user":{"groups":[]}}`, "target", ""},
		{"access_device.ip IPv4", `{"access_device":{"ip":"198.51.100.24"}}`, "principal.ip", `["198.51.100.24"]`},
		{"access_device.ip IPv4: no additional field", `{"access_device":{"ip":"198.51.100.24"}}`, "additional", ""},
		{"access_device.ip IPv6", `{"access_device":{"ip":"2001:db8::1"}}`, "additional[access_device.ip]", "2001:db8::1"},
		{"access_device.ip IPv6: no principal.ip", `{"access_device":{"ip":"2001:db8::1"}}`, "principal", ""},
		{"access_device.ip with a port", `{"access_device":{"ip":"198.51.100.24:443"}}`, "additional[access_device.ip]", "198.51.100.24:443"},
		{"access_device.ip that is an object", `{"access_device":{"ip":{"address":"198.51.100.24"}}}`, "additional", ""},
		{"access_device.hostname to principal.hostname", `{"access_device":{"hostname":"WS-0421"}}`, "principal.hostname", "WS-0421"},
		{"access_device.location.city", `{"access_device":{"location":{"city":"Lyon"}}}`, "principal.location.city", "Lyon"},
		{"access_device.location.state", `{"access_device":{"location":{"state":"Rhône"}}}`, "principal.location.state", "Rhône"},
		{"access_device.location.country", `{"access_device":{"location":{"country":"France"}}}`, "principal.location.country_or_region", "France"},
		{"access_device.os Windows", `{"access_device":{"os":"Windows"}}`, "principal.platform", "WINDOWS"},
		{"access_device.os Mac OS X", `{"access_device":{"os":"Mac OS X"}}`, "principal.platform", "MAC"},
		{"access_device.os Linux", `{"access_device":{"os":"Linux"}}`, "principal.platform", "LINUX"},
		{"access_device.os iOS: no platform", `{"access_device":{"os":"iOS"}}`, "principal", ""},
		{"access_device.os_version to principal.platform_version", `{"access_device":{"os_version":"11"}}`, "principal.platform_version", "11"},
		{"access_device.browser to labels, as the change log has it", `{"access_device":{"browser":"Edge"}}`, principalLabels + "[access_device.browser]", "Edge"},
		{"access_device.browser_version to labels", `{"access_device":{"browser_version":"141.0.1"}}`, principalLabels + "[access_device.browser_version]", "141.0.1"},
		{"access_device.epkey to labels", `{"access_device":{"epkey":"EPX1"}}`, principalLabels + "[access_device.epkey]", "EPX1"},
		{"access_device.flash_version to labels", `{"access_device":{"flash_version":"32.0"}}`, principalLabels + "[access_device.flash_version]", "32.0"},
		{"access_device.is_encryption_enabled to labels", `{"access_device":{"is_encryption_enabled":true}}`, principalLabels + "[access_device.is_encryption_enabled]", "true"},
		{"access_device.is_encryption_enabled false", `{"access_device":{"is_encryption_enabled":false}}`, principalLabels + "[access_device.is_encryption_enabled]", "false"},
		{"access_device.is_firewall_enabled unknown", `{"access_device":{"is_firewall_enabled":"unknown"}}`, principalLabels + "[access_device.is_firewall_enabled]", "unknown"},
		{"access_device.device_info_source to labels", `{"access_device":{"device_info_source":"agent"}}`, assetLabels + "[access_device.device_info_source]", "agent"},
		{"trusted_endpoint_status to labels", `{"trusted_endpoint_status":"trusted"}`, assetLabels + "[trusted_endpoint_status]", "trusted"},
		{"access_device.key to target.resource.product_object_id", `{"access_device":{"key":"DAX1"}}`, "target.resource.product_object_id", "DAX1"},
		{"application.key to target.resource.id", `{"application":{"key":"DIA1"}}`, "target.resource.id", "DIA1"},
		{"application.name to target.application", `{"application":{"name":"Corp VPN"}}`, "target.application", "Corp VPN"},
		{"application.destination_name to target.application, before name", `{"application":{"name":"Single Sign-On","destination_name":"Wiki"}}`, "target.application", "Wiki"},
		{"application.destination_name empty", `{"application":{"name":"Corp VPN","destination_name":""}}`, "target.application", "Corp VPN"},
		{"auth_device.ip to target.ip", `{"auth_device":{"ip":"203.0.113.9"}}`, "target.ip", `["203.0.113.9"]`},
		{"auth_device.ip IPv6", `{"auth_device":{"ip":"2001:db8::1"}}`, "target.ip", `["2001:db8::1"]`},
		{"auth_device.ip None", `{"auth_device":{"ip":"None"}}`, "target", ""},
		{"auth_device.location.city", `{"auth_device":{"location":{"city":"Lyon"}}}`, "target.location.city", "Lyon"},
		{"auth_device.location.state", `{"auth_device":{"location":{"state":"Rhône"}}}`, "target.location.state", "Rhône"},
		{"auth_device.location.country", `{"auth_device":{"location":{"country":"France"}}}`, "target.location.country_or_region", "France"},
		{"auth_device.name that is a number", `{"auth_device":{"name":"+12025550100"}}`, "target.user.phone_numbers", `["+12025550100"]`},
		{"auth_device.name that is a number: no hostname", `{"auth_device":{"name":"+12025550100"}}`, "target.hostname", ""},
		{"auth_device.name that is a number, spaced", `{"auth_device":{"name":"+1 (202) 555-0100"}}`, "target.user.phone_numbers", `["+1 (202) 555-0100"]`},
		{"auth_device.name that is a number without a plus", `{"auth_device":{"name":"202-555-0100"}}`, "target.user.phone_numbers", `["202-555-0100"]`},
		{"auth_device.name that has a number in it", `{"auth_device":{"name":"Work phone (+1 202 555 0100)"}}`, "target.hostname", "Work phone (+1 202 555 0100)"},
		{"auth_device.name that has a number in it: no phone number", `{"auth_device":{"name":"Work phone (+1 202 555 0100)"}}`, "target.user", ""},
		{"auth_device.name with few digits", `{"auth_device":{"name":"123456"}}`, "target.hostname", "123456"},
		{"auth_device.name with many digits", `{"auth_device":{"name":"1234567890123456"}}`, "target.hostname", "1234567890123456"},
		{"auth_device.name with a plus within", `{"auth_device":{"name":"1234+5678"}}`, "target.hostname", "1234+5678"},
		{"host to target.hostname", `{"host":"srv-1"}`, "target.hostname", "srv-1"},
		{"host to target.asset.hostname", `{"host":"srv-1"}`, "target.asset.hostname", "srv-1"},
		{"host that begins with api.", `{"host":"api.example.org"}`, "target", ""},
		{"host that begins with api-", `{"host":"api-12345678.duosecurity.com"}`, "target.hostname", "api-12345678.duosecurity.com"},
		{"host after auth_device.name", `{"host":"srv-1","auth_device":{"name":"iPhone"}}`, "target.hostname", "iPhone"},
		{"metadata.vendor_name is DUO_SECURITY", `{}`, "metadata.vendor_name", "DUO_SECURITY"},
		{"metadata.product_name is MULTI-FACTOR_AUTHENTICATION", `{}`, "metadata.product_name", "MULTI-FACTOR_AUTHENTICATION"},
		{"extensions.auth.type is SSO", `{}`, "extensions.auth.type", "SSO"},
		{"not in the table: email, alias, security_agents, ood_software", `{"email":"a@example.org","alias":"a","ood_software":"b","access_device":{"security_agents":"unknown","java_version":"8"}}`, "principal", ""},
	})
	for place, paths := range map[string][]string{
		"security_result.detection_fields": {
			"more_secure_auth.features_version", "more_secure_auth.model_version", "more_secure_auth.trust_level",
			"remember_me.features_version", "remember_me.model_version", "remember_me.trust_level",
		},
		"additional": {
			"more_secure_auth.detected_attack_detectors", "more_secure_auth.policy_enabled",
			"more_secure_auth.preview_mode_enabled", "more_secure_auth.reason",
			"remember_me.policy_enabled", "remember_me.preview_mode_enabled", "remember_me.reason",
		},
	} {
		for _, path := range paths {
			assessment, member, _ := strings.Cut(path, ".")
			record := `{"adaptive_trust_assessments":{"` + assessment + `":{"` + member + `":"a"}}}`
			path = "adaptive_trust_assessments." + path
			testRows(t, "authentication", []row{{path + " to " + place, record, place + "[" + path + "]", "a"}})
		}
	}
}
