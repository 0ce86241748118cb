package store

import "time"

// Lease is the right to run.
type Lease struct {
	Stream     string
	Holder     string // the run's id; empty when nobody holds it
	Token      int64  // grows with every acquisition, never used twice
	AcquiredAt time.Time
	TTL        time.Duration

	// What the holder needs for its next write. seq is the number of its last
	// one, whether that happened or not: two writes never share a number, so
	// it tells what became of a write whose answer was lost.
	seq, version int64
	seen         Seen      // what the document holds, as of that version
	server       time.Time // the server's clock at the last answer …
	local        time.Time // … and this machine's monotonic one at the same moment
}

// ExpiresAt is when somebody else may take the lease, by the server's clock.
func (l Lease) ExpiresAt() time.Time { return l.AcquiredAt.Add(l.TTL) }

// Now is the server's clock: that of the last answer, and what has passed
// since on the monotonic clock, which no one sets.
func (l *Lease) Now() time.Time { return l.server.Add(time.Since(l.local)) }

// Unheld returns a lease that is backed by nothing, for a dry run that starts
// from the state s.
func (s State) Unheld() *Lease {
	return &Lease{Stream: s.Stream, AcquiredAt: s.Now, server: s.Now, local: time.Now()}
}

func (l Lease) heldAt(now time.Time) bool {
	return l.Holder != "" && now.Before(l.ExpiresAt())
}

// released keeps the token, so that the next one is greater, and when the stream
// was last acquired.
func (l *Lease) released() Lease {
	return Lease{Stream: l.Stream, Token: l.Token, AcquiredAt: l.AcquiredAt}
}

func (l *Lease) stampAt(at stamp) {
	l.version, l.server, l.local = at.version, at.now, time.Now()
}
