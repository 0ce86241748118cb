package duosim

import (
	"hash/fnv"
	"net"
	"slices"
	"strings"
)

const accountsPath = "/accounts/v1/account/list"

// Child is an account below another one: a customer of a managed provider.
type Child struct {
	ID, Name, Host string
	// Elsewhere puts it on another deployment, where the keys can't read it.
	Elsewhere bool
}

// AddChild adds an account below s and lists it. It has everything of its own but
// the keys, and what [Config] generates is another company's. The keys become an
// Accounts API application's: they read the children's logs, each at its own
// host, and no longer those of s itself.
func (s *Sim) AddChild(as Child) *Sim {
	cfg := s.cfg
	cfg.Host = as.Host
	seed := fnv.New64a()
	seed.Write([]byte(as.ID))
	child := New(cfg)
	child.as = as
	for _, l := range child.logs {
		l.generate.Seed ^= seed.Sum64()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children[strings.ToLower(as.Host)] = child
	s.listed = append(s.listed, child)
	return child
}

// List makes the accounts list have these children and no others, until more are
// added. A child that is not listed answers as before.
func (s *Sim) List(children ...*Sim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = slices.Clone(children)
}

// accounts is the answer of the accounts list.
func (s *Sim) accounts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []object{}
	for _, child := range s.listed {
		as := child.as
		list = append(list, object{"account_id": as.ID, "api_hostname": as.Host, "name": as.Name})
	}
	return `{"stat":"OK","response":` + string(marshal(list)) + `}`
}

// childAt returns the child of a request's host, nil if there is none.
func (s *Sim) childAt(host string) *Sim {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.children[strings.ToLower(host)]
}

// permit checks what a request with good keys may read. What Duo does with an
// account_id at another account's host is not known: here it is refused, so that
// it can't pass unseen. An Admin API application reads its account's logs, an
// Accounts API application what is below it. l is nil for the accounts list.
func (s *Sim) permit(l *Log, ids []string) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	child, provider := s.as.ID != "", len(s.children) > 0
	switch {
	case child && (l == nil || !slices.Equal(ids, []string{s.as.ID})), !child && len(ids) > 0:
		return &refusal{code: 40301, message: "Access forbidden"}
	case child && s.as.Elsewhere:
		return &refusal{code: 40002, message: "Cross-deployment Admin API usage through Accounts API is currently not available"}
	case !child && provider != (l == nil):
		return &refusal{code: 40301, message: "Access forbidden", detail: "Wrong integration type for this API."}
	}
	return nil
}
