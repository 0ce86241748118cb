package bench_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/handler/handlertest"
)

// TestScale collects three logs of so many accounts by processes that are killed
// again and again, two in a tick, each in the middle of a third of the streams. One
// account in a hundred refuses for ever, and one in twenty limits the rate. It
// holds the service to this:
//
//   - the bucket has every record that Duo shows of the other accounts, once;
//   - no stream waits for more than two ticks;
//   - what refuses is told, and costs no other stream anything;
//   - a stream is asked for as often as if it were the only one.
//
// It is small unless SCALE_ACCOUNTS and SCALE_KILLS say otherwise, as in make scale.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts processes")
	}
	accounts, kills := fromEnv(t, "SCALE_ACCOUNTS", 20), fromEnv(t, "SCALE_KILLS", 4)
	p := newProvider(t, accounts)
	for range kills / 2 {
		p.tick(accounts * len(providerLogs) / 3)
		p.wantTurns()
		p.addNew()
	}
	p.tick(0) // ends what the last kills have left
	last := p.tick(0)
	p.wantTurns()
	p.wantRuns(last.runs)
	p.wantLedger()
	t.Logf("%d streams, %d kills: the last tick took %s, a process had %.1f MiB at most", accounts*len(providerLogs), kills, last.took.Round(time.Millisecond), last.peak)
	if last.peak > 140 {
		t.Error("that is more than 140 MiB")
	}
}

// wantTurns wants every stream to have been run since the tick before the last one
// began.
func (p *provider) wantTurns() {
	p.t.Helper()
	if len(p.begun) < 2 {
		return
	}
	since := p.begun[len(p.begun)-2]
	all, _, err := p.store.Standings(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, s := range all {
		ran[s.Stream] = !s.AcquiredAt.Before(since)
	}
	for s := range p.streams() {
		if !ran[s.String()] {
			p.t.Errorf("after tick %d: %s was not run for two ticks", len(p.begun), s)
		}
	}
}

// wantRuns wants each stream to be run, with nothing new, as if it were the only one.
func (p *provider) wantRuns(runs []collect.Summary) {
	p.t.Helper()
	of := map[string]collect.Summary{}
	for _, r := range runs {
		if r.Outcome != collect.Busy {
			of[r.Stream] = r
		}
	}
	for s, c := range p.streams() {
		r, ok := of[s.String()], false
		switch {
		case c.refuses:
			ok = r.Outcome == collect.Failed && r.Records == 0
		case c.limits(len(p.begun)):
			ok = r.Outcome == collect.Partial && strings.HasPrefix(r.Reason, "rate limited") && r.Requests == 1
		case c.limited: // a window before that one is left to it
			ok = r.Outcome == collect.Complete && r.Requests == 2
		default:
			ok = r.Outcome == collect.Complete && r.Requests == 1
		}
		if !ok {
			p.t.Errorf("%s: the run is %q with %d requests and %d records (%s)", s, r.Outcome, r.Requests, r.Records, r.Reason)
		}
	}
}

func (p *provider) wantLedger() {
	p.t.Helper()
	want, got := p.shown().sorted(), p.delivered().sorted()
	records := 0
	for s := range p.streams() {
		name := s.String()
		records += len(want[name])
		if !slices.Equal(want[name], got[name]) {
			p.t.Errorf("%s: the bucket has %d records, Duo shows %d, and they are not the same", name, len(got[name]), len(want[name]))
		}
		delete(got, name)
	}
	if len(got) > 0 || records == 0 {
		p.t.Errorf("of %d records, the bucket has some of no stream: %v", records, slices.Sorted(maps.Keys(got)))
	}
	p.t.Logf("%d records are in the bucket, each once", records)
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
