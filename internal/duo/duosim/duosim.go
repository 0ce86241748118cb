// Package duosim imitates the telephony log of Duo's Admin API, faithfully
// enough to develop and test a collector against: it checks signatures and
// parameters, pages with all the manners that Duo is known or thought to have,
// holds records back as Duo does, and misbehaves on demand.
//
// It shares no code with the client, so a fault in one of them shows:
//
//	sim := duosim.New(duosim.Config{IKey: "ikey", SKey: "skey", Host: "api-1.duosecurity.com"})
//	sim.Add(duosim.Record{TS: t, ID: "220f89ff-bff8-4466-b6cb-b7787940ce68"})
//	server := httptest.NewServer(sim)
package duosim

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// Delay is how old a record is before it is shown.
	Delay = 2 * time.Minute
	// Retention is how old a record gets, and how far back a query reaches.
	Retention = 180 * 24 * time.Hour
)

// Config is an account.
type Config struct {
	// IKey, SKey and Host are what requests must be signed with and for.
	IKey, SKey, Host string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Manners are how it answers, [Sim.Behave] changes them.
	Manners
	// Generate adds endless records to those of [Sim.Add].
	Generate Generator
	// RateLimit is how many requests are answered a minute, 0 for all.
	RateLimit int
	// RetryAfter sends that header with a 429. Duo is not known to.
	RetryAfter bool
}

// Sim is a simulated account. It is safe for concurrent use.
type Sim struct {
	cfg Config

	mu       sync.Mutex
	added    []Record // in order
	faults   []Fault
	requests []Request
	admitted []time.Time // requests of the last minute
	showings map[showing]int
	random   *rand.Rand // decides with the manners' seed
}

// Request is a request as it came, whatever became of it.
type Request struct {
	Time   time.Time
	Query  url.Values
	Status int // 0 while or where nothing was answered
}

// New returns a simulator without records.
func New(cfg Config) *Sim {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Sim{cfg: cfg, showings: map[showing]int{}}
	s.Behave(cfg.Manners)
	return s
}

// Behave changes the manners. What was shown stays as it is, and offsets stay
// good.
func (s *Sim) Behave(m Manners) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Manners, s.random = m, rand.New(rand.NewPCG(m.Seed, 0))
}

// chance decides about what happens one time in so many.
func (s *Sim) chance(oneIn int) bool { return oneIn > 0 && s.random.IntN(oneIn) == 0 }

// Add puts records into the log, in any order.
func (s *Sim) Add(records ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added = append(s.added, records...)
	slices.SortStableFunc(s.added, compare)
}

// Script gives the next requests to faults, one each, in order.
func (s *Sim) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Requests returns all requests so far, in order.
func (s *Sim) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Visible returns the records with from ≤ TS < to that are shown now, in
// order, each with its Raw. It is the truth about the log whatever the manners.
func (s *Sim) Visible(from, to time.Time) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var visible []Record
	for r := range s.shown(from.UnixMilli(), to.UnixMilli(), s.cfg.Now(), false) {
		if r.TS.Before(from) || !r.TS.Before(to) {
			continue
		}
		r.Raw = r.raw()
		visible = append(visible, r)
	}
	return visible
}

// ServeHTTP answers as Duo would, or as the script says.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.cfg.Now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	fault, n := s.receive(now, r.URL.Query())
	fault(&statusWriter{ResponseWriter: w, note: func(status int) { s.answered(n, status) }}, r, http.HandlerFunc(s.answer))
}

// receive notes a request, and returns what happens to it and its number.
func (s *Sim) receive(now time.Time, query url.Values) (Fault, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{Time: now, Query: query})
	if len(s.faults) == 0 {
		return Pass, len(s.requests) - 1
	}
	fault := s.faults[0]
	s.faults = s.faults[1:]
	return fault, len(s.requests) - 1
}

func (s *Sim) answered(n, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[n].Status = status
}

// statusWriter notes the status before the client can see it.
type statusWriter struct {
	http.ResponseWriter
	note  func(status int)
	noted bool
}

func (w *statusWriter) WriteHeader(status int) {
	w.noted = true
	w.note(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if !w.noted {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets faults flush and hijack.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
