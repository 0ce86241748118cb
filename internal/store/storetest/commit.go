package storetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/store"
)

// testRoundTrip stores filled and empty values, and reads them by another handle.
func testRoundTrip(t *testing.T, b Backend) {
	s := b.Open()
	lease, _ := acquire(t, s, claim("first"))
	expect := func(after string, want store.Cursor) {
		t.Helper()
		wantSame(t, "cursor after "+after, want, load(t, b.Open(), stream).Cursor)
	}
	want := filled[store.Cursor](t, 0)
	mustDo(t, s.Commit(t.Context(), lease, want))
	expect("Commit", want)
	mustDo(t, s.Commit(t.Context(), lease, store.Cursor{}))
	expect("Commit of nothing", store.Cursor{})

	want, wantRun := filled[store.Cursor](t, 1000), filled[store.Run](t, 0)
	mustDo(t, s.Finish(t.Context(), lease, want, wantRun))
	expect("Finish", want)
	wantSame(t, "history after Finish", []store.Run{wantRun}, history(t, s, stream, 10))
	next, cursor := acquire(t, b.Open(), claim("second"))
	wantSame(t, "the next run's cursor", want, cursor)
	want = filled[store.Cursor](t, 2000)
	mustDo(t, s.Commit(t.Context(), next, want))
	empty := run("second")
	mustDo(t, s.Release(t.Context(), next, empty))
	expect("Release", want)
	if got := history(t, s, stream, 10); len(got) != 2 || !cmp.Equal(got[1], empty) && !cmp.Equal(got[0], empty) {
		t.Errorf("history %+v, want %+v in it", got, empty)
	}
}

// testSeen commits Seen page by page, in several runs. It is stored as committed,
// whether a part is new, kept, merged or dropped.
func testSeen(t *testing.T, b Backend) {
	s := b.Open()
	var want store.Cursor
	for n := range 8 {
		c := claim("run")
		if n%4 == 3 { // as a backfill of another range does
			want.Seen = nil
			c.Next = func(context.Context, store.State) (store.Cursor, error) { return store.Cursor{}, nil }
		}
		lease, got := acquire(t, s, c)
		if stored := load(t, b.Open(), stream).Cursor.Seen; len(stored) != len(want.Seen) {
			t.Fatalf("run %d begins with %d parts, want %d", n, len(stored), len(want.Seen))
		}
		for page, size := range []int{1, 600, 300, 300, 0, 1000, 2} {
			if !reflect.DeepEqual(want.Seen, got.Seen) {
				t.Fatalf("run %d, page %d: got %d parts with %d identities, want %d with %d, or others", n, page, len(got.Seen), got.Seen.Len(), len(want.Seen), want.Seen.Len())
			}
			if n%4 == 1 {
				got.Seen = nil // numbers start at 1 again
			}
			at := int64(n*10 + page)
			want.Seen = got.Seen.With(sightings(at, size), at, at-1).Since(at - 25)
			mustDo(t, s.Commit(t.Context(), lease, want))
			got = load(t, b.Open(), stream).Cursor
			if page%2 == 0 {
				got = want // a run goes on with what it committed
			}
		}
		mustDo(t, s.Release(t.Context(), lease, run("run")))
	}
}

// sightings are n identities, different ones for each at.
func sightings(at int64, n int) []store.ID {
	ids := make([]store.ID, n)
	for i := range ids {
		ids[i] = store.ID{byte(at), byte(at >> 8), byte(i), byte(i >> 8)}
	}
	return ids
}

// testLateCommit: an expired lease works until another run takes it.
func testLateCommit(t *testing.T, b Backend) {
	s := b.Open()
	lease, _ := acquire(t, s, claim("first"))
	age(t, b, 2*ttl)
	mustDo(t, s.Commit(t.Context(), lease, pages(1)))
	age(t, b, 2*ttl)
	mustDo(t, s.Finish(t.Context(), lease, pages(2), run("first")))
	if state := load(t, s, stream); state.Cursor.Totals.Pages != 2 || state.Lease.Holder != "" {
		t.Errorf("state %+v, want 2 pages and a free lease", state)
	}
}

// testTakenOver has a second run take over from a first, at every point of both.
// The first one then tries everything. The lease is moved in time, because no clock
// here decides when it expires.
func testTakenOver(t *testing.T, b Backend) {
	s := b.Open()
	for _, test := range []struct {
		first, second string
		forced        bool
	}{
		{"nothing", "nothing", false},
		{"nothing", "commit", false},
		{"nothing", "finish", true},
		{"nothing", "release", true},
		{"commit", "nothing", true},
		{"commit", "commit", true},
		{"commit", "finish", false},
		{"commit", "release", false},
	} {
		name := fmt.Sprintf("%s, forced %t, %s", test.first, test.forced, test.second)
		t.Run(name, func(t *testing.T) {
			first, _ := acquire(t, s, force("first in "+name))
			write(t, s, first, test.first)
			c := claim("second in " + name)
			if c.Force = test.forced; !test.forced {
				age(t, b, ttl-time.Minute)
				wantRefused(t, "acquiring a minute before the expiry", s, c, store.ErrHeld)
				age(t, b, ttl)
			}
			second, _ := acquire(t, b.Open(), c)
			wantSame(t, "the next token", first.Token+1, second.Token)
			wantSame(t, "the next holder", c.Holder, second.Holder)
			wantRefused(t, "acquiring what was taken over", s, claim("third"), store.ErrHeld)
			write(t, s, second, test.second)
			expectLost(t, b, first)
		})
	}
}

// expectLost tries everything under a lost lease.
func expectLost(t *testing.T, b Backend, l *store.Lease) {
	t.Helper()
	s, same := b.Open(), unchanged(t, b)
	wantError(t, "Commit", s.Commit(t.Context(), l, pages(-1)), store.ErrLost)
	wantError(t, "Finish", s.Finish(t.Context(), l, pages(-1), run("late")), store.ErrLost)
	wantError(t, "Release", s.Release(t.Context(), l, run("late")), store.ErrLost)
	same("a run without the lease")
	for _, r := range history(t, s, stream, store.HistoryLimit) {
		if r.ID == "late" {
			t.Error("a run without the lease is in the history")
		}
	}
}

// testGivenBack: nothing can be written under a released lease.
func testGivenBack(t *testing.T, b Backend) {
	s := b.Open()
	for n, giveBack := range []string{"finish", "release"} {
		lease, _ := acquire(t, s, claim("first"))
		wantSame(t, "token", int64(n+1), lease.Token)
		write(t, s, lease, giveBack)
		if got := load(t, s, stream).Lease; got.Holder != "" || got.Token != lease.Token {
			t.Errorf("given back, the lease is %+v, want it free and its token kept", got)
		}
		expectLost(t, b, lease)
	}
}

func testStreams(t *testing.T, b Backend) {
	s := b.Open()
	lease, _ := acquire(t, s, claim("first"))
	other, cursor, err := s.Acquire(t.Context(), stream+"-backfill", claim("first"))
	mustDo(t, err)
	if other.Token != 1 || cursor.Totals.Pages != 0 {
		t.Errorf("the other stream starts with token %d and %+v", other.Token, cursor)
	}
	mustDo(t, s.Commit(t.Context(), lease, pages(5)))
	same := unchanged(t, b)
	mustDo(t, s.Finish(t.Context(), other, pages(6), run("other")))
	same("the other stream's Finish")
	wantSame(t, "the other stream's pages", 6, load(t, s, stream+"-backfill").Cursor.Totals.Pages)
	if got := history(t, s, stream, 10); len(got) != 0 {
		t.Errorf("the history holds the other stream's %+v", got)
	}
}
