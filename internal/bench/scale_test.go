package bench_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler/handlertest"
)

// BenchmarkScale is a tick of four messages to two processes that collect three
// quiet logs of so many accounts, with the waiting of a real one: how long it
// takes, the most memory that a process has, and how often a stream is asked for.
func BenchmarkScale(b *testing.B) {
	exe := build(b)
	issuer := handlertest.NewIssuer(b)
	var peaks []float64
	for _, accounts := range []int{10, 1000} {
		took, peak, requests := tick(b, exe, issuer, accounts)
		peaks = append(peaks, peak)
		streams := 3 * accounts
		b.ReportMetric(took.Seconds(), fmt.Sprintf("s-for-%d", streams))
		b.ReportMetric(peak, fmt.Sprintf("MiB-at-%d", streams))
		b.ReportMetric(float64(requests)/float64(streams), fmt.Sprintf("requests/stream-at-%d", streams))
	}
	b.ReportMetric(peaks[1]/peaks[0], "x-3000/30")
	b.ReportMetric(0, "ns/op")
}

// tick has the second of two ticks measured: the first makes the documents.
func tick(b *testing.B, exe string, issuer *handlertest.Issuer, accounts int) (took time.Duration, peak float64, requests int) {
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
