package duosim

import "net/http"

// Signature is what the simulator expects of a request.
func (s *Sim) Signature(r *http.Request) string { return s.signature(r) }
