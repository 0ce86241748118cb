package duo

import (
	"slices"
	"time"
)

// Log is one of Duo's logs: where it is, how it pages, and which members of its
// records matter. Code that reads a log goes by its row and never by its name.
type Log struct {
	Name string // in settings, streams, folders and object names

	// Path is the endpoint's, List the member of "response" with the records.
	Path, List string
	// Limit is the most records that a page can be asked for, Few the least
	// that Duo is known to page by where it ignores the limit.
	Limit, Few int
	// Ordered: the endpoint sorts by time if it is asked to. Else the order is
	// unknown, and an offset may be a position that moves when records come in.
	Ordered     bool
	OffsetParam string // takes the next page's offset
	// Edition says which accounts have the log, as a sentence's end; "" if all paid ones.
	Edition string

	// Time is the member with a record's time: a whole number of TimeUnit since
	// 1970 or, where that is 0, RFC 3339 text.
	Time     string
	TimeUnit time.Duration
	// ID is the member with a record's id. Unique: records with one id and one
	// time are one record. Otherwise all of their bytes have to agree.
	ID     string
	Unique bool
	// Mutable: Duo may show a later version of a record. The first one counts.
	Mutable bool

	// Phone is the member with a phone number, a dot before each that lies in another
	// one; empty where there is none. Where Device is set, Phone is a device's name,
	// which may have a number in it, and Device the member beside it with its key.
	Phone, Device string

	// EventType is the "eventtype" that SecOps' parser reads and Duo does not
	// send. It is added together with "host"; empty where neither is. A log
	// that gets one later keeps its records' identities.
	EventType string
	Label     string // SecOps' log type
	// Native: SecOps has a feed of its own that asks Duo's API for it. Beside this
	// service it takes every record in a second time.
	Native  bool
	Kept    time.Duration // how long Duo shows a record
	Overlap time.Duration // how far a window reaches back for late records by default
}

// Logs are the logs that can be collected. Each costs a row here, and a mapping
// in package udm if SecOps has a parser.
//
// Sources: Duo's API documentation and clients, SecOps' parser pages; docs/logs.md
// has them row by row. The v1 logs administrator and offline enrollment are no
// rows: Duo announced their end for 2026-09-30, and activity contains them.
var Logs = []Log{
	{
		Name: "telephony", Path: "/admin/v2/logs/telephony", List: "items",
		Limit: 1000, Few: 100, Ordered: true, OffsetParam: "next_offset",
		Time: "ts", ID: "telephony_id", Unique: true, Phone: "phone",
		EventType: "telephony", Label: "DUO_TELEPHONY", Kept: 180 * day, Overlap: 10 * time.Minute,
	},
	{
		// An offline login is logged when its computer is online again. Nobody
		// says that txid is unique. SecOps' parser would take "host" for the
		// computer that was logged in to.
		Name: "authentication", Path: "/admin/v2/logs/authentication", List: "authlogs",
		Limit: 1000, Few: 100, Ordered: true, OffsetParam: "next_offset",
		Time: "isotimestamp", ID: "txid", Phone: "auth_device.name", Device: "key",
		Label: "DUO_AUTH", Native: true, Kept: 180 * day, Overlap: 3 * time.Hour,
	},
	{
		Name: "activity", Path: "/admin/v2/logs/activity", List: "items",
		Limit: 1000, Few: 100, Ordered: true, OffsetParam: "next_offset",
		Edition: "some plans have it on request only",
		Time:    "ts", ID: "activity_id", Unique: true,
		Label: "DUO_ACTIVITY", Kept: 180 * day, Overlap: time.Hour,
	},
	{
		// Events are few and surface long after what they are about. Their
		// state changes while somebody works on them. Duo's documents name
		// several limits; this is what its own clients ask for.
		Name: "trust-monitor", Path: "/admin/v1/trust_monitor/events", List: "events",
		Limit: 200, Few: 50, OffsetParam: "offset",
		Edition: "it is a part of Duo Advantage and Duo Premier",
		Time:    "surfaced_timestamp", TimeUnit: time.Millisecond, ID: "sekey", Unique: true, Mutable: true,
		Label: "DUO_TRUST_MONITOR", Kept: 180 * day, Overlap: 24 * time.Hour,
	},
}

const day = 24 * time.Hour

// LogNamed returns the log of that name.
func LogNamed(name string) (Log, bool) {
	i := slices.IndexFunc(Logs, func(l Log) bool { return l.Name == name })
	if i < 0 {
		return Log{}, false
	}
	return Logs[i], true
}
