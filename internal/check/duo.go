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

// answered is Duo's answer for a log.
type answered struct {
	date time.Time
	err  error
}

// Check is a [Check].
func (d Duo) Check(ctx context.Context) []Finding {
	answers := make([]answered, len(d.Logs))
	var all sync.WaitGroup
	for i, log := range d.Logs {
		all.Go(func() { answers[i].date, answers[i].err = d.Client.Probe(ctx, log) })
	}
	all.Wait()
	found := d.findings(answers)
	if slices.ContainsFunc(answers, func(a answered) bool { return a.err != nil }) {
		found = append(found, d.secretKey()...)
	}
	for _, a := range answers {
		if !a.date.IsZero() {
			return append(found, clock(time.Until(a.date).Round(time.Second)))
		}
	}
	return found
}

// findings has a line for each log, or one if all logs fail for the same reason.
func (d Duo) findings(answers []answered) []Finding {
	var found []Finding
	for i, a := range answers {
		found = append(found, d.answer(d.Logs[i], a.err))
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
