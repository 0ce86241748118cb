package collect

// Stream is one log, live or in a backfill: what has a lease, a cursor and
// object names of its own.
type Stream struct {
	Log      string // a duo.Log's name
	Backfill bool   // ranges of the log are collected again
}

// String names the stream's document and begins its objects' names.
func (s Stream) String() string {
	if s.Backfill {
		return s.Log + "-backfill"
	}
	return s.Log
}

// Live is the log's stream that follows the clock.
func (c Config) Live() Stream { return Stream{Log: c.Log.Name} }

// Backfill is the stream under which ranges of the log are collected again.
func (c Config) Backfill() Stream { return Stream{Log: c.Log.Name, Backfill: true} }
