package collect

import "strings"

// Stream is one log of one account, live or in a backfill: what has a lease and a
// cursor of its own, and a place in the bucket.
type Stream struct {
	Log      string // a duo.Log's name
	Account  string // its API host; "" for the application's own one
	Backfill bool   // ranges of the log are collected again
}

// String names the stream's document: telephony, telephony-backfill, or
// telephony@api-0a1b2c3d.duosecurity.com.
func (s Stream) String() string {
	if s.Account == "" {
		return s.Name()
	}
	return s.Name() + atAccount + s.Account
}

const atAccount = "@"

// LogOf returns the name of a live stream's log.
func LogOf(stream string) string {
	log, _, _ := strings.Cut(stream, atAccount)
	return log
}

// Name begins the names of the stream's objects, which lie in the account's own
// folder.
func (s Stream) Name() string {
	if s.Backfill {
		return s.Log + "-backfill"
	}
	return s.Log
}

// Live is the log's stream that follows the clock.
func (c Config) Live() Stream { return Stream{Log: c.Log.Name, Account: c.Account.Host} }

// Backfill is the stream under which ranges of the log are collected again.
func (c Config) Backfill() Stream {
	s := c.Live()
	s.Backfill = true
	return s
}
