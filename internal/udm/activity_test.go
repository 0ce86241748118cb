package udm_test

import (
	"encoding/json"
	"testing"
)

// TestActivity has a test for every row of the guide's table, in its order.
func TestActivity(t *testing.T) {
	t.Parallel()
	const userLabels, assetLabels = "principal.user.attribute.labels", "principal.asset.attribute.labels"
	testRows(t, "activity", []row{
		{"access_device.os Windows", `{"access_device":{"os":"Windows"}}`, "principal.platform", "WINDOWS"},
		{"access_device.os Linux", `{"access_device":{"os":"linux"}}`, "principal.platform", "LINUX"},
		{"access_device.os Mac OS X", `{"access_device":{"os":"Mac OS X"}}`, "principal.platform", "MAC"},
		{"access_device.os iOS", `{"access_device":{"os":"iOS"}}`, "principal.platform", "IOS"},
		{"access_device.os Chrome OS", `{"access_device":{"os":"Chrome OS"}}`, "principal.platform", "CHROME_OS"},
		{"access_device.os Android", `{"access_device":{"os":"Android"}}`, "principal.platform", "ANDROID"},
		{"access_device.os Darwin, as the guide's order has it", `{"access_device":{"os":"Darwin"}}`, "principal.platform", "WINDOWS"},
		{"access_device.os that is another one", `{"access_device":{"os":"FreeBSD"}}`, "principal.platform", "UNKNOWN_PLATFORM"},
		{"access_device.os: none", `{"access_device":{"os":null}}`, "principal", ""},
		{"access_device.os_version to principal.platform_version", `{"access_device":{"os_version":"10"}}`, "principal.platform_version", "10"},
		{"access_device.ip.address to principal.ip", `{"access_device":{"ip":{"address":"203.0.113.77"}}}`, "principal.ip", `["203.0.113.77"]`},
		{"access_device.ip.address IPv6", `{"access_device":{"ip":{"address":"2001:db8::1"}}}`, "principal.ip", `["2001:db8::1"]`},
		{"access_device.ip.address that is none", `{"access_device":{"ip":{"address":"unknown"}}}`, "principal", ""},
		{"access_device.ip that is a text", `{"access_device":{"ip":"203.0.113.77"}}`, "principal", ""},
		{"access_device.location.country", `{"access_device":{"location":{"country":"Belgium"}}}`, "principal.location.country_or_region", "Belgium"},
		{"access_device.location.state", `{"access_device":{"location":{"state":"East Flanders"}}}`, "principal.location.state", "East Flanders"},
		{"access_device.location.city", `{"access_device":{"location":{"city":"Ghent"}}}`, "principal.location.city", "Ghent"},
		{"access_device.browser to labels", `{"access_device":{"browser":"Firefox"}}`, assetLabels + "[access_device_browser]", "Firefox"},
		{"access_device.browser_version to labels", `{"access_device":{"browser_version":"145.0"}}`, assetLabels + "[access_device_browser_version]", "145.0"},
		{"ts to metadata.event_timestamp", `{"ts":"2026-11-20T08:01:44.120345+00:00"}`, "metadata.event_timestamp", "2026-11-20T08:01:44.120345Z"},
		{"ts in UTC", `{"ts":"2026-11-20T10:01:44+02:00"}`, "metadata.event_timestamp", "2026-11-20T08:01:44Z"},
		{"activity_id to metadata.product_log_id", `{"activity_id":"b3a4d2c1"}`, "metadata.product_log_id", "b3a4d2c1"},
		{"akey to principal.asset.product_object_id", `{"akey":"DAS1"}`, "principal.asset.product_object_id", "DAS1"},
		{"outcome.result to security_result.action_details", `{"outcome":{"result":"SUCCESS"}}`, "security_result.action_details", "SUCCESS"},
		{"outcome.result: none", `{"outcome":null}`, "security_result", ""},
		{"application.key to principal.resource.product_object_id", `{"application":{"key":"DIA1"}}`, "principal.resource.product_object_id", "DIA1"},
		{"application.name to principal.application", `{"application":{"name":"Corp VPN"}}`, "principal.application", "Corp VPN"},
		{"application.type to principal.resource.resource_subtype", `{"application":{"type":"websdk"}}`, "principal.resource.resource_subtype", "websdk"},
		{"action.details to labels, the text as it is", `{"action":{"details":"{\"a\": 1}"}}`, userLabels + "[action_details]", `{"a": 1}`},
		{"action.name to metadata.product_event_type", `{"action":{"name":"bypass_create"}}`, "metadata.product_event_type", "bypass_create"},
		{"actor.key to principal.user.userid", `{"actor":{"key":"DEH1"}}`, "principal.user.userid", "DEH1"},
		{"actor.name to principal.user.user_display_name", `{"actor":{"name":"Ops Admin"}}`, "principal.user.user_display_name", "Ops Admin"},
		{"actor.type to labels", `{"actor":{"type":"admin"}}`, userLabels + "[actor_type]", "admin"},
		{"target.key to labels", `{"target":{"key":"DUQ1"}}`, "target.asset.attribute.labels[target_key]", "DUQ1"},
		{"target.name to target.asset.hostname", `{"target":{"name":"mleroy"}}`, "target.asset.hostname", "mleroy"},
		{"target.type to target.asset.category", `{"target":{"type":"user"}}`, "target.asset.category", "user"},
		{"target.details to labels, the text as it is", `{"target":{"details":"{\"bypass_codes\": []}"}}`, "target.user.attribute.labels[target_details]", `{"bypass_codes": []}`},
		{"old_target.key to labels", `{"old_target":{"key":"DUQ1"}}`, "about.asset.attribute.labels[old_target_key]", "DUQ1"},
		{"old_target.name to about.asset.hostname", `{"old_target":{"name":"mleroy"}}`, "about.asset.hostname", "mleroy"},
		{"old_target.type to about.asset.category", `{"old_target":{"type":"user"}}`, "about.asset.category", "user"},
		{"old_target.details to labels, the text as it is", `{"old_target":{"details":"{\"a\": 1}"}}`, "about.user.attribute.labels[old_target_details]", `{"a": 1}`},
		{"old_target: none", `{"old_target":null}`, "about", ""},
		{"actor.details.created to principal.user.first_seen_time", `{"actor":{"details":"{\"created\": \"2024-02-11T09:00:00.000000+01:00\"}"}}`, "principal.user.first_seen_time", "2024-02-11T08:00:00Z"},
		{"actor.details.created that is no time", `{"actor":{"details":"{\"created\": \"once\"}"}}`, "principal", ""},
		{"actor.details.last_login to principal.user.last_login_time", `{"actor":{"details":"{\"last_login\": \"2026-11-20T07:58:12.000000+00:00\"}"}}`, "principal.user.last_login_time", "2026-11-20T07:58:12Z"},
		{"actor.details.status to labels", `{"actor":{"details":"{\"status\": \"active\"}"}}`, userLabels + "[status]", "active"},
		{"actor.details.email to principal.user.email_addresses", `{"actor":{"details":"{\"email\": \"ops@example.org\"}"}}`, "principal.user.email_addresses", `["ops@example.org"]`},
		{"actor.details.group.key to labels", `{"actor":{"details":"{\"group\": {\"key\": \"DGA1\"}}"}}`, userLabels + "[actor_details_group_key]", "DGA1"},
		{"actor.details.group.name to labels", `{"actor":{"details":"{\"group\": {\"name\": \"staff\"}}"}}`, userLabels + "[actor_details_group_name]", "staff"},
		{"actor.details that is no JSON", `{"actor":{"details":"created by hand"}}`, "principal", ""},
		{"actor.details that is an object", `{"actor":{"details":{"email":"ops@example.org"}}}`, "principal", ""},
		{"not in the table: vendor, product and log type", `{"log_type":"DUO_ACTIVITY"}`, "metadata", `{"event_type":"GENERIC_EVENT"}`},
	})
}

// TestActivityTypes has the guide's list of actions, in its order and spelling,
// and some that it lacks.
func TestActivityTypes(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"admin_activate_duo_push", "DEVICE_PROGRAM_DOWNLOAD"},
		{"admin_factor_restrictions", "RESOURCE_PERMISSIONS_CHANGE"},
		{"admin_login", "USER_UNCATEGORIZED"},
		{"admin_rectivates_duo_push", "DEVICE_PROGRAM_DOWNLOAD"},
		{"admin_reset_password", "USER_CHANGE_PASSWORD"},
		{"admin_send_reset_password_email", "EMAIL_TRANSACTION"},
		{"bypass_create", "RESOURCE_CREATION"},
		{"bypass_delete", "RESOURCE_DELETION"},
		{"bypass_view", "RESOURCE_READ"},
		{"deregister_devices", "USER_RESOURCE_DELETION"},
		{"device_change_enrollment_summary_notification_answered", "USER_COMMUNICATION"},
		{"device_change_enrollment_summary_notification_answered_notify_admin", "USER_COMMUNICATION"},
		{"device_change_enrollment_summary_notification_send", "USER_COMMUNICATION"},
		{"device_change_notification_answered", "USER_COMMUNICATION"},
		{"device_change_notification_answered_notify_admin", "USER_COMMUNICATION"},
		{"device_change_notification_create", "RESOURCE_CREATION"},
		{"device_change_notification_send", "USER_COMMUNICATION"},
		{"group_create", "GROUP_CREATION"},
		{"group_delete", "GROUP_DELETION"},
		{"group_update", "GROUP_MODIFICATION"},
		{"hardtoken_create", "RESOURCE_CREATION"},
		{"hardtoken_delete", "RESOURCE_DELETION"},
		{"hardtoken_resync", "RESOURCE_WRITTEN"},
		{"hardtoken_update", "RESOURCE_WRITTEN"},
		{"integration_create", "RESOURCE_CREATION"},
		{"integration_delete", "RESOURCE_DELETION"},
		{"integration_group_policy_add", "GROUP_UNCATEGORIZED"},
		{"integration_group_policy_remove", "GROUP_UNCATEGORIZED"},
		{"integration_policy_assign", "USER_UNCATEGORIZED"},
		{"integration_policy_unassign", "USER_UNCATEGORIZED"},
		{"integration_skey_bulk_view", "RESOURCE_READ"},
		{"integration_skey_view", "RESOURCE_READ"},
		{"integration_update", "RESOURCE_WRITTEN"},
		{"log_export_start", "USER_UNCATEGORIZED"},
		{"log_export_complete", "USER_UNCATEGORIZED"},
		{"log_export_failure", "USER_UNCATEGORIZED"},
		{"management_system_activate_device_cache", "DEVICE_CONFIG_UPDATE"},
		{"management_system_active_device_cache_add_devices", "RESOURCE_CREATION"},
		{"management_system_active_device_cache_delete_devices", "RESOURCE_DELETION"},
		{"management_system_active_device_cache_edit_devices", "RESOURCE_WRITTEN"},
		{"management_system_add_devices", "RESOURCE_CREATION"},
		{"management_system_create", "RESOURCE_CREATION"},
		{"management_system_delete", "RESOURCE_DELETION"},
		{"management_system_delete_devices", "RESOURCE_DELETION"},
		{"management_system_device_cache_add_devices", "RESOURCE_CREATION"},
		{"management_system_device_cache_create", "RESOURCE_CREATION"},
		{"management_system_device_cache_delete", "RESOURCE_DELETION"},
		{"management_system_device_cache_delete_devices", "RESOURCE_DELETION"},
		{"management_system_download_device_api_script", "DEVICE_PROGRAM_DOWNLOAD"},
		{"management_system_pkcs12_enrollment", "RESOURCE_CREATION"},
		{"management_system_sync_failure", "USER_UNCATEGORIZED"},
		{"management_system_sync_success", "USER_UNCATEGORIZED"},
		{"management_system_update", "USER_UNCATEGORIZED"},
		{"management_system_view_password", "RESOURCE_READ"},
		{"management_system_view_token", "RESOURCE_READ"},
		{"phone_activation_code_regenerated", "RESOURCE_CREATION"},
		{"phone_associate", "RESOURCE_CREATION"},
		{"phone_create", "RESOURCE_CREATION"},
		{"phone_delete", "RESOURCE_DELETION"},
		{"phone_disassociate", "RESOURCE_DELETION"},
		{"phone_new_sms_passcode", "RESOURCE_CREATION"},
		{"phone_update", "RESOURCE_WRITTEN"},
		{"policy_create", "RESOURCE_CREATION"},
		{"policy_delete", "RESOURCE_DELETION"},
		{"policy_update", "RESOURCE_WRITTEN"},
		{"u2ftoken_create", "RESOURCE_CREATION"},
		{"u2ftoken_delete", "RESOURCE_DELETION"},
		{"user_not_enrolled_lockout", "USER_CHANGE_PERMISSIONS"},
		{"user_adminapi_lockout", "USER_CHANGE_PERMISSIONS"},
		{"user_lockout_cleared", "USER_CHANGE_PERMISSIONS"},
		{"webauthncredential_create", "RESOURCE_CREATION"},
		{"webauthncredential_delete", "RESOURCE_DELETION"},
		{"webauthncredential_rename", "RESOURCE_WRITTEN"},
		{"admin_reactivates_duo_push", "GENERIC_EVENT"},
		{"user_create", "GENERIC_EVENT"},
		{"ad_sync_begin", "GENERIC_EVENT"},
		{"o2fa_user_provisioned", "GENERIC_EVENT"},
		{"", "GENERIC_EVENT"},
	} {
		t.Run(test[0], func(t *testing.T) {
			t.Parallel()
			name, err := json.Marshal(test[0])
			if err != nil {
				t.Fatal(err)
			}
			event := convert(t, "activity", `{"action":{"name":`+string(name)+`}}`)
			if got := at(event, "metadata.event_type"); got != test[1] {
				t.Errorf("it is %s, want %s", got, test[1])
			}
		})
	}
}
