package writer

import (
	"context"
	"fmt"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
)

// Permissions returns which of the wanted permissions the service account has on
// the bucket. Asking writes nothing and needs no permission. Grants conditional on
// an object's name are not included.
func (g *GCS) Permissions(ctx context.Context, wanted ...string) (granted []string, err error) {
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) (err error) {
		granted, err = b.IAM().TestPermissions(ctx, wanted)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("asking for permissions on bucket %s: %w", g.bucket, g.explain(err))
	}
	return granted, nil
}

// ReadOne reads a byte of the first object below the prefix, ours or not, and
// returns its URI, "" if there is no object or it is empty. Some faults, such as a
// disabled key, show only when bytes are read.
func (g *GCS) ReadOne(ctx context.Context) (uri string, err error) {
	query := &storage.Query{Prefix: g.below(), Projection: storage.ProjectionNoACL}
	// There can be no error: both names exist.
	_ = query.SetAttrSelection([]string{"Name", "Size"})
	var first []*storage.ObjectAttrs
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) error {
		_, err := iterator.NewPager(b.Objects(ctx, query), 1, "").NextPage(&first)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("listing %s: %w", g.uri(query.Prefix), g.explain(err))
	}
	if len(first) == 0 || first[0].Size == 0 {
		return "", nil
	}
	uri = g.uri(first[0].Name)
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) error {
		r, err := b.Object(first[0].Name).NewRangeReader(ctx, 0, 1)
		if err != nil {
			return err
		}
		return r.Close()
	})
	if err != nil {
		return "", fmt.Errorf("reading object %s: %w", uri, g.explain(err))
	}
	return uri, nil
}
