package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
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
		LastTimestamp *float64 `json:"last_timestamp_ms"` // a program in between may have made 1.0 of 1
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // some editors and shells put it before UTF-8
	if err := json.Unmarshal(raw, &state); err != nil {
		return time.Time{}, fmt.Errorf("%w: the object is not the function's state.json (%w): point STATE_KEY to it, or unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport, err)
	}
	if state.LastTimestamp == nil {
		return time.Time{}, fmt.Errorf("%w: the object has no last_timestamp_ms, so the function never finished a walk: unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport)
	}
	ms := *state.LastTimestamp // exact: the times of the next 280,000 years are whole numbers below 2^53
	if ms != math.Trunc(ms) || ms < float64(earliestMark.UnixMilli()) || ms > float64(now.UnixMilli()) {
		return time.Time{}, fmt.Errorf("%w: last_timestamp_ms %s is no whole number of milliseconds between 2015 and now: correct it, or unset STATE_KEY to start INITIAL_LOOKBACK ago", ErrImport, strconv.FormatFloat(ms, 'f', -1, 64))
	}
	return time.UnixMilli(int64(ms)).UTC(), nil
}
