package store_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"duo-telephony-collector/internal/store"
)

// TestSchema2 reads testdata/schema2.json, which the last version with schema 2
// (commit 96452ee) left in its file, in a window with one page committed. The
// first write makes it schema 3.
func TestSchema2(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "schema2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		State json.RawMessage
		Seen  []byte // the document's only part of it
		Run   json.RawMessage
	}
	if err := json.Unmarshal(raw, &old); err != nil {
		t.Fatal(err)
	}
	f := newBoltFile(t)
	f.open(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte(stream))
			if err != nil {
				return err
			}
			seen, err := bucket.CreateBucket([]byte("seen"))
			if err != nil {
				return err
			}
			runs, err := bucket.CreateBucket([]byte("runs"))
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte("state"), old.State); err != nil {
				return err
			}
			if err := seen.Put([]byte("1"), old.Seen); err != nil {
				return err
			}
			return runs.Put([]byte("1"), old.Run)
		})
	})
	from := time.Date(2026, 11, 25, 8, 42, 6, 913e6, time.UTC)
	to := time.Date(2026, 11, 28, 8, 39, 36, 913e6, time.UTC)
	want := store.Cursor{
		Watermark: from, SeenFrom: time.Date(2026, 11, 26, 9, 31, 8, 569e6, time.UTC), Recheck: to,
		Window: store.Window{From: from, To: to, Page: 1}, // walked again from its start
		Totals: store.Totals{Pages: 1, Records: 1000, Objects: 1},
	}
	s := store.NewBolt(f.path, nil)
	c := claim("new", 1)
	c.Next = func(_ context.Context, s store.State) (store.Cursor, error) { return s.Cursor, nil }
	lease, got, err := s.Acquire(t.Context(), stream, c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || lease.Token != 2 {
		t.Errorf("token %d, cursor (-want +got):\n%s", lease.Token, diff)
	}
	if runs, err := s.Runs(t.Context(), stream, 5); err != nil || len(runs) != 1 || runs[0].Records != 1000 || runs[0].Outcome != "partial" {
		t.Errorf("the history is %+v, %v", runs, err)
	}
	got.Watermark, got.Window = to, store.Window{}
	if err := s.Finish(t.Context(), lease, got, store.Run{ID: "new"}); err != nil {
		t.Fatal(err)
	}
	var written struct{ Schema int }
	f.open(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			return json.Unmarshal(tx.Bucket([]byte(stream)).Get([]byte("state")), &written)
		})
	})
	if written.Schema != store.Schema {
		t.Errorf("the document then has schema %d", written.Schema)
	}
}
