// Package udm turns a record of one of Duo's logs into the event that Google
// SecOps makes of it, by the mapping tables of Google's guides. Events are JSON
// with the names of the Unified Data Model, snake_case, as SecOps' event APIs
// take them. Each log has a file with its table and, where the table contradicts
// itself or says too little, with what is done.
//
// A field that is null, empty or a list or an object where a text is wanted
// counts as missing; a number or a boolean counts as its text. A time or an
// address that can't be read is left out, and so is a value for which the guide
// has no translation: an event holds nothing that is guessed.
package udm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ErrNoObject means that a line is no JSON object. It never holds the line.
var ErrNoObject = errors.New("is no JSON object")

// Mapping makes a log's events.
type Mapping func(fields) Event

// Mappings are those of the logs that SecOps has a parser for, by the log's name.
var Mappings = map[string]Mapping{
	"telephony":      telephony,
	"authentication": authentication,
	"activity":       activity,
}

// Convert returns the event of one record, a JSON object. Keys are matched
// exactly; of a key that comes twice the last one counts.
func (m Mapping) Convert(record []byte) (Event, error) {
	r := parse(record)
	if r == nil {
		return Event{}, ErrNoObject
	}
	return m(r), nil
}

// Event is a UDM event, as far as the mappings fill it.
type Event struct {
	Metadata       Metadata          `json:"metadata"`
	Principal      Noun              `json:"principal,omitzero"` // who acted
	Target         Noun              `json:"target,omitzero"`    // on whom or what
	About          []Noun            `json:"about,omitempty"`    // whom or what else it concerns
	Network        Network           `json:"network,omitzero"`
	SecurityResult []SecurityResult  `json:"security_result,omitempty"`
	Extensions     Extensions        `json:"extensions,omitzero"`
	Additional     map[string]string `json:"additional,omitempty"` // the guides' additional.fields
}

// Metadata says what kind of event it is, when it was and where it is from.
type Metadata struct {
	EventTimestamp   string `json:"event_timestamp,omitempty"` // RFC 3339, UTC
	EventType        string `json:"event_type"`
	VendorName       string `json:"vendor_name,omitempty"`
	ProductName      string `json:"product_name,omitempty"`
	ProductEventType string `json:"product_event_type,omitempty"`
	ProductLogID     string `json:"product_log_id,omitempty"`
	LogType          string `json:"log_type,omitempty"`
}

// Noun is a participant of an event. The model has no empty ones.
type Noun struct {
	Hostname        string   `json:"hostname,omitempty"`
	IP              []string `json:"ip,omitempty"`
	User            User     `json:"user,omitzero"`
	Asset           Asset    `json:"asset,omitzero"`
	Application     string   `json:"application,omitempty"`
	Resource        Resource `json:"resource,omitzero"`
	Platform        string   `json:"platform,omitempty"`
	PlatformVersion string   `json:"platform_version,omitempty"`
	Location        Location `json:"location,omitzero"`
}

// User is a person, or a program that acts as one.
type User struct {
	UserID           string    `json:"userid,omitempty"`
	UserDisplayName  string    `json:"user_display_name,omitempty"`
	ProductObjectID  string    `json:"product_object_id,omitempty"`
	EmailAddresses   []string  `json:"email_addresses,omitempty"`
	PhoneNumbers     []string  `json:"phone_numbers,omitempty"`
	GroupIdentifiers []string  `json:"group_identifiers,omitempty"`
	FirstSeenTime    string    `json:"first_seen_time,omitempty"` // RFC 3339, UTC
	LastLoginTime    string    `json:"last_login_time,omitempty"` // RFC 3339, UTC
	Attribute        Attribute `json:"attribute,omitzero"`
}

// Asset is a device, or what a guide takes for one.
type Asset struct {
	ProductObjectID string    `json:"product_object_id,omitempty"`
	Hostname        string    `json:"hostname,omitempty"`
	Category        string    `json:"category,omitempty"`
	Attribute       Attribute `json:"attribute,omitzero"`
}

// Resource is what is accessed, or accessed with.
type Resource struct {
	ID              string    `json:"id,omitempty"`
	ProductObjectID string    `json:"product_object_id,omitempty"`
	ResourceSubtype string    `json:"resource_subtype,omitempty"`
	Attribute       Attribute `json:"attribute,omitzero"`
}

// Attribute holds what the model has no field for.
type Attribute struct {
	Labels []Label `json:"labels,omitempty"`
}

// Label is a key and its value.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Location is where a participant was.
type Location struct {
	City            string `json:"city,omitempty"`
	State           string `json:"state,omitempty"`
	CountryOrRegion string `json:"country_or_region,omitempty"`
}

// Network names the session that the event belongs to.
type Network struct {
	SessionID string `json:"session_id,omitempty"`
}

// SecurityResult is the verdict.
type SecurityResult struct {
	Action          []string `json:"action,omitempty"`
	ActionDetails   string   `json:"action_details,omitempty"`
	Severity        string   `json:"severity,omitempty"`
	Summary         string   `json:"summary,omitempty"`
	DetectionFields []Label  `json:"detection_fields,omitempty"`
}

// Extensions hold what the model has for authentications alone.
type Extensions struct {
	Auth Auth `json:"auth,omitzero"`
}

// Auth is how somebody proved who they are.
type Auth struct {
	Type        string   `json:"type,omitempty"`
	Mechanism   []string `json:"mechanism,omitempty"`
	AuthDetails string   `json:"auth_details,omitempty"`
}

// fields are those of a JSON object. The methods take a path, names with dots
// between them.
type fields map[string]any

// parse returns nil where data is not one JSON object. Numbers keep their
// spelling, however large they are.
func parse(data []byte) fields {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var r fields
	if d.Decode(&r) != nil {
		return nil
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil // more follows
	}
	return r
}

func (r fields) at(path string) any {
	var value any = map[string]any(r)
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// text returns "" where the field counts as missing.
func (r fields) text(path string) string { return text(r.at(path)) }

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// texts returns those elements of a list that are texts and not empty.
func (r fields) texts(path string) []string {
	list, _ := r.at(path).([]any)
	var found []string
	for _, element := range list {
		found = append(found, some(text(element))...)
	}
	return found
}

// embedded returns the JSON object that a text holds, nil if it holds none.
func (r fields) embedded(path string) fields { return parse([]byte(r.text(path))) }

// timestamp returns an RFC 3339 text in UTC.
func (r fields) timestamp(path string) string {
	t, err := time.Parse(time.RFC3339Nano, r.text(path))
	if err != nil {
		return ""
	}
	return utc(t)
}

// seconds returns the time of a whole number of seconds since 1970, in UTC.
func (r fields) seconds(path string) string {
	n, err := strconv.ParseInt(r.text(path), 10, 64)
	if err != nil {
		return ""
	}
	return utc(time.Unix(n, 0))
}

// utc returns "" outside of the years 1 to 9999: the model has no others.
func utc(t time.Time) string {
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// ip returns an address, of whichever version.
func (r fields) ip(path string) []string {
	if address := r.text(path); isIP(address) {
		return []string{address}
	}
	return nil
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// location returns that of an object with city, state and country.
func (r fields) location(path string) Location {
	return Location{
		City:            r.text(path + ".city"),
		State:           r.text(path + ".state"),
		CountryOrRegion: r.text(path + ".country"),
	}
}

// label returns no label where there is no text.
func (r fields) label(key, path string) []Label {
	if value := r.text(path); value != "" {
		return []Label{{key, value}}
	}
	return nil
}

// labels returns a label for each path that has a text. Its key is the path.
func (r fields) labels(paths ...string) []Label {
	var labels []Label
	for _, path := range paths {
		labels = append(labels, r.label(path, path)...)
	}
	return labels
}

// platform is a system in the model, and a part of Duo's names for it, in lower
// case.
type platform struct{ part, value string }

// platformOf returns the first platform that fits, "" if none does.
func platformOf(os string, platforms []platform) string {
	for _, p := range platforms {
		if strings.Contains(strings.ToLower(os), p.part) {
			return p.value
		}
	}
	return ""
}

// some returns a list with the value, none where it is the zero value.
func some[T any](value T) []T {
	if reflect.ValueOf(value).IsZero() {
		return nil
	}
	return []T{value}
}
