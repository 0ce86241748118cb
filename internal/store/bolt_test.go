package store_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/store/storetest"
)

func TestBolt(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t *testing.T) storetest.Backend {
		f := newBoltFile(t)
		return storetest.Backend{
			Open:   func() *store.Store { return store.NewBolt(f.path, nil) },
			Raw:    f.raw,
			Edit:   f.edit,
			Delete: func(stream string) { f.put(stream, nil) },
			Env:    []string{boltVar + "=" + f.path},
		}
	})
}

// boltFile looks at the file without the store.
type boltFile struct {
	t    *testing.T
	path string
}

func newBoltFile(t *testing.T) boltFile {
	t.Helper()
	return boltFile{t, filepath.Join(t.TempDir(), "state.db")}
}

func (f boltFile) open(do func(*bbolt.DB) error) {
	f.t.Helper()
	db, err := bbolt.Open(f.path, 0o600, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	if err := do(db); err != nil {
		f.t.Fatal(err)
	}
}

func (f boltFile) raw(stream string) (state string) {
	f.t.Helper()
	f.open(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			if bucket := tx.Bucket([]byte(stream)); bucket != nil {
				state = string(bucket.Get([]byte("state")))
			}
			return nil
		})
	})
	return state
}

// put replaces the state, or deletes it if it is nil.
func (f boltFile) put(stream string, state []byte) {
	f.t.Helper()
	f.open(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte(stream))
			if err != nil {
				return err
			}
			if state == nil {
				return bucket.Delete([]byte("state"))
			}
			return bucket.Put([]byte("state"), state)
		})
	})
}

func (f boltFile) edit(stream string, change func(map[string]any)) {
	f.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(f.raw(stream))))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		f.t.Fatal(err)
	}
	change(fields)
	state, err := json.Marshal(fields)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(stream, state)
}
