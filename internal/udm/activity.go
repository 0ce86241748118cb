package udm

import "cmp"

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

func activityType(r fields, action string) string {
	return cmp.Or(activityTypes[r.text(action)], "GENERIC_EVENT")
}

// activityPlatform tries the systems in the guide's order, so "Darwin" is WINDOWS.
// No system is none, which the model reads as UNKNOWN_PLATFORM.
func activityPlatform(r fields, path string) string {
	os := r.text(path)
	if os == "" {
		return ""
	}
	return cmp.Or(platformOf(os, []platform{
		{"win", "WINDOWS"}, {"lin", "LINUX"}, {"mac", "MAC"}, {"ios", "IOS"}, {"chrome", "CHROME_OS"}, {"android", "ANDROID"},
	}), "UNKNOWN_PLATFORM")
}

// activityTypes are the event types of the actions that the guide lists, in its
// order and spelling. Every other action is a GENERIC_EVENT, also those for users,
// administrators, directory sync and offline access.
var activityTypes = map[string]string{
	"admin_activate_duo_push":         "DEVICE_PROGRAM_DOWNLOAD",
	"admin_factor_restrictions":       "RESOURCE_PERMISSIONS_CHANGE",
	"admin_login":                     "USER_UNCATEGORIZED",
	"admin_rectivates_duo_push":       "DEVICE_PROGRAM_DOWNLOAD",
	"admin_reset_password":            "USER_CHANGE_PASSWORD",
	"admin_send_reset_password_email": "EMAIL_TRANSACTION",
	"bypass_create":                   "RESOURCE_CREATION",
	"bypass_delete":                   "RESOURCE_DELETION",
	"bypass_view":                     "RESOURCE_READ",
	"deregister_devices":              "USER_RESOURCE_DELETION",
	"device_change_enrollment_summary_notification_answered":              "USER_COMMUNICATION",
	"device_change_enrollment_summary_notification_answered_notify_admin": "USER_COMMUNICATION",
	"device_change_enrollment_summary_notification_send":                  "USER_COMMUNICATION",
	"device_change_notification_answered":                                 "USER_COMMUNICATION",
	"device_change_notification_answered_notify_admin":                    "USER_COMMUNICATION",
	"device_change_notification_create":                                   "RESOURCE_CREATION",
	"device_change_notification_send":                                     "USER_COMMUNICATION",
	"group_create":                                                        "GROUP_CREATION",
	"group_delete":                                                        "GROUP_DELETION",
	"group_update":                                                        "GROUP_MODIFICATION",
	"hardtoken_create":                                                    "RESOURCE_CREATION",
	"hardtoken_delete":                                                    "RESOURCE_DELETION",
	"hardtoken_resync":                                                    "RESOURCE_WRITTEN",
	"hardtoken_update":                                                    "RESOURCE_WRITTEN",
	"integration_create":                                                  "RESOURCE_CREATION",
	"integration_delete":                                                  "RESOURCE_DELETION",
	"integration_group_policy_add":                                        "GROUP_UNCATEGORIZED",
	"integration_group_policy_remove":                                     "GROUP_UNCATEGORIZED",
	"integration_policy_assign":                                           "USER_UNCATEGORIZED",
	"integration_policy_unassign":                                         "USER_UNCATEGORIZED",
	"integration_skey_bulk_view":                                          "RESOURCE_READ",
	"integration_skey_view":                                               "RESOURCE_READ",
	"integration_update":                                                  "RESOURCE_WRITTEN",
	"log_export_start":                                                    "USER_UNCATEGORIZED",
	"log_export_complete":                                                 "USER_UNCATEGORIZED",
	"log_export_failure":                                                  "USER_UNCATEGORIZED",
	"management_system_activate_device_cache":                             "DEVICE_CONFIG_UPDATE",
	"management_system_active_device_cache_add_devices":                   "RESOURCE_CREATION",
	"management_system_active_device_cache_delete_devices":                "RESOURCE_DELETION",
	"management_system_active_device_cache_edit_devices":                  "RESOURCE_WRITTEN",
	"management_system_add_devices":                                       "RESOURCE_CREATION",
	"management_system_create":                                            "RESOURCE_CREATION",
	"management_system_delete":                                            "RESOURCE_DELETION",
	"management_system_delete_devices":                                    "RESOURCE_DELETION",
	"management_system_device_cache_add_devices":                          "RESOURCE_CREATION",
	"management_system_device_cache_create":                               "RESOURCE_CREATION",
	"management_system_device_cache_delete":                               "RESOURCE_DELETION",
	"management_system_device_cache_delete_devices":                       "RESOURCE_DELETION",
	"management_system_download_device_api_script":                        "DEVICE_PROGRAM_DOWNLOAD",
	"management_system_pkcs12_enrollment":                                 "RESOURCE_CREATION",
	"management_system_sync_failure":                                      "USER_UNCATEGORIZED",
	"management_system_sync_success":                                      "USER_UNCATEGORIZED",
	"management_system_update":                                            "USER_UNCATEGORIZED",
	"management_system_view_password":                                     "RESOURCE_READ",
	"management_system_view_token":                                        "RESOURCE_READ",
	"phone_activation_code_regenerated":                                   "RESOURCE_CREATION",
	"phone_associate":                                                     "RESOURCE_CREATION",
	"phone_create":                                                        "RESOURCE_CREATION",
	"phone_delete":                                                        "RESOURCE_DELETION",
	"phone_disassociate":                                                  "RESOURCE_DELETION",
	"phone_new_sms_passcode":                                              "RESOURCE_CREATION",
	"phone_update":                                                        "RESOURCE_WRITTEN",
	"policy_create":                                                       "RESOURCE_CREATION",
	"policy_delete":                                                       "RESOURCE_DELETION",
	"policy_update":                                                       "RESOURCE_WRITTEN",
	"u2ftoken_create":                                                     "RESOURCE_CREATION",
	"u2ftoken_delete":                                                     "RESOURCE_DELETION",
	"user_not_enrolled_lockout":                                           "USER_CHANGE_PERMISSIONS",
	"user_adminapi_lockout":                                               "USER_CHANGE_PERMISSIONS",
	"user_lockout_cleared":                                                "USER_CHANGE_PERMISSIONS",
	"webauthncredential_create":                                           "RESOURCE_CREATION",
	"webauthncredential_delete":                                           "RESOURCE_DELETION",
	"webauthncredential_rename":                                           "RESOURCE_WRITTEN",
}
