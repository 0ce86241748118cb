package udm

import "cmp"

// telephony is the table of the guide "Collect Duo Telephony logs".
//
// Where that contradicts itself, this is what is done:
//
//   - It has the summary static, "Duo Telephony", and from type. The static
//     one is what a record without a type gets: were it the other way round,
//     type would never be seen.
//   - It puts a static MECHANISM_UNSPECIFIED into a detection field and names
//     no key for it. That is a value of the list extensions.auth.mechanism,
//     and there it is here.
//   - It takes log_type from the record. Duo sends none: the event has one
//     only where the record does, and SecOps adds that of the feed.
//
// product_log_id is not in the table. It is what the model has for a vendor's
// own id, and by it an event is found again in the bucket.
var telephony = Mapping{
	{"ts", "metadata.event_timestamp", fields.timestamp},
	{"", "metadata.event_type", telephonyType},
	{"Duo", "metadata.vendor_name", static},
	{"Telephony", "metadata.product_name", static},
	{"context", "metadata.product_event_type", fields.text},
	{"telephony_id", "metadata.product_log_id", fields.text},
	{"log_type", "metadata.log_type", fields.text},
	{"host", "principal.hostname", hostname},
	{"phone", "principal.user.userid", fields.text},
	{"phone", "principal.user.phone_numbers", fields.text},
	{"ALLOW", "security_result.action", static},
	{"INFORMATIONAL", "security_result.severity", static},
	{"type", "security_result.summary", func(r fields, name string) string { return cmp.Or(r.text(name), "Duo Telephony") }},
	{"credits", "security_result.detection_fields[]", fields.text},
	{"eventtype", "security_result.detection_fields[]", fields.text},
	{"MECHANISM_UNSPECIFIED", "extensions.auth.mechanism", static},
}

func telephonyType(r fields, _ string) string {
	switch {
	case r.text("host") == "":
		return "GENERIC_EVENT"
	case r.text("context") == "":
		return "STATUS_UPDATE"
	}
	return "USER_UNCATEGORIZED"
}

// hostname leaves out an IP address.
func hostname(r fields, path string) string {
	host := r.text(path)
	return only(host, !isIP(host))
}
