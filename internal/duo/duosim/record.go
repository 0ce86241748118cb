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

// Record is one telephony event.
type Record struct {
	// TS is its time in Duo's index, which selects and orders. Raw may show
	// another one, or none.
	TS time.Time
	// ID is its telephony_id, unless Raw shows another one, or none. It orders
	// the records of a millisecond, and offsets name it.
	ID string
	// VisibleAt holds a late record back; zero is as soon as [Delay] allows.
	VisibleAt time.Time
	// Raw is sent as it is, and must be JSON; nil renders a likely one from
	// TS and ID.
	Raw json.RawMessage
	// Edits are what it is from its second showing on, each once and the last
	// one for ever.
	Edits []json.RawMessage
}

// showing is a record that is edited.
type showing struct {
	ms int64
	id string
}

// show returns the record's JSON for an answer.
func (s *Sim) show(r Record) json.RawMessage {
	if len(r.Edits) == 0 {
		return r.raw()
	}
	key := showing{r.TS.UnixMilli(), r.ID}
	n := s.showings[key]
	s.showings[key]++
	if n == 0 {
		return r.raw()
	}
	return r.Edits[min(n, len(r.Edits))-1]
}

// compare orders records as Duo does: by millisecond, then by id.
func compare(a, b Record) int {
	return cmp.Or(cmp.Compare(a.TS.UnixMilli(), b.TS.UnixMilli()), strings.Compare(a.ID, b.ID))
}

// raw returns the record's first JSON, the same for ever.
func (r Record) raw() json.RawMessage {
	if r.Raw != nil {
		return r.Raw
	}
	h := fnv.New64a()
	h.Write([]byte(r.ID))
	src := rand.NewPCG(h.Sum64(), uint64(r.TS.UnixMicro()))
	random := rand.New(src)
	contexts := []string{"authentication", "authentication", "authentication", "enrollment", "administrator login", "verify"}
	kinds := []string{"phone", "sms"}
	raw, err := json.Marshal(struct {
		Context string `json:"context"`
		Credits int    `json:"credits"`
		Phone   string `json:"phone"`
		ID      string `json:"telephony_id"`
		TS      string `json:"ts"`
		TxID    string `json:"txid"`
		Type    string `json:"type"`
	}{
		Context: contexts[random.IntN(len(contexts))],
		Credits: random.IntN(4),
		// 555-0100 to 555-0199 belong to nobody in any area.
		Phone: fmt.Sprintf("+1%03d55501%02d", 201+random.IntN(780), random.IntN(100)),
		ID:    r.ID,
		TS:    r.TS.UTC().Format("2006-01-02T15:04:05.000000-07:00"),
		TxID:  uuid(src.Uint64(), src.Uint64()),
		Type:  kinds[random.IntN(len(kinds))],
	})
	if err != nil {
		panic(err) // unreachable: strings and an int
	}
	return raw
}

// uuid returns a random UUID (version 4) of 128 bits, of which it sets six.
func uuid(hi, lo uint64) string {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}
