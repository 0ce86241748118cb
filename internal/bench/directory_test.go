package bench_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// directory is an empty bucket and an empty store on this machine.
type directory struct {
	dir    string
	bucket *writer.Dir
}

// newDirectory makes one on disk, because syncs are part of the work.
func newDirectory(b testing.TB) directory {
	b.Helper()
	dir, err := os.MkdirTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	return directory{dir: dir, bucket: writer.NewDir(dir, "duo")}
}

func (d directory) state() string { return filepath.Join(d.dir, "state.db") }

func (d directory) collector(c *duo.Client) *collect.Collector {
	return newCollector(c, store.NewBolt(d.state(), nil), d.bucket)
}

// directoryContest has as its floor the same files, and transactions of the same
// bytes in a database that is opened for each, so that processes can share it.
func directoryContest(b *testing.B, c *duo.Client, pages int) contest {
	d := newDirectory(b)
	runPages(b, d.collector(c), 3)
	object, state, part := d.sample(b)
	return contest{
		floor: func(beside func()) {
			d := newDirectory(b)
			for i := range pages {
				object.Name.Page = i
				while(func() {
					if _, err := d.bucket.Put(b.Context(), object); err != nil {
						b.Fatal(err)
					}
					d.replace(b, i, state, part)
				}, beside)
			}
		},
		run: func() { complete(b, newDirectory(b).collector(c), pages) },
	}
}

// sample is the first object, the state and a part of Seen.
func (d directory) sample(b testing.TB) (o writer.Object, state, part []byte) {
	b.Helper()
	for info, err := range d.bucket.List(b.Context(), time.Now().Add(-179*24*time.Hour), time.Now(), 0) {
		if err == nil {
			o, err = d.bucket.Get(b.Context(), info.Name)
		}
		if err != nil {
			b.Fatal(err)
		}
		break
	}
	d.transact(b, func(bucket, seen *bbolt.Bucket) error {
		_, last := seen.Cursor().Last()
		state, part = bytes.Clone(bucket.Get([]byte("state"))), bytes.Clone(last)
		return nil
	})
	if o.Data == nil || state == nil || part == nil {
		b.Fatal("the run of the sample left nothing")
	}
	return o, state, part
}

// replace is a commit: it adds a page's identities and deletes the last page's.
func (d directory) replace(b testing.TB, n int, state, part []byte) {
	d.transact(b, func(bucket, seen *bbolt.Bucket) error {
		return errors.Join(bucket.Put([]byte("state"), state), seen.Put(fmt.Append(nil, n), part), seen.Delete(fmt.Append(nil, n-1)))
	})
}

func (d directory) transact(b testing.TB, f func(bucket, seen *bbolt.Bucket) error) {
	db, err := bbolt.Open(d.state(), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(stream))
		if err != nil {
			return err
		}
		seen, err := bucket.CreateBucketIfNotExists([]byte("seen"))
		if err != nil {
			return err
		}
		return f(bucket, seen)
	})
	if err != nil {
		b.Fatal(err)
	}
}
