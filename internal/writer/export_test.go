package writer

import "time"

// SetLink replaces os.Link for the rest of the process.
func SetLink(f func(oldname, newname string) error) { link = f }

// SetTimeout replaces the time-out of a call.
func (g *GCS) SetTimeout(d time.Duration) { g.timeout = d }

// SetPause replaces the first pause between a call's retries.
func (g *GCS) SetPause(d time.Duration) { g.pause = d }
