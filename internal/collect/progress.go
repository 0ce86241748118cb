package collect

import "time"

// Progress is how far a walk through Duo's log has come.
type Progress struct {
	Stream   string
	Records  int       // so far
	From, To time.Time // the range that is walked, half open
	At       time.Time // where the walk is
}
