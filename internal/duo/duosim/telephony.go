package duosim

import (
	"encoding/json"
	"math/rand/v2"
)

// telephony writes a record of calls and texts.
func telephony(r Record) []json.RawMessage {
	src := r.source()
	random := rand.New(src)
	contexts := []string{"authentication", "authentication", "authentication", "enrollment", "administrator login", "verify"}
	kinds := []string{"phone", "sms"}
	return []json.RawMessage{marshal(struct {
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
		Phone:   phone(random),
		ID:      r.ID,
		TS:      stamp(r.TS),
		TxID:    uuid(src.Uint64(), src.Uint64()),
		Type:    kinds[random.IntN(len(kinds))],
	})}
}
