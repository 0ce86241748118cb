package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrImport means that the state of an older collector is there and can't be
// used. A run never starts from somewhere else instead.
var ErrImport = errors.New("STATE_KEY")

// earliestMark is older than anything that Duo still answers for by far; a
// number below it is no time in milliseconds.
var earliestMark = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// ImportState reads the state.json of the Python function that this service
// replaces, {"last_timestamp_ms": N, "last_offset": …}: everything before N was
// delivered. The offset is of no use without the window that it belongs to.
func ImportState(raw []byte, now time.Time) (time.Time, error) {
	var state struct {
		LastTimestamp *int64 `json:"last_timestamp_ms"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return time.Time{}, fmt.Errorf("%w: the object is not the function's state.json (%w): point STATE_KEY to it, or unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport, err)
	}
	if state.LastTimestamp == nil {
		return time.Time{}, fmt.Errorf("%w: the object has no last_timestamp_ms, so the function never finished a walk: unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport)
	}
	mark := time.UnixMilli(*state.LastTimestamp).UTC()
	if mark.Before(earliestMark) || mark.After(now) {
		return time.Time{}, fmt.Errorf("%w: last_timestamp_ms %d is no time in milliseconds between 2015 and now: correct it, or unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport, *state.LastTimestamp)
	}
	return mark, nil
}
