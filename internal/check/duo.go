package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duo-telephony-collector/internal/duo"
)

// clockTolerance is how far this clock may be from Duo's unremarked. Duo's is
// known in whole seconds, and is some time on its way.
const clockTolerance = 10 * time.Second

// Duo makes one request, which tells of the way to Duo, of this machine's
// clock, of the credentials and of the permission.
type Duo struct {
	Client *duo.Client
	Log    duo.Log
	Host   string
	Secret func() (string, error) // the secret key, as the client has it
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
		return warn(name, e.Reason()+", so whether the credentials are right is not known",
			"run this again in a minute; Duo allows one or two requests a minute, for all programs that read this log together")
	}
	return failOf(name, notInTime(err), "check DUO_API_HOST and the way to its port 443")
}

// secretKey looks at the key's form where Duo has not accepted it. It says
// nothing of one that can't be read: Duo's answer was about that.
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

// clock takes how far Duo's clock is ahead of this machine's.
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
		fmt.Sprintf("set it to within %v: Duo refuses requests whose date is too far off", clockTolerance))
}

// notInTime says it in figures where a check's own time-out ended it.
func notInTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no success within %v: %w", timeout, err)
	}
	return err
}
