package bench_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/fsouza/fake-gcs-server/fakestorage"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler/handlertest"
	"duo-telephony-collector/internal/store"
)

const (
	bucketName   = "bucket"
	customerPage = 50 // records that Duo's simulator shows at a time
	concurrency  = 4
)

// provider is a managed provider with its customers' accounts, and all that a
// service needs to collect three logs of each.
type provider struct {
	t      *testing.T
	exe    string
	env    map[string]string
	token  string
	sim    *duosim.Sim
	bucket *fakestorage.Server
	states *firestore.CollectionRef
	store  *store.Store
	rng    *mathrand.Rand

	accounts []customer
	begun    []time.Time     // when ticks began, by Firestore's clock
	ran      map[string]bool // streams that were run in the last tick
}

// customer is an account below the provider's. One that refuses does so for ever, one
// that limits the rate does so in every second tick.
type customer struct {
	*duosim.Sim
	number           int
	host             string
	refuses, limited bool
}

// limits reports whether it answers nothing in that tick.
func (c customer) limits(tick int) bool { return c.limited && (tick+c.number/20)%2 == 1 }

// ends is how a run in that tick ends that has nothing new, and after how many
// requests; 0 for any number, which a broken server takes.
func (c customer) ends(tick int) (outcome string, requests int) {
	switch {
	case c.refuses:
		return collect.Failed, 0
	case c.limits(tick):
		return collect.Partial, 1
	case c.limited:
		return collect.Complete, 2 // the window that the last tick could not read comes first
	}
	return collect.Complete, 1
}

// providerLogs are the logs that each account has.
var providerLogs = duo.Logs[:3]

func newProvider(t *testing.T, accounts int) *provider {
	t.Helper()
	p := &provider{t: t, exe: build(t), rng: mathrand.New(mathrand.NewPCG(7, uint64(accounts)))}
	p.sim = duosim.New(duosim.Config{IKey: "DIWJ8X6AEYOR5OMC6TQ1", SKey: "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep", Host: apiHost,
		Manners: duosim.Manners{PageSize: customerPage}, RetryAfter: true})
	for i := range accounts {
		p.accounts = append(p.accounts, p.customer(i))
	}
	var err error
	if p.bucket, err = fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard}); err != nil {
		t.Fatal(err)
	}
	p.bucket.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucketName})
	issuer := handlertest.NewIssuer(t)
	p.token = issuer.Token(t, nil)
	p.env = environment(t, addresses{}, issuer)
	maps.Copy(p.env, map[string]string{
		"DUO_LOGS": "telephony,authentication,activity", "DUO_ACCOUNTS": "children", "CONCURRENCY": fmt.Sprint(concurrency),
		"OVERLAP": "10m", "ENRICH": "false", // a line is what Duo shows
		"FIRESTORE_PROJECT": "demo", "FIRESTORE_COLLECTION": strings.ToLower(rand.Text()), "GOMEMLIMIT": "204MiB",
	})
	at := addresses{Storage: strings.TrimPrefix(p.serve(p.bucket.HTTPHandler()), "http://")}
	c := connect(t, at, 0)
	p.states = c.documents.Collection(p.env["FIRESTORE_COLLECTION"])
	p.store = store.NewFirestore(c.made, p.states.ID)
	return p
}

// customer makes an account. One in a hundred refuses for ever, by turns for want of
// a permission and as a server that is broken; one in twenty limits the rate; one in
// ten has several pages.
func (p *provider) customer(i int) customer {
	as := duosim.Child{ID: fmt.Sprintf("DA%018d", i), Name: fmt.Sprintf("Customer %d", i), Host: fmt.Sprintf("api-%08x.duosecurity.com", i)}
	c := customer{Sim: p.sim.AddChild(as), number: i, host: as.Host, refuses: i%100 == 0, limited: i%20 == 7}
	for _, log := range providerLogs {
		l := c.Log(log.Name)
		switch {
		case i%200 == 0:
			l.Always(duosim.Refuse(40301, "Access forbidden"))
		case c.refuses:
			l.Always(duosim.Status(http.StatusInternalServerError, `{"stat":"FAIL","code":50001,"message":"Internal error"}`))
		}
		n := 3
		if i%10 == 3 {
			n = 2*customerPage + 20
		}
		p.add(l, n, 2*time.Hour)
	}
	return c
}

// add puts n records of the six minutes before that age into a log. Accounts have
// the same ids.
func (p *provider) add(l *duosim.Log, n int, age time.Duration) {
	for i := range n {
		at := time.Now().Add(-age - time.Duration(p.rng.Int64N(int64(6*time.Minute))))
		l.Add(duosim.Record{TS: at.Truncate(time.Microsecond), ID: uuid(1000*len(p.begun) + i)})
	}
}

// addNew has new records in a tenth of the streams.
func (p *provider) addNew() {
	for _, c := range p.accounts {
		for _, log := range providerLogs {
			if p.rng.IntN(10) == 0 {
				p.add(c.Log(log.Name), 1+p.rng.IntN(3), duosim.Delay+10*time.Second)
			}
		}
	}
}

func (p *provider) serve(h http.Handler) (url string) {
	server := httptest.NewServer(h)
	p.t.Cleanup(server.Close)
	return server.URL
}

// streams are all streams, each with its account.
func (p *provider) streams() iter.Seq2[collect.Stream, customer] {
	return func(yield func(collect.Stream, customer) bool) {
		for _, c := range p.accounts {
			for _, log := range providerLogs {
				if !yield(collect.Stream{Log: log.Name, Account: c.host}, c) {
					return
				}
			}
		}
	}
}

// tick is what became of four messages to two processes.
type tick struct {
	outcomes map[string]int // how many runs ended so, as all answers together say
	took     time.Duration
	peak     float64 // memory of a process, in MiB; 0 where they were killed
}

// tick sends two processes two messages each. With a limit, each process is killed
// once so many streams have come through its door. Without, what it asks waits as
// long as real requests do.
func (p *provider) tick(limit int) tick {
	p.t.Helper()
	p.begin()
	done := tick{outcomes: map[string]int{}}
	var pairs sync.WaitGroup
	var mu sync.Mutex
	doors := []*door{newDoor(limit, 2*concurrency), newDoor(limit, 2*concurrency)}
	services := []service{p.start(doors[0]), p.start(doors[1])}
	done.took = timed(func() {
		for i, s := range services {
			pairs.Go(func() {
				for outcomes := range p.pushTwice(s, doors[i]) {
					mu.Lock()
					for outcome, n := range outcomes {
						done.outcomes[outcome] += n
					}
					mu.Unlock()
				}
			})
		}
		pairs.Wait()
	})
	for _, s := range services {
		if limit == 0 {
			done.peak = max(done.peak, s.resident("VmHWM"))
			s.stop()
		}
	}
	return done
}

// begin has a tick begin after as long as leases, pauses and learned paces last.
func (p *provider) begin() {
	p.t.Helper()
	_, now, err := p.store.Standings(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	p.begun = append(p.begun, now)
	for s, c := range p.streams() {
		if c.limits(len(p.begun)) {
			c.Log(s.Log).Always(duosim.RateLimited(2 * time.Minute)) // longer than a run waits
		} else if c.limited {
			c.Log(s.Log).Always(duosim.Pass)
		}
	}
	p.age()
}

// age ends what a document has for a time.
func (p *provider) age() {
	p.t.Helper()
	all, err := p.states.Select("lease.holder", "cursor.pace.interval_ms").Documents(p.t.Context()).GetAll()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, doc := range all {
		var state struct {
			Lease  struct{ Holder string }
			Cursor struct {
				Pace struct {
					Interval int `firestore:"interval_ms"`
				}
			}
		}
		if err := doc.DataTo(&state); err != nil {
			p.t.Fatal(err)
		}
		if state.Lease.Holder == "" && state.Cursor.Pace.Interval == 0 {
			continue
		}
		_, err := doc.Ref.Update(p.t.Context(), []firestore.Update{
			{Path: "lease.ttl_ms", Value: 0}, {Path: "cursor.not_before", Value: time.Time{}}, {Path: "cursor.pace.interval_ms", Value: 0},
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// start starts a service behind a door. Firestore's emulator is slow enough by itself.
func (p *provider) start(d *door) service {
	p.t.Helper()
	env := maps.Clone(p.env)
	env["DUO_API_URL"] = p.serve(d.before(p.sim, askedOf, 100*time.Millisecond))
	env["STORAGE_EMULATOR_HOST"] = strings.TrimPrefix(p.serve(d.before(p.bucket.HTTPHandler(), uploadOf, 50*time.Millisecond)), "http://")
	return launch(p.t, p.exe, env)
}

// pushTwice sends two messages at once, and kills the process if its door shuts. It
// yields what the answers say.
func (p *provider) pushTwice(s service, d *door) iter.Seq[map[string]int] {
	return func(yield func(map[string]int) bool) {
		answers := make(chan map[string]int, 2)
		for range cap(answers) {
			go func() { answers <- p.push(s) }()
		}
		if d.limit > 0 {
			select {
			case <-d.full:
			case outcomes := <-answers:
				answers <- outcomes
				p.t.Errorf("a process was to be killed, and came to its end: %v", outcomes)
			}
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
		for range cap(answers) {
			yield(<-answers)
		}
	}
}

// push returns how many of a message's runs ended how, nothing where the process was
// killed.
func (p *provider) push(s service) map[string]int {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, s.url+"/", strings.NewReader(`{"message":{"messageId":"1"}}`))
	if err != nil {
		p.t.Error(err)
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var answer struct {
		Runs      []collect.Summary
		ByOutcome map[string]int `json:"by_outcome"` // where Runs are the worst alone
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		p.t.Errorf("a message was answered with %d: %v", resp.StatusCode, err)
	}
	if answer.ByOutcome != nil {
		return answer.ByOutcome
	}
	outcomes := map[string]int{}
	for _, r := range answer.Runs {
		outcomes[r.Outcome]++
	}
	return outcomes
}

// requests are how often Duo was asked, by stream.
func (p *provider) requests() map[string]int {
	all := map[string]int{}
	for s, c := range p.streams() {
		all[s.String()] = len(c.Log(s.Log).Requests())
	}
	return all
}

// standings are what the store knows of each stream.
func (p *provider) standings() map[string]store.Standing {
	p.t.Helper()
	list, _, err := p.store.Standings(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]store.Standing{}
	for _, s := range list {
		all[s.Stream] = s
	}
	return all
}

// lastRuns are a stream's runs in the last tick, four at most.
func (p *provider) lastRuns(stream string) []store.Run {
	p.t.Helper()
	runs, err := p.store.Runs(p.t.Context(), stream, 4)
	if err != nil {
		p.t.Fatal(err)
	}
	since := p.begun[len(p.begun)-1]
	return slices.DeleteFunc(runs, func(r store.Run) bool { return r.StartedAt.Before(since) })
}

// lines are records' lines, by stream.
type lines map[string][]string

// shown are the lines of the streams that can be read.
func (p *provider) shown() lines {
	all := lines{}
	for s, c := range p.streams() {
		if c.refuses {
			continue
		}
		for _, r := range c.Log(s.Log).Visible(time.Now().Add(-24*time.Hour), time.Now()) {
			var line bytes.Buffer
			if err := json.Compact(&line, r.Raw); err != nil {
				p.t.Fatal(err)
			}
			all[s.String()] = append(all[s.String()], line.String())
		}
	}
	return all
}

func (p *provider) delivered() lines {
	p.t.Helper()
	list, err := p.bucket.ListObjectsWithOptionsPaginated(bucketName, fakestorage.ListOptions{}) // no MaxResults, one page
	if err != nil {
		p.t.Fatal(err)
	}
	all := lines{}
	for _, a := range list.Objects {
		o, err := p.bucket.GetObject(bucketName, a.Name)
		if err != nil {
			p.t.Fatal(err)
		}
		s := streamAt(a.Name)
		all[s] = append(all[s], strings.Split(strings.TrimSuffix(string(o.Content), "\n"), "\n")...)
	}
	return all
}

// sorted sorts each stream's lines.
func (l lines) sorted() lines {
	for _, of := range l {
		slices.Sort(of)
	}
	return l
}
