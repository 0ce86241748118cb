package duosim

import "encoding/json"

func authentication(r Record) []json.RawMessage {
	return []json.RawMessage{marshal(map[string]any{"txid": r.ID, "isotimestamp": stamp(r.TS), "timestamp": r.TS.Unix()})}
}
func activity(r Record) []json.RawMessage {
	return []json.RawMessage{marshal(map[string]any{"activity_id": r.ID, "ts": stamp(r.TS)})}
}
func trustMonitor(r Record) []json.RawMessage {
	return []json.RawMessage{marshal(map[string]any{"sekey": r.ID, "surfaced_timestamp": r.TS.UnixMilli()})}
}
