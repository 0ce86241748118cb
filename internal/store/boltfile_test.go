package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"duo-telephony-collector/internal/store"
)

func TestBoltFile(t *testing.T) {
	t.Parallel()
	f := newBoltFile(t)
	s := store.NewBolt(f.path, nil)
	if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before the first use: got error %v, want that the file does not exist", err)
	}
	mustAcquire(t, s, claim("mine", 1))
	info, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != 0o600 {
		t.Errorf("the file's mode is %v, want 0600", mode)
	}
}

func TestBoltSetup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	content := []byte(strings.Repeat("this is no bbolt file\n", 1000))
	if err := os.WriteFile(text, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no folder":     filepath.Join(dir, "missing", "state.db"),
		"a folder":      dir,
		"no bbolt file": text,
	} {
		t.Run(name, func(t *testing.T) {
			s := store.NewBolt(path, nil)
			_, load := s.Load(t.Context(), stream)
			_, runs := s.Runs(t.Context(), stream, 1)
			_, _, acquire := s.Acquire(t.Context(), stream, claim("mine", 1))
			for _, err := range []error{load, runs, acquire} {
				if !errors.Is(err, store.ErrSetup) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "-dir") {
					t.Errorf("got error %v, want ErrSetup that names %s and -dir", err, path)
				}
				if strings.Contains(err.Error(), "delete it") != (path == text) {
					t.Errorf("got error %v, want what to do about a damaged file, and only about one", err)
				}
			}
		})
	}
	if got, err := os.ReadFile(text); err != nil || string(got) != string(content) {
		t.Errorf("error %v, or the file that is no bbolt file was changed", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want that the missing folder was not made", err)
	}
}

// TestBoltLocked: another process was stopped within the few milliseconds in
// which it has the file locked. Operations wait until their context ends, and
// work again once the file is unlocked.
func TestBoltLocked(t *testing.T) {
	path := newBoltFile(t).path
	synctest.Test(t, func(t *testing.T) {
		s := store.NewBolt(path, nil)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err = s.Acquire(ctx, stream, claim("mine", 1))
		expectUnsettled(t, err)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v, want the second that the context allows", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another process has it locked") {
			t.Errorf("got error %v, want the reason", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Acquire(t.Context(), stream, claim("mine", 1)); err != nil {
			t.Errorf("once the file is unlocked: %v", err)
		}
	})
}

// TestBoltFileReplaced deletes the file during a run. The run must not write into
// the next run's file, although tokens and sequence numbers are the same there.
func TestBoltFileReplaced(t *testing.T) {
	t.Parallel()
	f := newBoltFile(t)
	s := store.NewBolt(f.path, nil)
	old := mustAcquire(t, s, claim("old", 1))
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, s, claim("new", 1))
	before := f.raw(stream)
	if err := s.Commit(t.Context(), old, cursor(2)); !errors.Is(err, store.ErrLost) {
		t.Errorf("got error %v, want ErrLost", err)
	}
	if now := f.raw(stream); now != before {
		t.Errorf("the document is %s, want %s", now, before)
	}
}

func TestBoltClock(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000).UTC()
	s := store.NewBolt(newBoltFile(t).path, func() time.Time { return now })
	l := mustAcquire(t, s, claim("mine", 1))
	now = l.ExpiresAt().Add(-time.Millisecond)
	if _, _, err := s.Acquire(t.Context(), stream, claim("next", 2)); !errors.Is(err, store.ErrHeld) {
		t.Errorf("a millisecond before the expiry: got error %v, want ErrHeld", err)
	}
	now = l.ExpiresAt()
	if _, _, err := s.Acquire(t.Context(), stream, claim("next", 2)); err != nil {
		t.Errorf("at the expiry: %v", err)
	}
}

func TestBoltHistory(t *testing.T) {
	t.Parallel()
	f := newBoltFile(t)
	s := store.NewBolt(f.path, nil)
	const more = 5
	for n := range store.HistoryLimit + more {
		l := mustAcquire(t, s, claim("mine", 1))
		r := store.Run{ID: fmt.Sprint(n), StartedAt: time.Unix(int64(n), 0).UTC(), Pages: n}
		if err := s.Release(t.Context(), l, r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := s.Runs(t.Context(), stream, 1000)
	if err != nil || len(runs) != store.HistoryLimit {
		t.Fatalf("%d runs and error %v, want %d", len(runs), err, store.HistoryLimit)
	}
	for i, r := range runs {
		if want := store.HistoryLimit + more - 1 - i; r.Pages != want {
			t.Errorf("run %d is number %d, want %d", i, r.Pages, want)
		}
	}
	f.open(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			history := tx.Bucket([]byte(stream)).Bucket([]byte("runs"))
			key, _ := history.Cursor().Last()
			return history.Put(key, []byte(`{"pages":"many"}`))
		})
	})
	if _, err := s.Runs(t.Context(), stream, 1); !errors.Is(err, store.ErrSetup) {
		t.Errorf("with a record edited by hand: got error %v, want ErrSetup", err)
	}
}
