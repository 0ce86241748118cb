package duosim

import (
	"encoding/json"
	"slices"
)

// kind is one of Duo's logs: where it is, how it pages, how its records look.
type kind struct {
	name string
	// path is the endpoint's, list the member of "response" with the records.
	path, list string
	// limit is the size of a page where none is asked for, most the greatest one.
	limit, most int
	// counts: an offset is a page's position, in an order that a request can't
	// choose. Otherwise it is the key of the record before, and sort is taken.
	counts bool
	// param takes the offset.
	param string
	// usual are the cursor, offset and total of [Manners] that say nothing else.
	usual Manners
	// id makes the id of a generated record of 128 random bits.
	id func(hi, lo uint64) string
	// write returns a record's showings. They depend on its TS and ID alone.
	write func(Record) []json.RawMessage
}

// kinds are the logs that an account has.
var kinds = []kind{
	v2("telephony", "items", TextOffset, telephony),
	v2("authentication", "authlogs", ListOffset, authentication),
	v2("activity", "items", TextOffset, activity),
	{
		name: "trust-monitor", path: "/admin/v1/trust_monitor/events", list: "events", limit: 50, most: 200,
		counts: true, param: "offset", id: sekey, write: trustMonitor,
		usual: Manners{Cursor: AbsentAtEnd, Offset: TextOffset, Total: NoTotal},
	},
}

// v2 is a log of the API's second version.
func v2(name, list string, offset Offset, write func(Record) []json.RawMessage) kind {
	return kind{
		name: name, path: "/admin/v2/logs/" + name, list: list, limit: 100, most: 1000,
		param: "next_offset", id: uuid, write: write,
		usual: Manners{Cursor: EveryPage, Offset: offset, Total: ExactTotal},
	}
}

// listAt returns the member with the records of a path's log, or of telephony.
func listAt(path string) string {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.path == path })
	return kinds[max(i, 0)].list
}
