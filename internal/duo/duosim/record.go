package duosim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// Record is one event of a log.
type Record struct {
	// TS is its time in Duo's index, which selects and orders. ID is its
	// telephony_id, txid, activity_id or sekey, which orders the records of a
	// millisecond and stands in offsets. Raw may show other ones, or none.
	TS time.Time
	ID string
	// VisibleAt holds a late record back; zero is as soon as [Delay] allows.
	VisibleAt time.Time
	// Raw is sent as it is, and must be JSON; nil renders a likely one from
	// TS and ID and, where the log is one whose records change, likely Edits.
	Raw json.RawMessage
	// Edits are its later showings, each once and the last one for ever.
	Edits []json.RawMessage
}

// show returns the record's JSON for an answer.
func (l *Log) show(r Record) json.RawMessage {
	r = l.written(r)
	if len(r.Edits) == 0 {
		return r.Raw
	}
	n := min(l.showings[r.place()], len(r.Edits))
	l.showings[r.place()]++
	return append([]json.RawMessage{r.Raw}, r.Edits...)[n]
}

// written returns a record with its Raw, and with its Edits if it has any.
func (l *Log) written(r Record) Record {
	if r.Raw != nil {
		return r
	}
	versions := l.write(r)
	r.Raw = versions[0]
	if r.Edits == nil && len(versions) > 1 {
		r.Edits = versions[1:]
	}
	return r
}

// place is the offset behind the record, but for its position.
func (r Record) place() offset { return offset{ms: r.TS.UnixMilli(), id: r.ID} }

// compare orders records as Duo does: by millisecond, then by id.
func compare(a, b Record) int {
	return cmp.Or(cmp.Compare(a.TS.UnixMilli(), b.TS.UnixMilli()), strings.Compare(a.ID, b.ID))
}

// uuid returns a random UUID (version 4) of 128 bits, of which it sets six.
func uuid(hi, lo uint64) string {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// sekey returns the id of a trust monitor event.
func sekey(hi, lo uint64) string { return key("SE", rand.New(rand.NewPCG(hi, lo))) }

// key returns a random key like Duo's: 20 letters and digits, two of them a prefix.
func key(prefix string, random *rand.Rand) string {
	const signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	k := []byte(prefix)
	for len(k) < 20 {
		k = append(k, signs[random.IntN(len(signs))])
	}
	return string(k)
}

// source returns the random numbers that a record is made of, the same for ever.
func (r Record) source() *rand.PCG {
	h := fnv.New64a()
	h.Write([]byte(r.ID))
	return rand.NewPCG(h.Sum64(), uint64(r.TS.UnixMicro()))
}

// stamp writes a time as Duo does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000-07:00") }

func marshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: strings, numbers and what is made of them
	}
	return raw
}
