package duo

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Account is one of many Duo accounts, such as a customer of a managed provider.
type Account struct {
	ID   string // what the account above it knows it by, "" where there is none
	Name string // for people
	Host string // its own API hostname
}

const hostPattern = `api-[a-z0-9-]+\.(duosecurity|duofederal)\.com`

var (
	hosts      = regexp.MustCompile(`^` + hostPattern + `$`)
	accountIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// ParseHost returns an API hostname in small letters, and reports whether it is
// one of Duo's, without scheme, path and port. Credentials go to no other host.
func ParseHost(s string) (host string, ok bool) {
	host = strings.ToLower(s)
	return host, hosts.MatchString(host)
}

// Children lists the accounts below the client's own one, whose keys have to be those of
// an Accounts API application. [Client.Child] says of each whether it can be asked. It
// asks as [Session.Page] does: ctx says how long a rate limit may be waited for.
//
// Source: https://duo.com/docs/accountsapi
func (c *Client) Children(ctx context.Context) ([]Account, error) {
	var accounts []Account
	err := c.Session(Log{}, 0).ask(ctx, question{
		method: http.MethodPost, path: "/accounts/v1/account/list", sent: "{}",
		read: func(a answer) (err error) {
			accounts, err = a.accounts()
			return err
		},
	})
	return accounts, err
}

// Child returns a client of an account below c's own one, which asks the child's host
// alone, with c's keys. The error, an [*Error], is that it has no usable host or id.
func (c *Client) Child(a Account) (*Client, error) {
	host, ok := ParseHost(a.Host)
	if !ok {
		return nil, unusable("API hostname", a.Host)
	}
	if !accountIDs.MatchString(a.ID) {
		return nil, unusable("account id", a.ID)
	}
	child := *c
	child.cfg.Host, child.child, child.places = host, a.ID, placesOfChild
	return &child, nil
}

// Application returns a client of an account that has an application of its own. It
// has nothing of c but the connections and the pace. file is where a comes from.
func (c *Client) Application(a Application, file string) *Client {
	of := *c
	of.cfg.IKey, of.cfg.Secret, of.cfg.Host, of.cfg.File = a.IKey, a.Secret, a.Host, file
	of.child, of.places, of.shared = "", placesOf(of.cfg), new(shared)
	return &of
}

func unusable(what, value string) *Error {
	return &Error{
		Err:  fmt.Errorf("the account is listed with %q, which is no %s", clean(value), what),
		Hint: "ask Duo Support, or create an Admin API application in the account and give it a line in an accounts file (DUO_ACCOUNTS)",
	}
}
