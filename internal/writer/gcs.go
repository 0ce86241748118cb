package writer

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"net/http"
	"path"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
)

// listPage is how many objects are listed at a time. A busy stream has thousands a
// day, a call each hundred would take minutes; a thousand at once is megabytes.
const listPage = 500

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// GCS keeps the objects in a Cloud Storage bucket. The service account needs
// roles/storage.objectCreator and roles/storage.objectViewer there, no right to delete.
type GCS struct {
	client  *storage.Client
	bucket  string
	prefix  string
	timeout time.Duration
	pause   time.Duration
}

// NewGCS returns the bucket's objects below prefix; "" is the bucket's root.
func NewGCS(client *storage.Client, bucket, prefix string) *GCS {
	return &GCS{client: client, bucket: bucket, prefix: cleanPrefix(prefix), timeout: callTimeout, pause: callPause}
}

// Place returns where g's objects are.
func (g *GCS) Place() Place { return Place{g.bucket, g.prefix} }

// At returns the objects in another place, with the same client.
func (g *GCS) At(p Place) *GCS { return NewGCS(g.client, p.Bucket, p.Prefix) }

// URI is the object's gs:// address.
func (g *GCS) URI(name Name) string { return g.uri(g.key(name)) }

func (g *GCS) uri(key string) string { return "gs://" + g.bucket + "/" + key }

// below is what all keys below the prefix begin with.
func (g *GCS) below() string { return strings.TrimPrefix(g.prefix+"/", "/") }

func (g *GCS) key(name Name) string { return path.Join(g.prefix, name.String()) }

// Put creates the object and returns nil, nil once it is durable. If an earlier attempt
// has taken the name, Put writes nothing and returns the existing object; nil, nil if
// that equals o, and ErrForeign if it is not ours. It looks after any refusal: a taken
// name may be answered with a retention policy, a hold or a missing permission.
func (g *GCS) Put(ctx context.Context, o Object) (*Object, error) {
	ctx = oneOperation(ctx)
	stored := pack(o)
	err := g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) error {
		return g.upload(ctx, b, o, stored)
	})
	if err == nil {
		return nil, nil
	}
	refused, ok := refusalOf(err)
	if !ok || !refused.final() {
		return nil, fmt.Errorf("writing object %s: %w", g.URI(o.Name), g.explain(err))
	}
	there, err := g.existing(ctx, o, stored)
	if err == nil || errors.Is(err, ErrForeign) {
		return there, err
	}
	return nil, g.refusedPut(o.Name, refused, err)
}

// refusedPut is the error after a refused create if looking for the object failed
// too, with fs.ErrNotExist if there is none.
func (g *GCS) refusedPut(name Name, refused refusal, looked error) error {
	told := refused.explain(g.bucket)
	// Without the bucket there is no object either.
	switch gone := errors.Is(looked, fs.ErrNotExist) || refused.code == http.StatusNotFound; {
	case gone && (unmet.of(refused) || overwrite.of(refused)):
		return goneError(g.URI(name), told)
	case gone:
		return fmt.Errorf("writing object %s: %w", g.URI(name), told)
	case refused.taken():
		return looked
	}
	return fmt.Errorf("writing object %s: %w (whether it exists is unknown: %v)", g.URI(name), told, looked)
}

// upload sends stored in one request that only creates.
func (g *GCS) upload(ctx context.Context, b *storage.BucketHandle, o Object, stored []byte) error {
	w := b.Object(g.key(o.Name)).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	// Just above the object's size, so that one request is enough. The default
	// allocates 16 MiB per object, and 0 turns the library's retries off.
	w.ChunkSize = len(stored) + 1024
	// The server checks the sum before it stores anything.
	w.CRC32C, w.SendCRC32C = crc32.Checksum(stored, castagnoli), true
	w.Metadata = o.Meta.encode()
	w.ContentType = "application/x-ndjson"
	if o.Name.Gzip {
		// With a Content-Encoding, Cloud Storage would unpack the object for
		// readers that don't ask for gzip.
		w.ContentType = "application/gzip"
	}
	if _, err := w.Write(stored); err != nil {
		return err
	}
	return w.Close()
}

// existing returns the object that has o's name, or nil if it equals o: the library
// repeated an upload whose answer was lost, or another run sent the same.
func (g *GCS) existing(ctx context.Context, o Object, stored []byte) (*Object, error) {
	attrs, meta, err := g.attrs(ctx, o.Name)
	if err != nil {
		return nil, err
	}
	sameBytes := attrs.Size == int64(len(stored)) && attrs.CRC32C == crc32.Checksum(stored, castagnoli)
	if sameBytes && meta.sameWalk(o.Meta) {
		return nil, nil
	}
	data, err := g.content(ctx, o.Name, attrs, false)
	if err != nil {
		return nil, err
	}
	return &Object{Name: o.Name, Data: data, Meta: meta}, nil
}

// Get returns the object, fs.ErrNotExist if there is none. If it is not ours, Get
// returns its data without metadata, and ErrForeign.
func (g *GCS) Get(ctx context.Context, name Name) (Object, error) {
	attrs, meta, foreign := g.attrs(ctx, name)
	if foreign != nil && !errors.Is(foreign, ErrForeign) {
		return Object{}, foreign
	}
	data, err := g.content(ctx, name, attrs, foreign != nil)
	if err != nil {
		return Object{}, err
	}
	return Object{Name: name, Data: data, Meta: meta}, foreign
}

// attrs returns the attributes also with ErrForeign.
func (g *GCS) attrs(ctx context.Context, name Name) (attrs *storage.ObjectAttrs, meta Meta, err error) {
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) (err error) {
		attrs, err = b.Object(g.key(name)).Attrs(ctx)
		return err
	})
	if err != nil {
		return nil, Meta{}, fmt.Errorf("reading object %s: %w", g.URI(name), g.explain(err))
	}
	meta, ok := decodeMeta(attrs.Metadata)
	if !ok {
		return attrs, Meta{}, foreignError(g.URI(name))
	}
	return attrs, meta, nil
}

// content returns the unpacked bytes of the generation that attrs describes, so that
// both belong together whatever happens between the two requests.
func (g *GCS) content(ctx context.Context, name Name, attrs *storage.ObjectAttrs, foreign bool) (data []byte, err error) {
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) (err error) {
		data, err = download(ctx, b.Object(attrs.Name).Generation(attrs.Generation), attrs.Size)
		return err
	})
	if err == nil {
		data, err = unpack(name, data, foreign)
	}
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", g.URI(name), g.explain(err))
	}
	return data, nil
}

// Read returns any object of the bucket, ours or not, by its full key, without the
// prefix added. It reads at most 1 MiB; fs.ErrNotExist if there is no object.
func (g *GCS) Read(ctx context.Context, key string) (data []byte, err error) {
	err = g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) (err error) {
		data, err = download(ctx, b.Object(key), maxRead)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", g.uri(key), g.explain(err))
	}
	return data, nil
}

func download(ctx context.Context, o *storage.ObjectHandle, limit int64) ([]byte, error) {
	r, err := o.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// Read to the end, where the library checks the sum.
	return readAll(r, limit)
}

// List returns our objects, of any stream, whose windows overlap [from, to), in name
// order. No window is wider than widest: the listing starts at the date folder of
// from - widest. Only names in our form count; an object without our metadata is listed
// with ErrForeign, because its records are unknown. Any other error ends the listing.
func (g *GCS) List(ctx context.Context, from, to time.Time, widest time.Duration) iter.Seq2[Info, error] {
	query := &storage.Query{
		Prefix:      g.below(),
		StartOffset: path.Join(g.prefix, folder(from.Add(-widest))),
		EndOffset:   path.Join(g.prefix, folder(to.Add(day))),
		Projection:  storage.ProjectionNoACL,
	}
	// There can be no error: both names exist.
	_ = query.SetAttrSelection([]string{"Name", "Metadata"})
	return func(yield func(Info, error) bool) {
		for attrs, err := range g.objects(ctx, query) {
			if err != nil {
				yield(Info{}, fmt.Errorf("listing %s: %w", g.uri(query.Prefix), g.explain(err)))
				return
			}
			name, ok := ParseName(strings.TrimPrefix(attrs.Name, query.Prefix))
			if !ok || !name.intersects(from, to) {
				continue
			}
			meta, ok := decodeMeta(attrs.Metadata)
			var foreign error
			if !ok {
				foreign = foreignError(g.uri(attrs.Name))
			}
			if !yield(Info{Name: name, Meta: meta}, foreign) {
				return
			}
		}
	}
}

// objects lists in pages, a call each, so that a slow reader meets no time-out.
func (g *GCS) objects(ctx context.Context, query *storage.Query) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		for token, more := "", true; more; more = token != "" {
			var page []*storage.ObjectAttrs
			err := g.call(ctx, func(ctx context.Context, b *storage.BucketHandle) (err error) {
				token, err = iterator.NewPager(b.Objects(ctx, query), listPage, token).NextPage(&page)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, attrs := range page {
				if !yield(attrs, nil) {
					return
				}
			}
		}
	}
}
