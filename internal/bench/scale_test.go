package bench_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
)

// TestScale collects three logs of so many accounts, by four messages a tick to two
// processes. In most ticks both are killed, each in the middle of a sixth of the
// streams. One account in a hundred refuses for ever, and one in twenty limits the
// rate. It holds the service to this:
//
//   - no stream waits for two ticks while another is run in both;
//   - a quiet tick passes all streams within RUN_BUDGET, and no run ends otherwise
//     than its account makes it;
//   - a stream is asked for as often as if it were the only one;
//   - a process has 140 MiB at most;
//   - the bucket has every record that Duo shows, once.
//
// It is small unless SCALE_ACCOUNTS and SCALE_KILLS say otherwise, as in make scale.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts processes")
	}
	accounts, kills := fromEnv(t, "SCALE_ACCOUNTS", 10), fromEnv(t, "SCALE_KILLS", 4)
	p := newProvider(t, accounts)
	for range kills / 2 {
		p.tick(accounts * len(providerLogs) / 6)
		p.wantTurns()
		p.addNew()
	}
	p.tick(0) // ends what the last kills have left
	p.wantTurns()
	before := p.requests()
	quiet := p.tick(0)
	p.wantTurns()
	p.wantRuns(quiet.outcomes, before)
	if quiet.peak > 140 {
		t.Error("a process had more than 140 MiB")
	}
	records := p.wantLedger()
	t.Logf("%d streams, %d kills, %d records; the quiet tick took %.1f s, a process had %.1f MiB at most",
		accounts*len(providerLogs), kills, records, quiet.took.Seconds(), quiet.peak)
}

// wantEach wants the check to find nothing wrong with any stream, and names a few.
func (p *provider) wantEach(check func(stream string, c customer) (wrong string)) {
	p.t.Helper()
	const few = 5
	misses := 0
	for s, c := range p.streams() {
		wrong := check(s.String(), c)
		if wrong == "" {
			continue
		}
		if misses++; misses <= few {
			p.t.Errorf("after tick %d: %s %s", len(p.begun), s, wrong)
		}
	}
	if misses > few {
		p.t.Errorf("after tick %d: so do %d more streams", len(p.begun), misses-few)
	}
}

// wantTurns wants no stream to have waited for two ticks while another was run in
// both.
func (p *provider) wantTurns() {
	p.t.Helper()
	standings, last := p.standings(), map[string]bool{}
	for s := range p.streams() {
		last[s.String()] = !standings[s.String()].Lease.AcquiredAt.Before(p.begun[len(p.begun)-1])
	}
	before := p.ran
	p.ran = last
	twice := ""
	for stream := range before {
		if before[stream] && last[stream] {
			twice = stream
		}
	}
	p.wantEach(func(stream string, _ customer) string {
		if twice != "" && !before[stream] && !last[stream] {
			return "was not run for two ticks, while " + twice + " was run in both"
		}
		return ""
	})
}

// wantRuns wants every stream to be run in the last tick, to end as its account makes
// it, by the store and by the answers, and to be asked for as often as one run asks.
// Where a budget is too short, some are partial. A message that comes when a stream's
// run has ended already runs it again, which is one request more.
func (p *provider) wantRuns(outcomes map[string]int, before map[string]int) {
	p.t.Helper()
	delete(outcomes, collect.Busy) // run by another message
	now, want := p.requests(), map[string]int{}
	p.wantEach(func(stream string, c customer) string {
		outcome, least := c.ends(len(p.begun))
		runs := p.lastRuns(stream)
		want[outcome] += len(runs)
		if len(runs) == 0 || slices.ContainsFunc(runs, func(r store.Run) bool { return r.Outcome != outcome }) {
			return fmt.Sprintf("had the runs %+v, want it %s", runs, outcome)
		}
		if asked := now[stream] - before[stream]; least > 0 && (asked < least || asked > least+len(runs)-1) {
			return fmt.Sprintf("was asked for %d times in %d runs, want %d", asked, len(runs), least)
		}
		return ""
	})
	if !maps.Equal(outcomes, want) {
		p.t.Errorf("the answers have runs %v, want %v", outcomes, want)
	}
}

// wantLedger wants the bucket to have what Duo shows, once, and returns how many
// records that is.
func (p *provider) wantLedger() (records int) {
	p.t.Helper()
	want, got := p.shown().sorted(), p.delivered().sorted()
	p.wantEach(func(stream string, _ customer) string {
		defer delete(got, stream)
		records += len(want[stream])
		if !slices.Equal(want[stream], got[stream]) {
			return fmt.Sprintf("has %d records in the bucket and %d at Duo, and they are not the same", len(got[stream]), len(want[stream]))
		}
		return ""
	})
	if len(got) > 0 || records == 0 {
		p.t.Errorf("of %d records, the bucket has some of no stream: %v", records, slices.Sorted(maps.Keys(got)))
	}
	return records
}

// BenchmarkScale is a tick of four messages to two processes that collect three
// quiet logs of so many accounts, with the waiting of a real one: how long it
// takes, the most memory that a process has, and how often a stream is asked for.
func BenchmarkScale(b *testing.B) {
	exe := build(b)
	issuer := handlertest.NewIssuer(b)
	var peaks []float64
	for _, accounts := range []int{10, 1000} {
		took, peak, requests := quietTick(b, exe, issuer, accounts)
		peaks = append(peaks, peak)
		streams := 3 * accounts
		b.ReportMetric(took.Seconds(), fmt.Sprintf("s-for-%d", streams))
		b.ReportMetric(peak, fmt.Sprintf("MiB-at-%d", streams))
		b.ReportMetric(float64(requests)/float64(streams), fmt.Sprintf("requests/stream-at-%d", streams))
	}
	b.ReportMetric(peaks[1]/peaks[0], "x-3000/30")
	b.ReportMetric(0, "ns/op")
}

// quietTick has the second of two ticks measured: the first makes the documents.
func quietTick(b *testing.B, exe string, issuer *handlertest.Issuer, accounts int) (took time.Duration, peak float64, requests int) {
	b.Helper()
	const wait = 100 * time.Millisecond
	at := servers{Duo: &account{Start: time.Now(), Step: time.Second, Delay: wait, Children: accounts}, Storage: wait / 2}.start(b)
	if err := connect(b, at, 0).objects.Bucket("bucket").Create(b.Context(), "demo", nil); err != nil {
		b.Fatal(err)
	}
	env := environment(b, at, issuer)
	env["DUO_LOGS"], env["DUO_ACCOUNTS"], env["CONCURRENCY"] = "telephony,authentication,activity", "children", "8"
	env["GOMEMLIMIT"] = "204MiB"
	env["FIRESTORE_EMULATOR_HOST"] = slowed(b, env["FIRESTORE_EMULATOR_HOST"], wait/5)
	processes := []service{launch(b, exe, env), launch(b, exe, env)}
	token := issuer.Token(b, nil)
	push := func() {
		var messages sync.WaitGroup
		for i := range 4 {
			messages.Go(func() { processes[i%2].post("/", `{"message":{"messageId":"1"}}`, token) })
		}
		messages.Wait()
	}
	push()
	before := asked(b, at)
	took = timed(push)
	requests = asked(b, at) - before
	for _, p := range processes {
		peak = max(peak, p.resident("VmHWM"))
		p.stop()
	}
	return took, peak, requests
}

// asked is how many pages Duo was asked for.
func asked(b *testing.B, at addresses) (n int) {
	b.Helper()
	resp, err := http.Get("http://" + at.Duo + "/asked")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := fmt.Fscan(resp.Body, &n); err != nil {
		b.Fatal(err)
	}
	return n
}
