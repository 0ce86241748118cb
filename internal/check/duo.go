package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"duo-telephony-collector/internal/duo"
)

// clockTolerance is how far this machine's clock may differ from Duo's. Duo's is
// known in whole seconds, and its answer takes a while.
const clockTolerance = 10 * time.Second

// Duo makes a request per log, to check connection, clock, credentials and permission.
type Duo struct {
	Client *duo.Client
	Logs   []duo.Log
	Host   string
	Secret func() (string, error) // the secret key that the client uses
}

// Check is a [Check].
func (d Duo) Check(ctx context.Context) []Finding {
	dates, errs := make([]time.Time, len(d.Logs)), make([]error, len(d.Logs))
	var all sync.WaitGroup
	for i, log := range d.Logs {
		all.Go(func() { dates[i], errs[i] = d.Client.Probe(ctx, log) })
	}
	all.Wait()
	found := d.findings(errs)
	if errors.Join(errs...) != nil {
		found = append(found, d.secretKey()...)
	}
	if i := slices.IndexFunc(dates, func(date time.Time) bool { return !date.IsZero() }); i >= 0 {
		found = append(found, clock(time.Until(dates[i]).Round(time.Second)))
	}
	return found
}

// findings has a line for each log, or one if all logs fail for the same reason.
func (d Duo) findings(errs []error) []Finding {
	var found []Finding
	for i, log := range d.Logs {
		found = append(found, d.answer(log, errs[i]))
	}
	if len(found) == 1 || found[0].Status != OK && len(slices.Compact(slices.Clone(found))) == 1 {
		return found[:1]
	}
	for i, log := range d.Logs {
		found[i] = found[i].of(log.Name)
	}
	return found
}

func (d Duo) answer(log duo.Log, err error) Finding {
	const name = "duo"
	if e, found := errors.AsType[*duo.Error](err); found && e.RateLimited() {
		return warn(name, e.Reason()+", so it is unknown whether the credentials are right",
			"run this again in a minute; Duo allows one or two requests a minute, for all programs that read this log together")
	}
	if err != nil {
		return failOf(name, notInTime(err), "check DUO_API_HOST and the connection to its port 443")
	}
	text := d.Host + " accepts the credentials and lets them read the log"
	if log.Native {
		text += "; make sure that SecOps has no API feed of its own for " + log.Label + ", which would ingest every record twice"
	}
	return good(name, text)
}

// secretKey checks the form of a key that Duo has not accepted. It ignores one
// that can't be read: the client's error was about that.
func (d Duo) secretKey() []Finding {
	key, err := d.Secret()
	if fault := duo.SecretFault(key); err == nil && fault != "" {
		return []Finding{warn("secret key", "the secret key "+fault, "correct DUO_SKEY, or the file that DUO_SKEY_FILE names")}
	}
	return nil
}

// clock judges how far Duo's clock is ahead of this machine's.
func clock(ahead time.Duration) Finding {
	const name = "clock"
	if ahead.Abs() <= clockTolerance {
		return good(name, fmt.Sprintf("this machine's clock is within %v of Duo's", clockTolerance))
	}
	way := "behind"
	if ahead < 0 {
		way = "ahead of"
	}
	return warn(name, fmt.Sprintf("this machine's clock is %v %s Duo's", ahead.Abs(), way),
		fmt.Sprintf("set it right to within %v: Duo refuses requests whose date is too far off", clockTolerance))
}

// notInTime adds the figure if the check's own time-out ended it.
func notInTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no success within %v: %w", timeout, err)
	}
	return err
}

const accountsName = "accounts"

// Children lists the accounts below the application's, and asks for the first's logs.
type Children struct{ Duo Duo }

// Check is a [Check].
func (c Children) Check(ctx context.Context) []Finding {
	accounts, err := c.Duo.Client.Children(ctx)
	if err != nil {
		failed := failOf(accountsName, notInTime(err), "check DUO_API_HOST and the way to its port 443")
		return append([]Finding{failed}, c.Duo.secretKey()...)
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
	text := fmt.Sprintf("%s has %d; the logs of the first are asked for", a.File, a.Accounts)
	return append([]Finding{good(accountsName, text)}, a.Duo.Check(ctx)...)
}
