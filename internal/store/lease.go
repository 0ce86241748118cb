package store

import "time"

// Lease is the right to run.
type Lease struct {
	Stream     string
	Holder     string // the run's id; empty when nobody holds it
	Token      int64  // grows with every acquisition, never used twice
	AcquiredAt time.Time
	TTL        time.Duration

	// For the next write. seq is the number of the last one, happened or not, and of no
	// other: by it the document shows whether one whose answer was lost has happened.
	seq, version int64
	seen         Seen      // the document's, as of that version
	last         Last      // the document's
	server       time.Time // the server's clock at the last answer,
	local        time.Time // and this machine's at the same moment
}

// ExpiresAt is when another run may take the lease, by the server's clock.
func (l Lease) ExpiresAt() time.Time { return l.AcquiredAt.Add(l.TTL) }

// Now is the server's clock: its last answer plus the time since then by this
// machine's monotonic clock, which nobody can set.
func (l *Lease) Now() time.Time { return l.server.Add(time.Since(l.local)) }

// Unheld returns a lease for a dry run that starts from s. Nothing backs it.
func (s State) Unheld() *Lease {
	return &Lease{Stream: s.Stream, AcquiredAt: s.Now, server: s.Now, local: time.Now()}
}

// released keeps the token, which the next one exceeds, and the time of acquisition.
func (l *Lease) released() Lease {
	return Lease{Stream: l.Stream, Token: l.Token, AcquiredAt: l.AcquiredAt}
}

func (l *Lease) stampAt(at stamp) {
	l.version, l.server, l.local = at.version, at.now, time.Now()
}
