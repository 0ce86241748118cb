package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
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
			Delete: f.delete,
			Env:    []string{boltVar + "=" + f.path},
		}
	})
}

// boltFile accesses the file without the store.
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

// fields returns the document's fields and seen, nil if there is no document.
func (f boltFile) fields(stream string) (fields map[string]any) {
	f.t.Helper()
	f.open(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket([]byte(stream))
			if bucket == nil || bucket.Get([]byte("state")) == nil {
				return nil
			}
			decoder := json.NewDecoder(bytes.NewReader(bucket.Get([]byte("state"))))
			decoder.UseNumber()
			if err := decoder.Decode(&fields); err != nil {
				return err
			}
			seen := map[string]any{}
			fields["seen"] = seen
			return bucket.Bucket([]byte("seen")).ForEach(func(k, v []byte) error {
				seen[string(k)] = bytes.Clone(v)
				return nil
			})
		})
	})
	return fields
}

func (f boltFile) raw(stream string) string {
	f.t.Helper()
	fields := f.fields(stream)
	if fields == nil {
		return ""
	}
	text, err := json.Marshal(fields)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// update calls change with the stream's bucket.
func (f boltFile) update(stream string, change func(*bbolt.Bucket) error) {
	f.t.Helper()
	f.open(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte(stream))
			if err != nil {
				return err
			}
			return change(bucket)
		})
	})
}

// delete deletes the state and nothing else.
func (f boltFile) delete(stream string) {
	f.t.Helper()
	f.update(stream, func(b *bbolt.Bucket) error { return b.Delete([]byte("state")) })
}

func (f boltFile) edit(stream string, change func(map[string]any)) {
	f.t.Helper()
	fields := f.fields(stream)
	change(fields)
	f.update(stream, func(b *bbolt.Bucket) error {
		for k, v := range fields["seen"].(map[string]any) {
			if err := b.Bucket([]byte("seen")).Put([]byte(k), v.([]byte)); err != nil {
				return err
			}
		}
		delete(fields, "seen")
		state, err := json.Marshal(fields)
		return errors.Join(err, b.Put([]byte("state"), state))
	})
}
