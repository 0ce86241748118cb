package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
)

// clockTolerance is how far this machine's clock may differ from Duo's. Duo's is
// known in whole seconds, and its answer takes a while.
const clockTolerance = 10 * time.Second

// Duo makes one request, which checks the connection to Duo, this machine's clock,
// the credentials and the permission.
type Duo struct {
	Client *duo.Client
	Log    duo.Log
	Host   string
	Secret func() (string, error) // the secret key that the client uses
}

// Check is a [Check].
func (d Duo) Check(ctx context.Context) []Finding {
	date, err := d.Client.Probe(ctx, d.Log)
	found := []Finding{d.answer(err)}
	if err != nil {
		found = append(found, d.secretKey()...)
	}
	if date.IsZero() {
		return found
	}
	return append(found, clock(time.Until(date).Round(time.Second)))
}

func (d Duo) answer(err error) Finding {
	const name = "duo"
	if err == nil {
		return good(name, d.Host+" accepts the credentials and lets them read the log")
	}
	if e, found := errors.AsType[*duo.Error](err); found && e.RateLimited() {
		return warn(name, e.Reason()+", so it is unknown whether the credentials are right",
			"run this again in a minute; Duo allows one or two requests a minute, for all programs that read this log together")
	}
	return failOf(name, notInTime(err), "check DUO_API_HOST and the connection to its port 443")
}

// secretKey checks the form of a key that Duo has not accepted. It ignores one
// that can't be read: the client's error was about that.
func (d Duo) secretKey() []Finding {
	key, err := d.Secret()
	if err != nil {
		return nil
	}
	if fault := duo.SecretFault(key); fault != "" {
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
