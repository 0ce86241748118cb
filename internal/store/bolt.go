package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockPoll is how often an operation tries to lock the file while another has
// it. Each holds it for milliseconds.
const lockPoll = 10 * time.Millisecond

// seed is for versionOf. Versions are only compared within this process.
var seed = maphash.MakeSeed()

var (
	stateKey   = []byte("state")
	seenKey    = []byte("seen")
	historyKey = []byte("runs")
)

// NewBolt returns a store that keeps everything in one bbolt file, created on
// first use. Its clock is now, or time.Now if that is nil.
//
// The file is opened and locked for each operation, so several processes may share it,
// and a killed one blocks nobody. A paused one blocks the others only if it was paused
// within an operation's few milliseconds; theirs then fail until it goes on.
func NewBolt(path string, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{backend: &boltBackend{path: path, now: now}}
}

type boltBackend struct {
	path string
	now  func() time.Time
}

// open runs f with the file open and locked.
func (b *boltBackend) open(ctx context.Context, f func(*bbolt.DB) error) (err error) {
	db, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(db)
}

// lock polls, because waiting for the lock in bbolt can't be cancelled.
func (b *boltBackend) lock(ctx context.Context) (*bbolt.DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("opening %s: %w", b.path, err)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		db, err := bbolt.Open(b.path, 0o600, &bbolt.Options{Timeout: time.Nanosecond})
		if err == nil {
			return db, nil
		}
		if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
			return nil, fmt.Errorf("%w: opening %s: %w: restore it, choose another one with -dir, or delete it: collecting then begins anew, and what is in the bucket is not written again", ErrSetup, b.path, err)
		}
		if !errors.Is(err, berrors.ErrTimeout) {
			return nil, fmt.Errorf("%w: opening %s: %w: make its folder writable, or choose another one with -dir", ErrSetup, b.path, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("opening %s: %w: another process has it locked: stop that process", b.path, ctx.Err())
		}
	}
}

// view runs f on the stream's bucket, nil if there is none yet.
func (b *boltBackend) view(ctx context.Context, stream string, f func(*bbolt.Bucket) error) error {
	return b.open(ctx, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket([]byte(stream))) })
	})
}

func (b *boltBackend) read(ctx context.Context, stream string) (document, stamp, error) {
	var doc document
	var at stamp
	err := b.view(ctx, stream, func(bucket *bbolt.Bucket) (err error) {
		if bucket == nil || bucket.Get(stateKey) == nil {
			return nil
		}
		at.version = versionOf(bucket.Get(stateKey))
		doc, err = b.decode(bucket)
		return err
	})
	at.now = b.now()
	return doc, at, err
}

// versionOf is a hash of the stored state. seq would not do: if the file is deleted
// during a run, it starts at 1 again.
func versionOf(state []byte) int64 { return int64(maphash.Bytes(seed, state)) }

func (b *boltBackend) decode(bucket *bbolt.Bucket) (document, error) {
	doc, err := b.decodeState(bucket)
	if seen := bucket.Bucket(seenKey); err == nil && seen != nil {
		doc.Seen = map[string][]byte{}
		err = seen.ForEach(func(k, v []byte) error { doc.Seen[string(k)] = v; return nil })
	}
	if err != nil {
		return doc, err
	}
	return doc, doc.unpack(b.path)
}

// decodeState leaves Seen out.
func (b *boltBackend) decodeState(bucket *bbolt.Bucket) (document, error) {
	var doc document
	raw := bucket.Get(stateKey)
	var head struct {
		Schema int64 `json:"schema"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return doc, unreadable(b.path, err)
	}
	if err := checkSchema(b.path, head.Schema); err != nil {
		return doc, err
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, unreadable(b.path, err)
	}
	return doc, nil
}

// transact needs no more than the file's lock.
func (b *boltBackend) transact(ctx context.Context, stream string, read stamp, absent document, decide func(document, stamp) (change, error)) (stamp, error) {
	return b.change(ctx, stream, func(bucket *bbolt.Bucket) (int64, error) {
		doc, at := absent, stamp{now: b.now()}
		if raw := bucket.Get(stateKey); raw != nil {
			var err error
			if doc, err = b.decode(bucket); err != nil {
				return 0, err
			}
			at.version = versionOf(raw)
		} else if read.version != 0 {
			return 0, &conflict{}
		}
		c, err := decide(doc, at)
		if err != nil {
			return 0, err
		}
		return replace(bucket, doc, at.version, c)
	})
}

func (b *boltBackend) write(ctx context.Context, stream string, version int64, c change) (stamp, error) {
	return b.change(ctx, stream, func(bucket *bbolt.Bucket) (int64, error) {
		raw := bucket.Get(stateKey)
		if raw == nil || versionOf(raw) != version {
			return 0, &conflict{}
		}
		doc, err := b.decode(bucket)
		if err != nil {
			return 0, err
		}
		return replace(bucket, doc, version, c)
	})
}

// change lets f write the stream's bucket, all or nothing, and return the version.
func (b *boltBackend) change(ctx context.Context, stream string, f func(*bbolt.Bucket) (int64, error)) (stamp, error) {
	var at stamp
	err := b.open(ctx, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte(stream))
			if err != nil {
				return err
			}
			at.version, err = f(bucket)
			return err
		})
	})
	at.now = b.now()
	return at, err
}

// probe begins a write and rolls it back.
func (b *boltBackend) probe(ctx context.Context, _ string, _ document, _ stamp) error {
	return b.open(ctx, func(db *bbolt.DB) error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		return tx.Rollback()
	})
}

// replace applies the change to the state with that version.
func replace(bucket *bbolt.Bucket, before document, version int64, c change) (int64, error) {
	doc := document{Schema: Schema, Seq: c.seq, Lease: fieldsOf(c.lease), Cursor: before.Cursor, Last: before.Last}
	if c.cursor != nil {
		doc.Cursor = *c.cursor
	}
	if c.run != nil {
		doc.Last = c.last
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return 0, err
	}
	return versionOf(raw), errors.Join(putSeen(bucket, version, c), bucket.Put(stateKey, raw), addRun(bucket, c.run))
}

// putSeen updates the stored parts.
func putSeen(bucket *bbolt.Bucket, version int64, c change) error {
	if version == 0 && bucket.Bucket(seenKey) != nil { // left by a state that was deleted
		if err := bucket.DeleteBucket(seenKey); err != nil {
			return err
		}
	}
	seen, err := bucket.CreateBucketIfNotExists(seenKey)
	if err != nil {
		return err
	}
	more, gone := c.parts()
	for _, number := range gone {
		err = errors.Join(err, seen.Delete([]byte(key(number))))
	}
	for _, p := range more {
		err = errors.Join(err, seen.Put([]byte(key(p.Number)), p.pack()))
	}
	return err
}

// addRun keeps the newest HistoryLimit runs, under keys that sort by time.
func addRun(bucket *bbolt.Bucket, r *Run) error {
	if r == nil {
		return nil
	}
	history, err := bucket.CreateBucketIfNotExists(historyKey)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint64(nil, uint64(r.StartedAt.UnixNano()))
	if err := history.Put(append(key, r.ID...), raw); err != nil {
		return err
	}
	c, kept := history.Cursor(), 0
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		if kept++; kept > HistoryLimit {
			return c.Delete()
		}
	}
	return nil
}

func (b *boltBackend) runs(ctx context.Context, stream string, limit int) ([]Run, error) {
	var out []Run
	err := b.view(ctx, stream, func(bucket *bbolt.Bucket) error {
		if bucket == nil || bucket.Bucket(historyKey) == nil {
			return nil
		}
		c := bucket.Bucket(historyKey).Cursor()
		for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
			var r Run
			if err := json.Unmarshal(v, &r); err != nil {
				return unreadable(b.path, err)
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// hasRun looks among the newest runs. It is for lost answers, and a file loses none.
func (b *boltBackend) hasRun(ctx context.Context, stream, id string) (bool, error) {
	runs, err := b.runs(ctx, stream, HistoryLimit)
	if slices.ContainsFunc(runs, func(r Run) bool { return r.ID == id }) {
		return true, nil
	}
	return false, err
}
