package check

import (
	"context"
	"fmt"
)

const accountsName = "accounts"

// Children lists the accounts below the application's, and asks for the first's logs.
type Children struct{ Duo Duo }

// Check is a [Check].
func (c Children) Check(ctx context.Context) []Finding {
	accounts, err := c.Duo.Client.Children(ctx)
	if err != nil {
		return append([]Finding{failOf(accountsName, notInTime(err), "check DUO_API_HOST and the way to its port 443")}, c.Duo.secretKey()...)
	}
	if len(accounts) == 0 {
		return []Finding{fail(accountsName, c.Duo.Host+" lists no account below the one that the keys belong to",
			"see in its Admin Panel whether it has child accounts, or set DUO_ACCOUNTS to own")}
	}
	found := []Finding{good(accountsName, fmt.Sprintf("%s lists %d below the one that the keys belong to; "+
		"the logs of the first are asked for", c.Duo.Host, len(accounts)))}
	first := c.Duo
	first.Client = nil
	for _, a := range accounts {
		client, err := c.Duo.Client.Child(a)
		if err != nil {
			found = append(found, failOf(accountsName, err, "").of(a.Name))
		} else if first.Client == nil {
			first.Client, first.Host = client, a.Host
		}
	}
	if first.Client == nil {
		return found
	}
	return append(found, first.Check(ctx)...)
}

// Applications asks for the logs of the first account of an accounts file.
type Applications struct {
	Duo      Duo // of that account
	Accounts int // that the file has
	File     string
}

// Check is a [Check].
func (a Applications) Check(ctx context.Context) []Finding {
	return append([]Finding{good(accountsName, fmt.Sprintf("%s has %d; the logs of the first are asked for", a.File, a.Accounts))}, a.Duo.Check(ctx)...)
}
