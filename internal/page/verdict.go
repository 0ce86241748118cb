package page

import (
	"html/template"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
)

// verdict is how the stream is: a word, a sentence that goes on from it, and
// why that is so.
type verdict struct {
	Tone     string // "well", "busy", "waiting", "behind" or "act": the mark beside the word
	Word     string
	Sentence template.HTML
	Detail   template.HTML
}

// verdict takes the first of these that holds: only a person can help; nothing
// is known yet; the lag is on time; a run is at work, or the next one is due.
func (s stream) verdict() verdict {
	switch {
	case s.Watermark != nil && s.Watermark.After(s.Now):
		return verdict{"act", "A person must act", s.say("the watermark lies in the future."),
			s.say("It is ", *s.Watermark, ". Was the cursor edited by hand? Set cursor.watermark to a time before now; every run fails until then.")}
	case s.failed() && s.Last.Act:
		return verdict{"act", "A person must act", s.say("no run can succeed before that."),
			s.say("The last run failed: ", sentence(s.Last.Reason), " ", s.delivered("Until then only what lies before ", " is delivered."))}
	case s.Watermark == nil && s.Last.ID == "" && s.Lease == nil:
		return verdict{"waiting", "Waiting for the first run", s.say("nothing is collected yet."),
			s.say("POST / or /run triggers one. If that was done, its answer and the log say why it could not begin.")}
	case s.Watermark != nil && s.lag() <= s.Limit:
		return verdict{"well", "Up to date", s.deliveredExcept("everything before ", "."), s.warning()}
	case s.running():
		return verdict{"busy", "Catching up", s.deliveredExcept("everything before ", ", and a run is at work on the rest."), ""}
	case s.Last.Outcome == collect.Partial && s.Cursor.NotBefore == nil && s.recent():
		return verdict{"busy", "Catching up", s.deliveredExcept("everything before ", ", and the next run goes on."),
			s.say("The last run stopped with its work saved: ", sentence(s.Last.Reason))}
	}
	return verdict{"behind", "Behind", s.deliveredExcept("only what lies before ", "."), s.cause()}
}

// delivered puts the watermark between two texts.
func (s stream) delivered(before string, after ...any) template.HTML {
	if s.Watermark == nil {
		return s.say("nothing is delivered yet.")
	}
	return s.say(append([]any{before, *s.Watermark}, after...)...)
}

// deliveredExcept says what is delivered, and which gaps it has.
func (s stream) deliveredExcept(before, after string) template.HTML {
	aged, missing := false, 0
	for _, g := range s.gaps() {
		aged, missing = aged || g.Missing == 0, missing+g.Missing
	}
	var lost []string
	if aged {
		lost = append(lost, "what Duo had deleted before a run asked for it")
	}
	if missing > 0 {
		lost = append(lost, counted(missing, "record")+" that Duo counted and did not show")
	}
	if lost == nil {
		return s.delivered(before, " is delivered", after)
	}
	return s.delivered(before, " is delivered, except for ", strings.Join(lost, " and "), " (see ", code("docs/operations.md#gap"), ")", after)
}

// warning is what a person should know although the lag is on time.
func (s stream) warning() template.HTML {
	switch {
	case s.failed():
		return s.retry()
	case s.longPause():
		return s.paused()
	}
	return ""
}

// cause says why nobody is at work on what is missing, as far as the state
// shows it.
func (s stream) cause() template.HTML {
	switch {
	case s.failed() && s.Last.Token == 0: // it never had the lease, so the lease and the pause are older
		return s.retry()
	case s.pause() > 0:
		return s.paused()
	case s.Lease != nil:
		return s.say("The run ", code(s.Lease.Holder), " ended without a word. Its lease has expired, so the next run takes over.")
	case s.Last.ID != "" && !s.recent():
		return s.say("No run has been recorded since ", s.Last.StartedAt, ": look at the schedule, the push subscription and the log.")
	case s.failed():
		return s.retry()
	}
	return s.say("The next run goes on.")
}

func (s stream) retry() template.HTML {
	return s.say("The last run failed, the next one tries again: ", sentence(s.Last.Reason))
}

// paused says until when Duo is not asked, and how to ask sooner.
func (s stream) paused() template.HTML {
	return s.say("Duo limits the rate and is not asked until ", *s.Cursor.NotBefore,
		". The first run after that goes on; POST /run with ", code(`{"force":true}`), " asks at once.")
}

// unreadable is the verdict where the store can't be read: all that is known is
// this instance's own last failure.
func unreadable(s State) verdict {
	now := time.Now()
	v := verdict{"act", "The state can’t be read", "so where the collector stands is not known.",
		say(now, sentence(s.Err.Error()), " Records in the bucket are safe; the log has more.")}
	for _, run := range s.Unrecorded {
		v.Detail = say(now, v.Detail, " This instance’s last run of ", run.Stream, " failed, ", run.StartedAt, ": ", sentence(run.Reason))
	}
	return v
}

// sentence ends a reason with a full stop.
func sentence(reason string) string {
	if reason == "" || strings.HasSuffix(reason, ".") {
		return reason
	}
	return reason + "."
}
