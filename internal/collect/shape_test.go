package collect_test

import (
	"crypto/md5"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// shape is what one of Duo's logs is like. It is written down here once more,
// and not taken from duo.Logs, so that a fault in that table shows.
type shape struct {
	name     string
	id, time string // members of a record
	millis   bool   // the time is a number of milliseconds, and no text
	keys     bool   // ids are keys like SEA1S2D3F4G5H6J7K8L9, and no UUIDs
	page     int    // most records in a page
	adds     string // the "eventtype" that a record gets, with a "host"; "" is neither
	twins    bool   // two records may have one id and one time: their bytes tell
	shifts   bool   // an offset is a position, which moves when records come in
}

var shapes = []shape{
	{name: "telephony", id: "telephony_id", time: "ts", page: 1000, adds: "telephony"},
	{name: "authentication", id: "txid", time: "isotimestamp", page: 1000, twins: true},
	{name: "activity", id: "activity_id", time: "ts", page: 1000},
	{name: "trust-monitor", id: "sekey", time: "surfaced_timestamp", millis: true, keys: true, page: 200, shifts: true},
}

// shapeOf fails where a log is new: its tests begin with a line in shapes.
func shapeOf(t *testing.T, log duo.Log) shape {
	t.Helper()
	i := slices.IndexFunc(shapes, func(s shape) bool { return s.name == log.Name })
	if i < 0 {
		t.Fatalf("the tests do not know what the log %s is like", log.Name)
	}
	return shapes[i]
}

// spread returns n records from t on, step apart, with ids in random order.
func (s shape) spread(n int, t time.Time, step time.Duration) []duosim.Record {
	var out []duosim.Record
	for i := range n {
		out = append(out, s.plain(s.newID(i, t), t.Add(time.Duration(i)*step)))
	}
	return out
}

// plain is a record with no more than id and time, which is cheap to check.
func (s shape) plain(id string, at time.Time) duosim.Record {
	raw := fmt.Sprintf(`{%q:%q,%q:%s}`, s.id, id, s.time, s.stamp(at))
	return duosim.Record{TS: at, ID: id, Raw: json.RawMessage(raw)}
}

// shown is a record that shows this time and this id, each a JSON value or
// nothing at all, and a number that makes it another one than any other.
func (s shape) shown(index time.Time, id, ts string, n int) duosim.Record {
	raw := fmt.Sprintf(`{"n":%d`, n)
	if id != "" {
		raw += `,"` + s.id + `":` + id
	}
	if ts != "" {
		raw += `,"` + s.time + `":` + ts
	}
	return duosim.Record{TS: index, ID: uuid(n, index), Raw: json.RawMessage(raw + "}")}
}

// lively gives every tenth of plain records another version with the same id and
// time: where the log has twins a record of its own, else what it is later on.
func (s shape) lively(records []duosim.Record) []duosim.Record {
	out := slices.Clone(records)
	for i := 0; i < len(records); i += 10 {
		r := records[i]
		other := json.RawMessage(strings.TrimSuffix(string(r.Raw), "}") + `,"state":"processed"}`)
		if s.twins {
			out = append(out, duosim.Record{TS: r.TS, ID: uuid(i, r.TS), Raw: other})
		} else {
			out[i].Edits = []json.RawMessage{other}
		}
	}
	return out
}

// newID is the same for the same arguments.
func (s shape) newID(i int, t time.Time) string {
	if !s.keys {
		return uuid(i, t)
	}
	h := md5.Sum(fmt.Append(nil, i, t.UnixMicro()))
	return "SE" + base32.StdEncoding.EncodeToString(h[:])[:18]
}

// uuid is the same for the same arguments.
func uuid(i int, t time.Time) string {
	h := md5.Sum(fmt.Append(nil, i, t.UnixMicro()))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:])
}

// stamp writes a time as Duo does in this log, as a JSON value.
func (s shape) stamp(t time.Time) string {
	if s.millis {
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.UTC().Format(`"2006-01-02T15:04:05.000000+00:00"`)
}

// strangeIDs say nothing about whose they are.
var strangeIDs = []string{
	``, `null`, `""`, `" "`, `"N/A"`, `"unknown"`, `0`, `17`, `1.5`, `false`, `true`, `{}`, `["a"]`, `{"id":"1"}`,
	`"00000000-0000-0000-0000-000000000000"`, `"0"`,
}

// strangeTimes are what a record may show as its time, which Duo's index knows
// better.
func (s shape) strangeTimes(at time.Time) []string {
	return []string{
		``, `null`, `""`, `"soon"`, `0`, `-1`, `1.5`, `1e400`, `{}`, `"0001-01-01T00:00:00.000000+00:00"`, `"9999-12-31T23:59:59.999999+00:00"`,
		fmt.Sprint(at.UnixMilli()), fmt.Sprint(at.Unix()), fmt.Sprint(at.UnixMicro()), `-9e14`, fmt.Sprintf(`"%d"`, at.UnixMilli()), fmt.Sprintf("%d.0", at.UnixMilli()),
		s.stamp(at.Add(-48 * time.Hour)), s.stamp(at.Add(30 * 24 * time.Hour)), at.UTC().Format(`"2006-01-02T15:04:05.000000+09:00"`),
		at.UTC().Format(`"2006-01-02T15:04:05.000000-07:00"`), at.UTC().Format(`"2006-01-02T15:04:05"`), at.UTC().Format(`"2006-01-02 15:04:05 MST"`),
	}
}

// written is a record as it must be in the bucket: compact, with what is added.
func (s shape) written(compact string) string {
	if s.adds == "" || compact[0] != '{' {
		return compact
	}
	line := strings.TrimSuffix(compact, "}")
	if !strings.Contains(line, `"eventtype"`) {
		line += `,"eventtype":"` + s.adds + `"`
	}
	if !strings.Contains(line, `"host"`) {
		line += `,"host":"` + host + `"`
	}
	return strings.Replace(line, "{,", "{", 1) + "}"
}
