package writer

import (
	"context"
	"fmt"

	"cloud.google.com/go/storage"
)

// Permissions returns those of the wanted permissions that the service account
// has on the bucket. Nothing is written, and to ask needs no permission; a
// grant on condition of an object's name does not show here.
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
