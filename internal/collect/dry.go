package collect

import (
	"context"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// dryStore lets a run go through all its steps and changes nothing.
type dryStore struct{ Store }

func (d dryStore) Acquire(ctx context.Context, stream string, c store.Claim) (*store.Lease, store.Cursor, error) {
	s, err := d.Load(ctx, stream)
	if err != nil {
		return nil, store.Cursor{}, err
	}
	cursor, err := c.Next(ctx, s)
	return s.Unheld(), cursor, err
}

func (dryStore) Commit(context.Context, *store.Lease, store.Cursor) error            { return nil }
func (dryStore) Finish(context.Context, *store.Lease, store.Cursor, store.Run) error { return nil }
func (dryStore) Release(context.Context, *store.Lease, store.Run) error              { return nil }

// dryBucket reads what is there and writes nothing.
type dryBucket struct{ Bucket }

func (dryBucket) Put(context.Context, writer.Object) (*writer.Object, error) { return nil, nil }
