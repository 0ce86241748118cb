package duosim

import (
	"encoding/json"
	"fmt"
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
		// 555-0100 to 555-0199 belong to nobody in any area.
		Phone: fmt.Sprintf("+1%03d55501%02d", 201+random.IntN(780), random.IntN(100)),
		ID:    r.ID,
		TS:    stamp(r.TS),
		TxID:  uuid(src.Uint64(), src.Uint64()),
		Type:  kinds[random.IntN(len(kinds))],
	})}
}
