package udm

import "slices"

// activity maps by the tables of the guide "Collect Duo Activity logs":
//
//	record                          event
//	ts                              metadata.event_timestamp, in UTC
//	activity_id                     metadata.product_log_id
//	action.name                     metadata.product_event_type, and metadata.event_type: see activityTypes
//	action.details                  principal.user.attribute.labels, key "action_details"
//	actor.key                       principal.user.userid
//	actor.name                      principal.user.user_display_name
//	actor.type                      principal.user.attribute.labels, key "actor_type"
//	actor.details.created           principal.user.first_seen_time, in UTC
//	actor.details.last_login        principal.user.last_login_time, in UTC
//	actor.details.email             principal.user.email_addresses
//	actor.details.status            principal.user.attribute.labels, key "status"
//	actor.details.group.key         principal.user.attribute.labels, key "actor_details_group_key"
//	actor.details.group.name        principal.user.attribute.labels, key "actor_details_group_name"
//	akey                            principal.asset.product_object_id
//	access_device.browser           principal.asset.attribute.labels, key "access_device_browser"
//	access_device.browser_version   principal.asset.attribute.labels, key "access_device_browser_version"
//	access_device.ip.address        principal.ip
//	access_device.location          principal.location
//	access_device.os                principal.platform: see activityPlatforms
//	access_device.os_version        principal.platform_version
//	application.key                 principal.resource.product_object_id
//	application.name                principal.application
//	application.type                principal.resource.resource_subtype
//	target.key                      target.asset.attribute.labels, key "target_key"
//	target.name                     target.asset.hostname, a user's name, too
//	target.type                     target.asset.category
//	target.details                  target.user.attribute.labels, key "target_details"
//	old_target                      about, as target in target, keys "old_target_key", "old_target_details"
//	outcome.result                  security_result.action_details
//
// Duo sends each details as JSON in a text. Those of actor are read; the others
// stay the text that they are. The tables have no vendor, no product and no log
// type, and so the event has none.
func activity(r fields) Event {
	return Event{
		Metadata: Metadata{
			EventTimestamp:   r.timestamp("ts"),
			EventType:        activityType(r),
			ProductEventType: r.text("action.name"),
			ProductLogID:     r.text("activity_id"),
		},
		Principal:      actor(r),
		Target:         object(r, "target"),
		About:          some(object(r, "old_target")),
		SecurityResult: some(SecurityResult{ActionDetails: r.text("outcome.result")}),
	}
}

func activityType(r fields) string {
	if kind, ok := activityTypes[r.text("action.name")]; ok {
		return kind
	}
	return "GENERIC_EVENT"
}

// actor is who acted, with the device and the application that they used.
func actor(r fields) Noun {
	details := r.embedded("actor.details")
	return Noun{
		IP: r.ip("access_device.ip.address"),
		User: User{
			UserID:          r.text("actor.key"),
			UserDisplayName: r.text("actor.name"),
			EmailAddresses:  some(details.text("email")),
			FirstSeenTime:   details.timestamp("created"),
			LastLoginTime:   details.timestamp("last_login"),
			Attribute: Attribute{slices.Concat(
				r.label("action_details", "action.details"),
				r.label("actor_type", "actor.type"),
				details.labels("status"),
				details.label("actor_details_group_key", "group.key"),
				details.label("actor_details_group_name", "group.name"),
			)},
		},
		Asset: Asset{
			ProductObjectID: r.text("akey"),
			Attribute: Attribute{slices.Concat(
				r.label("access_device_browser", "access_device.browser"),
				r.label("access_device_browser_version", "access_device.browser_version"),
			)},
		},
		Application: r.text("application.name"),
		Resource: Resource{
			ProductObjectID: r.text("application.key"),
			ResourceSubtype: r.text("application.type"),
		},
		Platform:        activityPlatform(r.text("access_device.os")),
		PlatformVersion: r.text("access_device.os_version"),
		Location:        r.location("access_device.location"),
	}
}

// object is what was acted on, as it is or was.
func object(r fields, name string) Noun {
	return Noun{
		User: User{Attribute: Attribute{r.label(name+"_details", name+".details")}},
		Asset: Asset{
			Hostname:  r.text(name + ".name"),
			Category:  r.text(name + ".type"),
			Attribute: Attribute{r.label(name+"_key", name+".key")},
		},
	}
}

// activityPlatforms are tried in the guide's order, so "Darwin" is WINDOWS.
var activityPlatforms = []platform{
	{"win", "WINDOWS"}, {"lin", "LINUX"}, {"mac", "MAC"}, {"ios", "IOS"}, {"chrome", "CHROME_OS"}, {"android", "ANDROID"},
}

func activityPlatform(os string) string {
	if os == "" {
		return "" // which the model reads as UNKNOWN_PLATFORM
	}
	if known := platformOf(os, activityPlatforms); known != "" {
		return known
	}
	return "UNKNOWN_PLATFORM"
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
