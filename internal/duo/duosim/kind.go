package duosim

import (
	"encoding/json"
	"slices"
)

// kind is what one of Duo's logs is like: where it is, how it pages, and what
// its records look like.
type kind struct {
	name string
	// path is the endpoint's, list the member of "response" with the records.
	path, list string
	// limit is the page's size where a request asks for none, most the greatest
	// one that is given.
	limit, most int
	// counts: an offset is the position of a page, in an order that a request
	// cannot choose. Otherwise it is the key of a record, behind which a page
	// begins, and sort is taken.
	counts bool
	// param takes the offset.
	param string
	// usual is what [Manners] that say nothing else stand for.
	usual usual
	// id makes the id of a generated record of 128 random bits.
	id func(hi, lo uint64) string
	// write returns what a record is shown as, one showing after the other. It
	// depends on the record's TS and ID alone.
	write func(Record) []json.RawMessage
}

type usual struct {
	cursor Cursor
	offset Offset
	total  Total
}

// kinds are the logs that an account has.
var kinds = []kind{
	{
		name: "telephony", path: "/admin/v2/logs/telephony", list: "items", limit: 100, most: 1000,
		param: "next_offset", usual: usual{EveryPage, TextOffset, ExactTotal},
		id: uuid, write: telephony,
	},
	{
		name: "authentication", path: "/admin/v2/logs/authentication", list: "authlogs", limit: 100, most: 1000,
		param: "next_offset", usual: usual{EveryPage, ListOffset, ExactTotal},
		id: uuid, write: authentication,
	},
	{
		name: "activity", path: "/admin/v2/logs/activity", list: "items", limit: 100, most: 1000,
		param: "next_offset", usual: usual{EveryPage, TextOffset, ExactTotal},
		id: uuid, write: activity,
	},
	{
		name: "trust-monitor", path: "/admin/v1/trust_monitor/events", list: "events", limit: 50, most: 200,
		param: "offset", usual: usual{AbsentAtEnd, TextOffset, NoTotal}, counts: true,
		id: sekey, write: trustMonitor,
	},
}

// listAt returns the member with the records in answers of a path; for a path
// that leads to no log it is telephony's.
func listAt(path string) string {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.path == path })
	return kinds[max(i, 0)].list
}
