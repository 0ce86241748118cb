package duosim

import (
	"encoding/json"
	"math/rand/v2"
)

// telephony writes a record of calls and texts.
func telephony(r Record) []json.RawMessage {
	src := r.source()
	random := rand.New(src)
	return []json.RawMessage{marshal(object{
		"context":      pick(random, "authentication", "authentication", "authentication", "enrollment", "administrator login", "verify"),
		"credits":      random.IntN(4),
		"phone":        phone(random),
		"telephony_id": r.ID,
		"ts":           stamp(r.TS),
		"txid":         uuid(src.Uint64(), src.Uint64()),
		"type":         pick(random, "phone", "sms"),
	})}
}
