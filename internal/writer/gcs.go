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

// listPage is how many objects are listed at a time. Cloud Storage would give a
// thousand, which would be most of a backfill's memory.
const listPage = 100

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// GCS keeps the objects in a Cloud Storage bucket. The service account needs
// roles/storage.objectCreator and roles/storage.objectViewer there, and
// nothing that can delete.
type GCS struct {
	client  *storage.Client
	bucket  string
	prefix  string
	timeout time.Duration
	pause   time.Duration
}

// NewGCS returns the bucket's objects below prefix, the bucket's root if that
// is empty.
func NewGCS(client *storage.Client, bucket, prefix string) *GCS {
	return &GCS{client: client, bucket: bucket, prefix: cleanPrefix(prefix), timeout: callTimeout, pause: callPause}
}

// Place is where g's objects are.
func (g *GCS) Place() Place { return Place{g.bucket, g.prefix} }

// At returns the objects of another place, by the same client.
func (g *GCS) At(p Place) *GCS { return NewGCS(g.client, p.Bucket, p.Prefix) }

// URI is the object's gs:// address.
func (g *GCS) URI(name Name) string { return g.uri(g.key(name)) }

func (g *GCS) uri(key string) string { return "gs://" + g.bucket + "/" + key }

// below is what the key of everything below the prefix begins with.
func (g *GCS) below() string { return strings.TrimPrefix(g.prefix+"/", "/") }

func (g *GCS) key(name Name) string { return path.Join(g.prefix, name.String()) }

// Put creates the object and returns nil, nil: it is durable. Where an earlier
// attempt has taken the name, nothing is written and the object that is there
// is returned, as it is there; nil, nil if it is the one that Put was given.
// ErrForeign if the object there is not ours.
//
// Cloud Storage does not always say that the name is taken: a retention policy,
// a hold or a missing right may be named in its place. So whatever refuses the
// create, it is looked whether our object is there.
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

// refusedPut is the error of a create that was refused, where looking for the
// object ended in an error too; that is fs.ErrNotExist if none is there.
func (g *GCS) refusedPut(name Name, refused refusal, looked error) error {
	told := refused.explain(g.bucket)
	// Without the bucket nothing is there.
	switch gone := errors.Is(looked, fs.ErrNotExist) || refused.code == http.StatusNotFound; {
	case gone && (unmet.of(refused) || overwrite.of(refused)):
		return goneError(g.URI(name), told)
	case gone:
		return fmt.Errorf("writing object %s: %w", g.URI(name), told)
	case refused.taken():
		return looked
	}
	return fmt.Errorf("writing object %s: %w (whether it is there is not known: %v)", g.URI(name), told, looked)
}

// upload sends stored as one request that only creates.
func (g *GCS) upload(ctx context.Context, b *storage.BucketHandle, o Object, stored []byte) error {
	w := b.Object(g.key(o.Name)).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	// Just above the object's size, so that it goes in one request: the default
	// allocates 16 MiB an object, and 0 turns the library's retries off.
	w.ChunkSize = len(stored) + 1024
	// The server compares the sum before it stores anything.
	w.CRC32C, w.SendCRC32C = crc32.Checksum(stored, castagnoli), true
	w.Metadata = o.Meta.encode()
	w.ContentType = "application/x-ndjson"
	if o.Name.Gzip {
		// No Content-Encoding: with one, Cloud Storage would unpack the object
		// for readers that do not ask for gzip.
		w.ContentType = "application/gzip"
	}
	if _, err := w.Write(stored); err != nil {
		return err
	}
	return w.Close()
}

// existing returns the object that has taken o's name, or nil if it is o: the
// library repeats an upload whose answer was lost and then meets its own
// object, and two runs may have sent the same.
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

// Get returns the object, fs.ErrNotExist if there is none. Of one that is not
// ours it returns ErrForeign and, without metadata, what it holds.
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

// attrs returns ErrForeign beside the attributes of an object that is not ours.
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

// content returns the unpacked bytes of the generation that attrs describes,
// so that bytes and metadata are of one object whatever happens between the
// two requests. What is no gzip in a foreign object is returned as it is.
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

// Read returns any object of the bucket, ours or not, by its full key: the
// prefix is not added. At most 1 MiB; fs.ErrNotExist if there is none.
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
	// To the end: the library compares the sum only there.
	return readAll(r, limit)
}

// List returns our objects, of any stream, whose window and [from, to) have a
// time in common, in name order. Windows are at most reach wide: the listing
// starts at the date folder of from - reach. Objects with other names are none
// of ours; one with a name of ours and foreign metadata is listed with
// ErrForeign, as nobody can tell which records are in it. Any other error ends
// the listing.
func (g *GCS) List(ctx context.Context, from, to time.Time, reach time.Duration) iter.Seq2[Info, error] {
	query := &storage.Query{
		Prefix:      g.below(),
		StartOffset: path.Join(g.prefix, folder(from.Add(-reach))),
		EndOffset:   path.Join(g.prefix, folder(to.Add(day))),
		Projection:  storage.ProjectionNoACL,
	}
	// No error can come of it: both names exist.
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

// objects lists in pages, each a call of its own: whoever reads the listing
// may take any time over it.
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
