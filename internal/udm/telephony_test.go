package udm_test

import "testing"

// TestTelephony has a test for every row of the guide's table, in its order, and
// one for each choice where it contradicts itself.
func TestTelephony(t *testing.T) {
	t.Parallel()
	testRows(t, "telephony", []row{
		{"context to metadata.product_event_type", `{"context":"enrollment"}`, "metadata.product_event_type", "enrollment"},
		{"credits to detection_fields", `{"credits":2}`, "security_result.detection_fields[credits]", "2"},
		{"eventtype to detection_fields", `{"eventtype":"telephony"}`, "security_result.detection_fields[eventtype]", "telephony"},
		{"host to principal.hostname", `{"host":"api-x.duosecurity.com"}`, "principal.hostname", "api-x.duosecurity.com"},
		{"host that is an IPv4 address: no hostname", `{"host":"192.0.2.1"}`, "principal", ""},
		{"host that is an IPv6 address: no hostname", `{"host":"2001:db8::1"}`, "principal", ""},
		{"security_result.action is ALLOW", `{}`, "security_result.action", `["ALLOW"]`},
		{"MECHANISM_UNSPECIFIED: no detection field", `{}`, "security_result.detection_fields", ""},
		{"MECHANISM_UNSPECIFIED: in extensions.auth.mechanism", `{}`, "extensions.auth.mechanism", `["MECHANISM_UNSPECIFIED"]`},
		{"metadata.event_timestamp from ts", `{"ts":"2026-01-26T20:54:12.573580+00:00"}`, "metadata.event_timestamp", "2026-01-26T20:54:12.57358Z"},
		{"event_type with context and host", `{"context":"a","host":"b"}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type with context and a host that is an IP address", `{"context":"a","host":"192.0.2.1"}`, "metadata.event_type", "USER_UNCATEGORIZED"},
		{"event_type with host alone", `{"host":"b"}`, "metadata.event_type", "STATUS_UPDATE"},
		{"event_type with context alone", `{"context":"a"}`, "metadata.event_type", "GENERIC_EVENT"},
		{"event_type with neither", `{}`, "metadata.event_type", "GENERIC_EVENT"},
		{"metadata.log_type from log_type", `{"log_type":"DUO_TELEPHONY"}`, "metadata.log_type", "DUO_TELEPHONY"},
		{"metadata.log_type: not made up", `{}`, "metadata.log_type", ""},
		{"metadata.product_name is Telephony", `{}`, "metadata.product_name", "Telephony"},
		{"metadata.vendor_name is Duo", `{}`, "metadata.vendor_name", "Duo"},
		{"phone to principal.user.phone_numbers", `{"phone":"+12025550100"}`, "principal.user.phone_numbers", `["+12025550100"]`},
		{"phone to principal.user.userid", `{"phone":"+12025550100"}`, "principal.user.userid", "+12025550100"},
		{"no phone: no user", `{"host":"b"}`, "principal.user", ""},
		{"security_result.severity is INFORMATIONAL", `{}`, "security_result.severity", "INFORMATIONAL"},
		{"security_result.summary is Duo Telephony without a type", `{}`, "security_result.summary", "Duo Telephony"},
		{"ts in UTC", `{"ts":"2026-01-26T22:54:12+02:00"}`, "metadata.event_timestamp", "2026-01-26T20:54:12Z"},
		{"type to security_result.summary, before the static one", `{"type":"sms"}`, "security_result.summary", "sms"},
		{"not in the table: telephony_id to metadata.product_log_id", `{"telephony_id":"60799fee"}`, "metadata.product_log_id", "60799fee"},
	})
}
