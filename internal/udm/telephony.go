package udm

// telephony maps by the table of the guide "Collect Duo Telephony logs":
//
//	record        event
//	context       metadata.product_event_type
//	log_type      metadata.log_type
//	ts            metadata.event_timestamp, in UTC
//	host          principal.hostname, if it is no IP address
//	phone         principal.user.userid and principal.user.phone_numbers
//	type          security_result.summary
//	credits       security_result.detection_fields, key "credits"
//	eventtype     security_result.detection_fields, key "eventtype"
//	telephony_id  metadata.product_log_id
//
// metadata.event_type is USER_UNCATEGORIZED where a record has context and
// host, STATUS_UPDATE where it has only host, else GENERIC_EVENT. What is
// static: vendor_name "Duo", product_name "Telephony", action ALLOW, severity
// INFORMATIONAL.
//
// Where the table contradicts itself, this is what is done:
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
func telephony(r fields) Event {
	return Event{
		Metadata: Metadata{
			EventTimestamp:   r.timestamp("ts"),
			EventType:        telephonyType(r),
			VendorName:       "Duo",
			ProductName:      "Telephony",
			ProductEventType: r.text("context"),
			ProductLogID:     r.text("telephony_id"),
			LogType:          r.text("log_type"),
		},
		Principal: Noun{
			Hostname: hostname(r.text("host")),
			User:     User{UserID: r.text("phone"), PhoneNumbers: some(r.text("phone"))},
		},
		SecurityResult: []SecurityResult{{
			Action:          []string{"ALLOW"},
			Severity:        "INFORMATIONAL",
			Summary:         telephonySummary(r),
			DetectionFields: r.labels("credits", "eventtype"),
		}},
		Extensions: Extensions{Auth{Mechanism: []string{"MECHANISM_UNSPECIFIED"}}},
	}
}

func telephonyType(r fields) string {
	switch {
	case r.text("host") == "":
		return "GENERIC_EVENT"
	case r.text("context") == "":
		return "STATUS_UPDATE"
	}
	return "USER_UNCATEGORIZED"
}

func telephonySummary(r fields) string {
	if kind := r.text("type"); kind != "" {
		return kind
	}
	return "Duo Telephony"
}

func hostname(host string) string {
	if isIP(host) {
		return ""
	}
	return host
}
