package page

import (
	"html/template"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
)

// verdict is how a stream is, for somebody who was paged and does not know the page.
type verdict struct {
	Tone     string // "well", "busy", "waiting", "behind" or "act": the mark beside the word
	Word     string
	Sentence template.HTML // goes on from the word
	Notes    []fact        // why, what it costs and what to do; none if all is well
}

// verdict takes the first of these that holds: only a person can help; nothing
// is known yet; the lag is on time; a run is at work, or the next one is due.
func (s stream) verdict() verdict {
	switch {
	case s.Brief != nil && s.Brief.Unreadable != "":
		return verdict{"act", "A person must act", "where the stream stands can’t be read.", []fact{
			s.fact("Why", s.say(sentence(s.Brief.Unreadable), " ", s.since())), s.fact("Cost", unread),
			s.fact("Do", s.say("If it stays, do what the reason says, with the help of ", s.Runbook.At("A person must act"), ". The next run then goes on where the stream stood.")),
		}}
	case s.lag() < 0:
		return verdict{"act", "A person must act", "the watermark lies in the future, so every run fails.", []fact{
			s.fact("Why", s.say("It is ", *s.Watermark, ". Was the cursor edited by hand? ", s.since())),
			s.fact("Cost", "Nothing is collected. Once that time has passed, runs go on from there, and leave out what is missing now."),
			s.fact("Do", s.say("Set cursor.watermark to a time before now: ", s.Runbook.At("Reset the cursor"), ".")),
		}}
	case s.Cursor.Ended != nil:
		return verdict{"act", "A person must act", "Duo says that it does not have this log.", []fact{
			s.fact("Why", s.say(sentence(s.Last.Reason), " A run last failed because of it ", *s.Cursor.Ended, "; one does each day.")),
			s.fact("Cost", "Whether Duo ever shows again what is missing is not known."),
			s.fact("Do", s.say("If the log has ended for good, take it out of DUO_LOGS: ", s.Runbook.At("Add or remove a log"),
				". There is no hurry: every run asks, and goes on if Duo shows the log again.")),
		}}
	case s.failed() && s.Last.Act:
		return verdict{"act", "A person must act",
			s.say("runs have failed since ", s.began(), ", and none can succeed until the cause is fixed."), []fact{
				s.fact("Why", sentence(s.Last.Reason)), s.cost(),
				s.fact("Do", s.say("Fix what the reason names, with the help of ", s.Runbook.At("A person must act"), ". The next run then collects all that Duo still has.")),
			}}
	case s.Watermark == nil && s.Last.ID == "" && s.Lease == nil:
		return verdict{"waiting", "Waiting for the first run", "nothing is collected yet.", []fact{
			s.fact("Cost", "The first run reaches back by INITIAL_LOOKBACK, or to where STATE_KEY ends; what is older is left out."),
			s.fact("Do", s.say("Wait for the schedule’s first tick, or trigger a run: ", s.Runbook.At("Trigger by hand"),
				". If that was done, its answer and the log say why it could not begin.")),
		}}
	case s.Watermark != nil && s.lag() <= s.Limit:
		v := verdict{"well", "Up to date", s.deliveredExcept("everything before ", "."), nil}
		if s.failed() || s.longPause() {
			_, v.Notes = s.cause()
		}
		return v
	case s.running():
		return verdict{"busy", "Catching up", s.deliveredExcept("everything before ", ", and a run is at work on the rest."),
			append(s.why(), s.cost(), s.patience(s.say("a run has been at work since ", s.Lease.AcquiredAt, ".")))}
	case s.Last.Outcome == collect.Partial && !s.longPause() && s.recent():
		return verdict{"busy", "Catching up", s.deliveredExcept("everything before ", ", and the next run goes on."),
			append(s.why(), s.cost(), s.patience(s.say(s.next(), " goes on.")))}
	}
	word, cause := s.cause()
	return verdict{"behind", word, s.deliveredExcept("only what lies before ", "."), []fact{cause[0], s.cost(), cause[1]}}
}

// since says since when runs have failed, or stopped early, "" if the last one did neither.
func (s stream) since() template.HTML {
	switch {
	case s.failed():
		return s.say("Runs have failed since ", s.began(), ".")
	case s.Last.Outcome == collect.Partial && s.Brief != nil: // which knows one run
		return s.say("The last run, begun ", s.Last.StartedAt, ", stopped early, with its work saved.")
	case s.Last.Outcome == collect.Partial:
		return s.say("Runs have stopped early, with their work saved, since ", s.began(), ".")
	}
	return ""
}

// began is when the first of the last runs began that ended as the last one did.
func (s stream) began() time.Time {
	since := s.Last.StartedAt
	for _, r := range s.Runs {
		if r.Outcome != s.Last.Outcome {
			return since
		}
		since = r.StartedAt
	}
	if s.Brief != nil && !s.Brief.Failing.IsZero() {
		return s.Brief.Failing
	}
	return since
}

// delivered puts the watermark between two texts.
func (s stream) delivered(before string, after ...any) template.HTML {
	if s.Watermark == nil {
		return "nothing is delivered yet."
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
	return s.delivered(before, " is delivered, except for ", strings.Join(lost, " and "), " (see ", s.Runbook.At("Gap"), ")", after)
}

// cost says what the lag means for the records.
func (s stream) cost() fact {
	if s.Watermark == nil {
		return s.fact("Cost", "Nothing is delivered yet.")
	}
	log, _ := duo.LogNamed(collect.LogOf(s.Stream))
	switch left := log.Kept - s.lag(); {
	case log.Kept == 0:
		return s.fact("Cost", duration(s.lag())+" behind.")
	case left <= 0:
		return s.fact("Cost", s.say(duration(s.lag()), " behind. Records are being lost: Duo deletes them after ", duration(log.Kept), "."))
	default:
		return s.fact("Cost", s.say(duration(s.lag()), " behind. What is missing waits in Duo, which keeps it for another ", duration(left), "."))
	}
}

// cause says why nobody is at work on what is missing, as far as it shows, and what to do.
func (s stream) cause() (word string, whyAndDo []fact) {
	facts := func(why, do template.HTML) []fact { return []fact{s.fact("Why", why), s.fact("Do", do)} }
	switch {
	case s.failed() && s.Last.Token == 0: // it never had the lease, so the lease and the pause are older
		return s.retry()
	case s.pause() > 0:
		return "Behind, waiting for Duo", facts(s.say("Duo limits the rate and is not asked until ", *s.Cursor.NotBefore, ". ", s.since()),
			s.say("Nothing: the first run after that goes on. To ask at once, POST /run with ", code(`{"force":true}`),
				"; if Duo does this again and again, see ", s.Runbook.At("Lag"), "."))
	case s.Lease != nil:
		return "Behind, about to recover", facts(s.say("The run ", code(s.Lease.Holder), ", begun ", s.Lease.AcquiredAt, ", ended without a word. Its lease expired ", s.Lease.ExpiresAt, "."),
			s.say("Nothing: ", s.next(), " takes over. If runs go on dying, see ", s.Runbook.At("No complete run"), "."))
	case s.Last.ID != "" && !s.recent():
		return "Behind, and nothing runs", facts(s.say("No run has been recorded since ", s.Last.StartedAt, "."),
			s.say("Look at the schedule, the push subscription and the log: ", s.Runbook.At("No complete run"), "."))
	case s.failed():
		return s.retry()
	}
	return "Behind", []fact{s.fact("Why", "The last run did not catch up, or ticks come too rarely."), s.patience(s.say(s.next(), " goes on."))}
}

func (s stream) retry() (word string, whyAndDo []fact) {
	return "Behind, but retrying", append(s.why(), s.fact("Do", s.say("Nothing for now: ", s.next(),
		" tries again. If it goes on failing, see ", s.Runbook.At("No complete run"), ".")))
}

// why says why the last runs failed or stopped early; it is empty if the last one did neither.
func (s stream) why() []fact {
	if s.since() == "" {
		return nil
	}
	return []fact{s.fact("Why", s.say(s.since(), " The last one: ", sentence(s.Last.Reason)))}
}

// patience is the advice to wait: the runs already do all that can be done.
func (s stream) patience(next template.HTML) fact {
	wait := s.say("Nothing: ", next)
	if left := s.left(); left > 0 {
		wait = s.say(wait, " At this pace it has caught up in ", duration(left), ", at ", s.Now.Add(left), ".")
	}
	return s.fact("Do", s.say(wait, " If the lag grows, see ", s.Runbook.At("Lag"), "."))
}

// next names the next run, and says when it comes if that is known.
func (s stream) next() template.HTML {
	if at := s.Last.StartedAt.Add(s.Interval); s.Interval > 0 && at.After(s.Now) {
		return s.say("the next run, at about ", at, ",")
	}
	return "the next run"
}

// left estimates how long catching up takes, from how far the runs on the window
// in progress have come in how much time. It is 0 if that can't be told, or if
// they are slower than time passes.
func (s stream) left() time.Duration {
	w := s.Cursor.Window
	if w == nil {
		return 0
	}
	from, began := w.From, s.Now
	if s.Last.Watermark != nil {
		from = *s.Last.Watermark
	}
	if s.running() {
		began = s.Lease.AcquiredAt
	}
	for _, r := range s.Runs {
		if r.Window != nil && r.Window.To.Equal(w.To) {
			from, began = r.Window.From, r.StartedAt
		}
	}
	missing, done, took := s.Now.Add(-s.Delay).Sub(w.Last), w.Last.Sub(from), s.Now.Sub(began)
	if took <= 0 || done <= took || missing <= 0 {
		return 0
	}
	left := time.Duration(float64(missing) * float64(took) / float64(done-took))
	return max(left.Round(time.Minute), time.Minute)
}

// unread is what it costs that a state can't be read.
const unread = "What is in the bucket is safe. Runs need the state, too, so probably nothing is collected."

// unreadable is the verdict where only this instance's own last failures are known.
func unreadable(s State) verdict {
	now := time.Now()
	note := func(name string, values ...any) fact { return fact{Name: name, Value: say(now, values...)} }
	notes, section := []fact{note("Why", sentence(s.Err.Error()))}, "What Firestore refuses"
	if s.Unlisted {
		section = "A managed provider"
	}
	for _, run := range s.Unrecorded[:min(len(s.Unrecorded), maxLines)] {
		notes = append(notes, note("Last run", "This instance’s last run of ", run.Stream, " failed, ", run.StartedAt, ": ", sentence(run.Reason)))
	}
	return verdict{"act", "The state can’t be read", "where the collector stands is not known.", append(notes,
		note("Cost", unread),
		note("Do", "If it stays, see ", s.Runbook.At(section), "."))}
}

// sentence ends a reason with a full stop.
func sentence(reason string) string {
	if reason == "" || strings.HasSuffix(reason, ".") {
		return reason
	}
	return reason + "."
}
