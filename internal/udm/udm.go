// Package udm turns a telephony record into the event that Google SecOps makes
// of it, by the mapping table of Google's guide "Collect Duo Telephony logs".
// Events are JSON with the names of the Unified Data Model, snake_case, as
// SecOps' event APIs take them.
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
//
// A field that is null, empty or a list or an object counts as missing; a
// number or a boolean counts as its text. A time that can't be read gives no
// event_timestamp.
package udm

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"
)

// ErrNoObject means that a line is no JSON object. It never holds the line.
var ErrNoObject = errors.New("is no JSON object")

// Event is a UDM event, as far as the mapping fills it.
type Event struct {
	Metadata       Metadata         `json:"metadata"`
	Principal      *Principal       `json:"principal,omitempty"`
	SecurityResult []SecurityResult `json:"security_result"`
	Extensions     Extensions       `json:"extensions"`
}

// Metadata says what kind of event it is, when it was and where it is from.
type Metadata struct {
	EventTimestamp   string `json:"event_timestamp,omitempty"` // RFC 3339, UTC
	EventType        string `json:"event_type"`
	VendorName       string `json:"vendor_name"`
	ProductName      string `json:"product_name"`
	ProductEventType string `json:"product_event_type,omitempty"`
	ProductLogID     string `json:"product_log_id,omitempty"`
	LogType          string `json:"log_type,omitempty"`
}

// Principal is who acted: Duo's host, and the user by phone number.
type Principal struct {
	Hostname string `json:"hostname,omitempty"`
	User     *User  `json:"user,omitempty"`
}

// User is the person that was called or texted.
type User struct {
	UserID       string   `json:"userid"`
	PhoneNumbers []string `json:"phone_numbers"`
}

// SecurityResult is the verdict.
type SecurityResult struct {
	Action          []string `json:"action"`
	Severity        string   `json:"severity"`
	Summary         string   `json:"summary"`
	DetectionFields []Label  `json:"detection_fields,omitempty"`
}

// Label is a key and its value.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Extensions hold what the model has for authentications alone.
type Extensions struct {
	Auth Auth `json:"auth"`
}

// Auth is how somebody proved who they are.
type Auth struct {
	Mechanism []string `json:"mechanism"`
}

// Convert returns the event of one record, a JSON object. Keys are matched
// exactly; of a key that comes twice the last one counts.
func Convert(record []byte) (Event, error) {
	var r fields
	if json.Unmarshal(record, &r) != nil || r == nil {
		return Event{}, ErrNoObject
	}
	return Event{
		Metadata: Metadata{
			EventTimestamp:   r.timestamp(),
			EventType:        r.eventType(),
			VendorName:       "Duo",
			ProductName:      "Telephony",
			ProductEventType: r.text("context"),
			ProductLogID:     r.text("telephony_id"),
			LogType:          r.text("log_type"),
		},
		Principal: r.principal(),
		SecurityResult: []SecurityResult{{
			Action:          []string{"ALLOW"},
			Severity:        "INFORMATIONAL",
			Summary:         r.summary(),
			DetectionFields: r.labels("credits", "eventtype"),
		}},
		Extensions: Extensions{Auth{Mechanism: []string{"MECHANISM_UNSPECIFIED"}}},
	}, nil
}

// fields are a record's top-level fields.
type fields map[string]json.RawMessage

// text returns a field's text, "" where it counts as missing. A number keeps
// its spelling, however large it is.
func (r fields) text(key string) string {
	raw := r[key]
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case 'n', '{', '[':
		return ""
	case '"':
		var s string
		_ = json.Unmarshal(raw, &s) // it is a string, and was parsed once
		return s
	}
	return string(raw)
}

func (r fields) eventType() string {
	switch {
	case r.text("host") == "":
		return "GENERIC_EVENT"
	case r.text("context") == "":
		return "STATUS_UPDATE"
	}
	return "USER_UNCATEGORIZED"
}

// timestamp returns ts in UTC. The model has the years 1 to 9999.
func (r fields) timestamp() string {
	t, err := time.Parse(time.RFC3339Nano, r.text("ts"))
	if year := t.UTC().Year(); err != nil || year < 1 || year > 9999 {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func (r fields) summary() string {
	if kind := r.text("type"); kind != "" {
		return kind
	}
	return "Duo Telephony"
}

// principal returns nil where nothing is known: the model has no empty nouns.
func (r fields) principal() *Principal {
	var p Principal
	if host := r.text("host"); !isIP(host) {
		p.Hostname = host
	}
	if phone := r.text("phone"); phone != "" {
		p.User = &User{UserID: phone, PhoneNumbers: []string{phone}}
	}
	if p == (Principal{}) {
		return nil
	}
	return &p
}

func (r fields) labels(keys ...string) []Label {
	var labels []Label
	for _, key := range keys {
		if value := r.text(key); value != "" {
			labels = append(labels, Label{key, value})
		}
	}
	return labels
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
