package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/maphash"
	"strings"
	"time"
)

// record is what a line says of itself. A line is a record as Duo sent it,
// compact, or as an object holds it.
type record struct {
	key key
	at  int64  // its time in milliseconds since 1970, 0 where it has no readable one
	id  string // as it is shown; "" where key has it, or where there is none
}

// key is what makes two records the same one. Where the id says something, that
// is the id and the time, both as they are written. Else it is all bytes, but for
// those that a run appends.
type key struct {
	id [16]byte // of a UUID its bytes, else a hash
	ts uint64   // hash of the time; 0 where the bytes count
}

// parse reads a line. What is no JSON object has neither id nor time.
func (a *auditor) parse(line []byte) record {
	var fields map[string]json.RawMessage // of a key that comes twice the last one counts
	if json.Unmarshal(line, &fields) != nil {
		fields = nil
	}
	id, ts := fields["telephony_id"], fields["ts"]
	r := record{at: millis(ts), id: shown(id)}
	if !says(id) {
		r.key.id = sum("line", a.bare(line))
		return r
	}
	r.key.ts = maphash.Bytes(a.seed, ts) | 1 // never 0
	if uuid, ok := readUUID(id); ok {
		r.key.id, r.id = uuid, ""
		return r
	}
	r.key.id = sum("id", id)
	return r
}

// says reports whether an id tells its record from others: it is a string, and
// more than a blank, a dash, "N/A" or zeros.
func says(id []byte) bool {
	var s string
	return json.Unmarshal(id, &s) == nil && strings.ContainsAny(s, "123456789")
}

// shown is an id as people read it: a string without its quotes, or a number.
// What holds more than that may hold anything.
func shown(id []byte) string {
	var s string
	if json.Unmarshal(id, &s) == nil || len(id) == 0 || id[0] == '{' || id[0] == '[' {
		return s
	}
	return string(id)
}

// name is the id of a record as people read it.
func (r record) name() string {
	if r.id != "" || r.key.ts == 0 {
		return r.id
	}
	return writeUUID(r.key.id)
}

// millis reads a JSON string with RFC 3339 in it.
func millis(ts []byte) int64 {
	var s string
	if json.Unmarshal(ts, &s) != nil {
		return 0
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

func sum(kind string, b []byte) [16]byte {
	all := sha256.Sum256(append([]byte(kind+"\x00"), b...))
	return [16]byte(all[:16])
}

// readUUID reads a UUID in the one way in which writeUUID writes it, in quotes.
func readUUID(id []byte) (uuid [16]byte, ok bool) {
	if len(id) != 38 {
		return uuid, false
	}
	s := string(id[1:37])
	_, err := hex.Decode(uuid[:], []byte(strings.ReplaceAll(s, "-", "")))
	return uuid, err == nil && writeUUID(uuid) == s
}

func writeUUID(uuid [16]byte) string {
	s := hex.EncodeToString(uuid[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// bare returns a line without what a run appends where ENRICH is set.
func (a *auditor) bare(line []byte) []byte {
	for _, member := range a.appended {
		line, _ = without(line, member)
	}
	return line
}

// holds reports whether a line of an object is what Duo sent, with or without
// what a run appends.
func (a *auditor) holds(line []byte, sent uint64) bool {
	if a.sum(line) == sent {
		return true
	}
	for _, member := range a.appended {
		var cut bool
		if line, cut = without(line, member); cut && a.sum(line) == sent {
			return true
		}
	}
	return false
}

// without returns a line without its last member, if that is the one.
func without(line []byte, member string) ([]byte, bool) {
	end := len(line) - len(member) - 1
	if end < 1 || line[len(line)-1] != '}' || !bytes.EqualFold(line[end:len(line)-1], []byte(member)) {
		return line, false
	}
	switch line[end-1] {
	case ',':
		end--
	case '{':
	default:
		return line, false
	}
	return append(line[:end:end], '}'), true
}

func (a *auditor) sum(line []byte) uint64 { return maphash.Bytes(a.seed, line) }
