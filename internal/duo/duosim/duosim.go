// Package duosim imitates the logs of Duo's Admin API, faithfully enough to
// develop and test a collector against: it checks signatures and parameters,
// pages with all the manners that Duo is known or thought to have, holds records
// back as Duo does, and misbehaves on demand.
//
// An account has the logs "telephony", "authentication", "activity" and
// "trust-monitor". No code is shared with the client, so a fault in either shows:
//
//	sim := duosim.New(duosim.Config{IKey: "ikey", SKey: "skey", Host: "api-1.duosecurity.com"})
//	sim.Add(duosim.Record{TS: t, ID: "220f89ff-bff8-4466-b6cb-b7787940ce68"})
//	sim.Log("activity").Add(duosim.Record{TS: t, ID: "b3a4d2c1-6b0e-4c3b-8a77-51f2e9c0d7aa"})
//	server := httptest.NewServer(sim)
//
// [Sim.AddChild] makes it the account of an Accounts API application.
package duosim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	// Manners are how all logs answer, [Sim.Behave] and [Log.Behave] change them.
	Manners
	// Generate adds endless records of telephony to those of [Sim.Add],
	// GenerateFor those of logs by name.
	Generate    Generator
	GenerateFor map[string]Generator
	// RateLimit is how many requests for each log are answered a minute; 0: all.
	RateLimit int
	// RetryAfter sends that header with a 429. Duo is not known to.
	RetryAfter bool
}

// Sim is a simulated account. It is safe for concurrent use.
type Sim struct {
	cfg  Config
	logs []*Log // one of each kind
	as   Child  // the zero one for an account below none

	mu       sync.Mutex
	faults   []Fault
	requests []Request
	children map[string]*Sim // by host
	listed   []*Sim
}

// Request is a request as it came, whatever became of it.
type Request struct {
	Time   time.Time
	Log    string // name, "" where the path leads to none, as that of the accounts list
	Query  url.Values
	Status int // 0 while or where nothing was answered
}

// New returns a simulator without records. It panics if GenerateFor names no log.
func New(cfg Config) *Sim {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Sim{cfg: cfg, children: map[string]*Sim{}}
	for _, k := range kinds {
		s.logs = append(s.logs, &Log{kind: k, sim: s, showings: map[offset]int{}, always: Pass})
	}
	s.telephony().generate = cfg.Generate
	for name, g := range cfg.GenerateFor {
		s.Log(name).generate = g
	}
	for i, l := range s.logs {
		l.generate.Seed ^= uint64(i) << 32 // one seed makes other records for each log
	}
	s.Behave(cfg.Manners)
	return s
}

// Log returns the log of that name: telephony, authentication, activity or
// trust-monitor. It panics where there is none.
func (s *Sim) Log(name string) *Log {
	for _, l := range s.logs {
		if l.name == name {
			return l
		}
	}
	panic("duosim: there is no log " + strconv.Quote(name))
}

func (s *Sim) telephony() *Log { return s.logs[0] }

// Behave changes the manners of all logs, see [Log.Behave].
func (s *Sim) Behave(m Manners) {
	for _, l := range s.logs {
		l.Behave(m)
	}
}

// Add puts records into the telephony log, in any order.
func (s *Sim) Add(records ...Record) { s.telephony().Add(records...) }

// Visible is [Log.Visible] of the telephony log.
func (s *Sim) Visible(from, to time.Time) []Record { return s.telephony().Visible(from, to) }

// Script gives the next requests, for whatever log, to faults, one each, in
// order. A log's own script comes first.
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

// ServeHTTP answers as Duo would, or as the script of the host's account says.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if child := s.childAt(r.Host); child != nil {
		child.ServeHTTP(w, r)
		return
	}
	now := s.cfg.Now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	fault, n := s.receive(now, r)
	note := func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[n].Status = status
	}
	fault(&statusWriter{ResponseWriter: w, note: note}, r, http.HandlerFunc(s.answer))
}

// receive notes a request, and returns what happens to it and its number.
func (s *Sim) receive(now time.Time, r *http.Request) (Fault, int) {
	l := s.logAt(r.URL.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	note, script, fault := Request{Time: now, Query: r.URL.Query()}, &s.faults, Pass
	if l != nil {
		note.Log, fault = l.name, l.always
		if len(l.faults) > 0 {
			script = &l.faults
		}
	}
	s.requests = append(s.requests, note)
	if len(*script) > 0 {
		fault, *script = (*script)[0], (*script)[1:]
	}
	return fault, len(s.requests) - 1
}

// logAt returns the log of a path, nil where there is none.
func (s *Sim) logAt(path string) *Log {
	for _, l := range s.logs {
		if l.path == path {
			return l
		}
	}
	return nil
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
