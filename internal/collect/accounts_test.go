package collect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// child is an account below the world's, and its telephony log.
type child struct {
	duo.Account
	sim *duosim.Sim
}

func (w *world) addChild(n int) child {
	a := duo.Account{ID: fmt.Sprintf("DACHILD%d", n), Name: fmt.Sprintf("Child %d", n), Host: fmt.Sprintf("api-child%d.duosecurity.com", n)}
	return child{a, w.account.AddChild(duosim.Child{ID: a.ID, Name: a.Name, Host: a.Host})}
}

// accounts are the streams of these accounts, each in a folder of its own below the
// world's.
func (w *world) accounts(concurrency int, children ...child) *collect.Streams {
	w.t.Helper()
	all := &collect.Streams{Concurrency: concurrency}
	for _, a := range children {
		c := w.collector()
		client, err := w.duo.Child(a.Account)
		if err != nil {
			w.t.Fatal(err)
		}
		place := c.Bucket.Place()
		place.Prefix += "/" + a.Host
		c.Duo, c.Account, c.Host, c.Bucket = client, a.Account, a.Host, w.at(place)
		all.Collectors = append(all.Collectors, c)
	}
	return all
}

func nobody(*collect.Collector, *collect.Report) {}

// delivered are the ids of the records below each account's folder, which all have
// to be its own.
func (w *world) delivered() map[string][]string {
	w.t.Helper()
	ids := map[string][]string{}
	for name, data := range w.objects() {
		for line := range bytes.Lines(data) {
			var r struct {
				ID   string `json:"telephony_id"`
				Host string
			}
			if err := json.Unmarshal(line, &r); err != nil || !strings.Contains(name, "duo/"+r.Host+"/") {
				w.t.Errorf("%s has a record of %s, %v", name, r.Host, err)
			}
			ids[r.Host] = append(ids[r.Host], r.ID)
		}
	}
	for _, of := range ids {
		slices.Sort(of)
	}
	return ids
}

// ids of the records that add has put somewhere.
func ids(from, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("220f89ff-bff8-4466-b6cb-%012d", from+i))
	}
	return all
}

func (c child) add(at time.Time, ids ...string) {
	for i, id := range ids {
		c.sim.Add(duosim.Record{TS: at.Add(time.Duration(i) * time.Millisecond), ID: id})
	}
}

// TestAccountsApart has two accounts with records of the same ids and times, one of
// which Duo shows late in one account alone: each ends up with its own.
func TestAccountsApart(t *testing.T) {
	for name, open := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			one, two := w.addChild(1), w.addChild(2)
			at := w.clock().Add(-time.Hour)
			one.add(at, ids(0, 5)...)
			two.add(at, ids(0, 4)...)
			s := w.accounts(8, one, two)
			want := []string{"telephony@" + one.Host + " complete", "telephony@" + two.Host + " complete"}
			if diff := cmp.Diff(want, told(s.Run(t.Context(), collect.Job{}, nobody).Runs)); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
			for _, a := range []child{one, two} { // whose seen is lost, so that the bucket tells
				w.forget("telephony@" + a.Host)
			}
			two.add(at, ids(4, 1)...)
			from := at.Add(-time.Minute)
			job := collect.Job{Backfill: &store.Backfill{From: from, To: at.Add(time.Minute)}}
			s.Run(t.Context(), collect.Job{}, nobody)
			if r := s.Only(nil, &two.Name).Run(t.Context(), job, nobody).Runs[0]; r.Outcome != collect.Complete || r.Records+r.Duplicates != 5 {
				t.Errorf("the backfill of one: %+v", r.Summary)
			}
			all := map[string][]string{one.Host: ids(0, 5), two.Host: ids(0, 5)}
			if diff := cmp.Diff(all, w.delivered()); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			status, err := s.Status(t.Context(), "")
			if err != nil || *status.Logs[1].Account != (collect.Account{Host: two.Host, Name: two.Name}) || status.Vanished != nil {
				t.Errorf("status %+v, vanished %v, %v", status.Logs[1].Status, status.Vanished, err)
			}
		})
	}
}

// TestAccountComesAndGoes adds an account between two ticks and leaves it out of one
// tick's, while its records go on: nothing of them is lost or doubled.
func TestAccountComesAndGoes(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	stays, comes := w.addChild(1), w.addChild(2)
	for i, listed := range [][]child{{stays}, {stays, comes}, {stays}, {stays, comes}} {
		for _, c := range []child{stays, comes} {
			c.add(w.clock().Add(-150*time.Second), ids(i, 1)...)
		}
		w.pass(20 * time.Minute)
		s := w.accounts(8, listed...)
		if worst := collect.Worst(s.Run(t.Context(), collect.Job{}, nobody).Runs); worst.Outcome != collect.Complete {
			t.Fatalf("tick %d: %+v", i, worst.Summary)
		}
		status, err := s.Status(t.Context(), "")
		var want []string
		if i == 2 {
			want = []string{comes.Host}
		}
		if err != nil || !slices.Equal(status.Vanished, want) {
			t.Errorf("tick %d: vanished are %v, %v, want %v", i, status.Vanished, err, want)
		}
	}
	if diff := cmp.Diff(map[string][]string{stays.Host: ids(0, 4), comes.Host: ids(0, 4)}, w.delivered()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestAccountRefuses has one account on another deployment, and one that can't be
// asked at all: the third is collected, and the others say what to do.
func TestAccountRefuses(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	good := w.addChild(1)
	good.add(w.clock().Add(-time.Hour), ids(0, 3)...)
	far := child{Account: duo.Account{ID: "DAFAR", Name: "Far", Host: "api-far.duofederal.com"}}
	w.account.AddChild(duosim.Child{ID: far.ID, Host: far.Host, Elsewhere: true})
	s := w.accounts(8, far, good, good)
	fault := errors.New("it is listed without a host")
	s.Collectors[2].Fault, s.Collectors[2].Account.Host = fault, "unusable-DA"
	reports := s.Run(t.Context(), collect.Job{}, nobody).Runs
	for i, want := range []string{"ask Duo Support", "", fault.Error()} {
		failed := want != ""
		if r := reports[i]; (r.Outcome == collect.Failed) != failed || !strings.Contains(r.Reason, want) || failed != (r.Outcome != collect.Complete) {
			t.Errorf("%s %s: %s, want %q", r.Stream, r.Outcome, r.Reason, want)
		}
	}
	if diff := cmp.Diff(map[string][]string{good.Host: ids(0, 3)}, w.delivered()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestShared has a second request begin while the first is in its first stream: it
// passes that one by and runs all others, which the first then passes by. Nobody
// runs a stream twice, and each is told of what it has run alone.
func TestShared(t *testing.T) {
	for name, open := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			var children []child
			for n := range 5 {
				children = append(children, w.addChild(n))
				children[n].add(w.clock().Add(-time.Hour), ids(n, 1)...)
			}
			first, second := w.accounts(1, children...), w.accounts(1, children...)
			var told2 runs
			var reports2 []collect.Report
			var once sync.Once
			c := first.Collectors[0]
			c.Bucket = before{c.Bucket, func(ctx context.Context) {
				w.pass(time.Second)
				once.Do(func() { reports2 = second.Run(ctx, collect.Job{}, told2.add).Runs })
			}}
			c.At = func(p writer.Place) collect.Bucket { return w.at(p) }
			var told1 runs
			reports1 := first.Run(t.Context(), collect.Job{}, told1.add).Runs
			for i, a := range children {
				want1, want2 := collect.Busy, collect.Complete
				if i == 0 {
					want1, want2 = want2, want1
				}
				if reports1[i].Outcome != want1 || reports2[i].Outcome != want2 {
					t.Errorf("stream %d: %s and %s, want %s and %s", i, reports1[i].Outcome, reports2[i].Outcome, want1, want2)
				}
				state, err := w.store.Load(t.Context(), "telephony@"+a.Host)
				if err != nil || state.Lease.Token != 1 {
					t.Errorf("stream %d has run %d times, %v", i, state.Lease.Token, err)
				}
			}
			if len(told1.ended) != 1 || len(told2.ended) != 4 || !strings.Contains(reports1[1].Reason, "another request") {
				t.Errorf("told of %d and %d runs, the first passes by: %s", len(told1.ended), len(told2.ended), reports1[1].Reason)
			}
			w.pass(time.Second)
			reports := first.Run(t.Context(), collect.Job{}, nobody).Runs // the next request
			if worst := collect.Worst(reports); worst.Outcome != collect.Complete {
				t.Errorf("the next request: %+v", worst.Summary)
			}
		})
	}
}

// TestStatusOfMany has more streams than an overview has in full: the chosen one is, of
// the others it has the same as far as it goes. A document that can't be read hides no
// other's.
func TestStatusOfMany(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	var children []child
	for n := range 22 {
		children = append(children, w.addChild(n))
	}
	s := w.accounts(8, children...)
	children[3].sim.Log("telephony").Always(duosim.RateLimited(time.Hour))
	children[4].sim.Log("telephony").Always(duosim.Refuse(40301, "Access forbidden"))
	begun := s.Collectors[:21]
	for range 3 {
		(&collect.Streams{Concurrency: 8, Collectors: begun}).Run(t.Context(), collect.Job{}, nobody)
		w.pass(5 * time.Minute)
	}
	_, _, err := w.store.Acquire(t.Context(), s.Collectors[5].Live().String(), store.Claim{
		Holder: "another", TTL: time.Hour, Next: func(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	chosen := s.Collectors[7]
	got, err := s.Status(t.Context(), chosen.Backfill().String())
	if err != nil || len(got.Logs) != len(s.Collectors) {
		t.Fatalf("%d streams, %v", len(got.Logs), err)
	}
	for i, c := range s.Collectors {
		want, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c != chosen {
			want.Status, want.Backfill = inShort(want.Status), inShort(want.Backfill)
		}
		if diff := cmp.Diff(want, got.Logs[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Live(), diff)
		}
	}
}

// inShort is what an overview of many has of a status.
func inShort(s collect.Status) collect.Status {
	var failing time.Time
	var started []time.Time
	for _, r := range s.Runs {
		if r.Outcome != collect.Failed {
			started = append(started, r.StartedAt)
		} else if started == nil {
			failing = r.StartedAt
		}
	}
	s.Brief = &collect.Brief{Failing: failing, Started: started}
	s.Totals, s.Cursor.ReachesTo, s.Cursor.Window, s.Cursor.Backfill, s.Cursor.Seen = store.Totals{}, nil, nil, nil, 0
	if len(s.Runs) > 0 {
		r := s.Runs[0]
		s.Runs = []collect.Summary{{Outcome: r.Outcome, ID: r.ID, Stream: r.Stream, Reason: r.Reason, Act: r.Act, Gap: r.Gap, Token: r.Token, StartedAt: r.StartedAt}}
	}
	return s
}
