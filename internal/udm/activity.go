package udm

// activity is the tables of the guide "Collect Duo Activity logs".
//
// Duo sends each details as JSON in a text. Those of actor are read; the others
// stay the text that they are. The tables have no vendor, no product and no log
// type, and so the event has none.
var activity = Mapping{
	{"ts", "metadata.event_timestamp", fields.timestamp},
	{"action.name", "metadata.event_type", activityType},
	{"action.name", "metadata.product_event_type", fields.text},
	{"activity_id", "metadata.product_log_id", fields.text},
	{"access_device.ip.address", "principal.ip", fields.ip},
	{"actor.key", "principal.user.userid", fields.text},
	{"actor.name", "principal.user.user_display_name", fields.text},
	{"actor.details/email", "principal.user.email_addresses", fields.text},
	{"actor.details/created", "principal.user.first_seen_time", fields.timestamp},
	{"actor.details/last_login", "principal.user.last_login_time", fields.timestamp},
	{"action.details", "principal.user.attribute.labels[action_details]", fields.text},
	{"actor.type", "principal.user.attribute.labels[actor_type]", fields.text},
	{"actor.details/status", "principal.user.attribute.labels[status]", fields.text},
	{"actor.details/group.key", "principal.user.attribute.labels[actor_details_group_key]", fields.text},
	{"actor.details/group.name", "principal.user.attribute.labels[actor_details_group_name]", fields.text},
	{"akey", "principal.asset.product_object_id", fields.text},
	{"access_device.browser", "principal.asset.attribute.labels[access_device_browser]", fields.text},
	{"access_device.browser_version", "principal.asset.attribute.labels[access_device_browser_version]", fields.text},
	{"application.name", "principal.application", fields.text},
	{"application.key", "principal.resource.product_object_id", fields.text},
	{"application.type", "principal.resource.resource_subtype", fields.text},
	{"access_device.os", "principal.platform", activityPlatform},
	{"access_device.os_version", "principal.platform_version", fields.text},
	{"access_device.location.city", "principal.location.city", fields.text},
	{"access_device.location.state", "principal.location.state", fields.text},
	{"access_device.location.country", "principal.location.country_or_region", fields.text},
	{"target.details", "target.user.attribute.labels[target_details]", fields.text},
	{"target.name", "target.asset.hostname", fields.text}, // a user's name, too
	{"target.type", "target.asset.category", fields.text},
	{"target.key", "target.asset.attribute.labels[target_key]", fields.text},
	{"old_target.details", "about.user.attribute.labels[old_target_details]", fields.text},
	{"old_target.name", "about.asset.hostname", fields.text},
	{"old_target.type", "about.asset.category", fields.text},
	{"old_target.key", "about.asset.attribute.labels[old_target_key]", fields.text},
	{"outcome.result", "security_result.action_details", fields.text},
}

// activityType knows the actions that the guide lists, in its spelling. Every other
// one is a GENERIC_EVENT, also those for users, administrators, directory sync and
// offline access.
func activityType(r fields, path string) string {
	switch r.text(path) {
	case "admin_activate_duo_push", "admin_rectivates_duo_push",
		"management_system_download_device_api_script":
		return "DEVICE_PROGRAM_DOWNLOAD"
	case "admin_factor_restrictions":
		return "RESOURCE_PERMISSIONS_CHANGE"
	case "admin_login", "integration_policy_assign", "integration_policy_unassign", "log_export_start",
		"log_export_complete", "log_export_failure", "management_system_sync_failure",
		"management_system_sync_success", "management_system_update":
		return "USER_UNCATEGORIZED"
	case "admin_reset_password":
		return "USER_CHANGE_PASSWORD"
	case "admin_send_reset_password_email":
		return "EMAIL_TRANSACTION"
	case "bypass_create", "device_change_notification_create", "hardtoken_create", "integration_create",
		"management_system_active_device_cache_add_devices", "management_system_add_devices",
		"management_system_create", "management_system_device_cache_add_devices",
		"management_system_device_cache_create", "management_system_pkcs12_enrollment",
		"phone_activation_code_regenerated", "phone_associate", "phone_create", "phone_new_sms_passcode",
		"policy_create", "u2ftoken_create", "webauthncredential_create":
		return "RESOURCE_CREATION"
	case "bypass_delete", "hardtoken_delete", "integration_delete",
		"management_system_active_device_cache_delete_devices", "management_system_delete",
		"management_system_delete_devices", "management_system_device_cache_delete",
		"management_system_device_cache_delete_devices", "phone_delete", "phone_disassociate",
		"policy_delete", "u2ftoken_delete", "webauthncredential_delete":
		return "RESOURCE_DELETION"
	case "bypass_view", "integration_skey_bulk_view", "integration_skey_view",
		"management_system_view_password", "management_system_view_token":
		return "RESOURCE_READ"
	case "deregister_devices":
		return "USER_RESOURCE_DELETION"
	case "device_change_enrollment_summary_notification_answered",
		"device_change_enrollment_summary_notification_answered_notify_admin",
		"device_change_enrollment_summary_notification_send", "device_change_notification_answered",
		"device_change_notification_answered_notify_admin", "device_change_notification_send":
		return "USER_COMMUNICATION"
	case "group_create":
		return "GROUP_CREATION"
	case "group_delete":
		return "GROUP_DELETION"
	case "group_update":
		return "GROUP_MODIFICATION"
	case "hardtoken_resync", "hardtoken_update", "integration_update",
		"management_system_active_device_cache_edit_devices", "phone_update", "policy_update",
		"webauthncredential_rename":
		return "RESOURCE_WRITTEN"
	case "integration_group_policy_add", "integration_group_policy_remove":
		return "GROUP_UNCATEGORIZED"
	case "management_system_activate_device_cache":
		return "DEVICE_CONFIG_UPDATE"
	case "user_not_enrolled_lockout", "user_adminapi_lockout", "user_lockout_cleared":
		return "USER_CHANGE_PERMISSIONS"
	}
	return "GENERIC_EVENT"
}

// activityPlatform tries the systems in the guide's order, so "Darwin" is WINDOWS.
// No system is none, which the model reads as UNKNOWN_PLATFORM.
func activityPlatform(r fields, path string) string {
	return platformOf(r.text(path), "win", "WINDOWS", "lin", "LINUX", "mac", "MAC", "ios", "IOS",
		"chrome", "CHROME_OS", "android", "ANDROID", "", "UNKNOWN_PLATFORM")
}
