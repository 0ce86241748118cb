package bench_test

import (
	"bytes"
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

// directory is an empty bucket and an empty store of one machine.
type directory struct {
	dir    string
	bucket *writer.Dir
}

// newDirectory makes one on the disk, whose syncs are part of the work.
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

// directoryContest has as its floor the same files, and transactions of the
// same bytes in a database that is opened for each, which is what lets two
// processes share it.
func directoryContest(b *testing.B, c *duo.Client, pages int) contest {
	d := newDirectory(b)
	runPages(b, d.collector(c), 3)
	object, document := d.sample(b)
	return contest{
		floor: func() {
			d := newDirectory(b)
			for i := range pages {
				object.Name.Page = i
				if _, err := d.bucket.Put(b.Context(), object); err != nil {
					b.Fatal(err)
				}
				d.replace(b, document)
			}
		},
		run: func() { complete(b, newDirectory(b).collector(c), pages) },
	}
}

// sample is the first object and the document.
func (d directory) sample(b testing.TB) (o writer.Object, document []byte) {
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
	d.transact(b, func(bucket *bbolt.Bucket) error {
		document = bytes.Clone(bucket.Get([]byte("state")))
		return nil
	})
	if o.Data == nil || document == nil {
		b.Fatal("the run of the sample left nothing")
	}
	return o, document
}

func (d directory) replace(b testing.TB, document []byte) {
	d.transact(b, func(bucket *bbolt.Bucket) error { return bucket.Put([]byte("state"), document) })
}

func (d directory) transact(b testing.TB, f func(*bbolt.Bucket) error) {
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
		return f(bucket)
	})
	if err != nil {
		b.Fatal(err)
	}
}
