package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

const hintGoogle = "try again; if this lasts, check the connection to Google's port 443"

// Bucket lists today's objects in each folder, reads one of any day, and asks for the
// other permissions. It writes none: the feed would take it, and nobody could delete it.
type Bucket struct {
	Open     func(context.Context) (*writer.GCS, error) // at any prefix
	Name     string
	Prefixes []string // one per log
}

// Check is a [Check].
func (b Bucket) Check(ctx context.Context) []Finding {
	bucket, err := b.Open(ctx)
	if err != nil {
		return []Finding{failOf(bucketName, err, hintGoogle)}
	}
	var found []Finding
	for _, prefix := range b.Prefixes {
		f := look(ctx, bucket.At(writer.Place{Bucket: b.Name, Prefix: prefix}), b.uri(prefix))
		found = append(found, f)
		if f.Status == Fail { // the other folders would mostly fail for the same reason
			return found
		}
	}
	return append(found, b.permissions(ctx, bucket))
}

const bucketName = "bucket"

func look(ctx context.Context, bucket *writer.GCS, uri string) Finding {
	now := time.Now()
	for _, err := range bucket.List(ctx, now, now, 0) {
		if errors.Is(err, writer.ErrForeign) {
			return fail(bucketName, err.Error(), "every run that meets it fails")
		}
		if err != nil {
			return failOf(bucketName, notInTime(err), hintGoogle)
		}
	}
	read := "; there is nothing to read"
	one, err := bucket.ReadOne(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted after it was listed
	case err != nil:
		return failOf(bucketName, notInTime(err), hintGoogle)
	case one != "":
		read = " and read"
	}
	return good(bucketName, uri+" can be listed"+read+"; this is the URI for the feed")
}

// uri is the address of the objects below a prefix, for a feed.
func (b Bucket) uri(prefix string) string {
	return "gs://" + strings.TrimSuffix(b.Name+"/"+prefix, "/") + "/"
}

func (b Bucket) permissions(ctx context.Context, bucket *writer.GCS) Finding {
	const name, deletes = "permissions", "storage.objects.delete"
	needed := []string{"storage.objects.create", "storage.objects.get", "storage.objects.list"}
	granted, err := bucket.Permissions(ctx, append(needed, deletes)...)
	if err != nil {
		return warn(name, "it is unknown whether objects can be created, because nothing is written to find out: "+err.Error(),
			"make sure that the service account has roles/storage.objectCreator on the bucket; a run shows it for certain")
	}
	missing := slices.DeleteFunc(slices.Clone(needed), func(p string) bool { return slices.Contains(granted, p) })
	switch {
	case len(missing) > 0:
		return fail(name, "not granted on the bucket: "+strings.Join(missing, ", "),
			"grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket "+b.Name)
	case slices.Contains(granted, deletes):
		return warn(name, "objects can be created and read, but also deleted, which the service does not need",
			"give the service account only roles/storage.objectCreator and roles/storage.objectViewer, and run this as that account")
	}
	return good(name, "objects can be created and read, and not deleted; nothing was written to find out")
}

// Firestore reads each stream's document, and tries a write whose condition fails.
type Firestore struct {
	Store             *store.Store
	Project, Database string
	Streams           []string
	Account           string // the API host that the documents must belong to
}

// Check is a [Check].
func (f Firestore) Check(ctx context.Context) []Finding {
	var found []Finding
	for _, stream := range f.Streams {
		one := f.document(ctx, stream)
		if len(f.Streams) > 1 {
			one = one.of(stream)
		}
		found = append(found, one)
		if one.Status == Fail { // the others would mostly fail for the same reason
			break
		}
	}
	return found
}

func (f Firestore) document(ctx context.Context, stream string) Finding {
	const name = "firestore"
	state, err := f.Store.Probe(ctx, stream)
	if err != nil {
		return failOf(name, notInTime(err), hintGoogle)
	}
	if of := state.Cursor.Account.Host; of != "" && of != f.Account && !state.StartOpen() {
		return fail(name, "the document belongs to account "+of+", but DUO_API_HOST is "+f.Account+": every run is refused",
			"correct DUO_API_HOST, or give this account its own FIRESTORE_COLLECTION")
	}
	return good(name, fmt.Sprintf("database %s of project %s can be read and written: %s", f.Database, f.Project, standing(state)))
}

// standing says where the stream stands.
func standing(s store.State) string {
	text := "there is no cursor yet"
	if mark := s.Cursor.Watermark; !mark.IsZero() {
		text = "the watermark is " + mark.UTC().Format(time.RFC3339)
	}
	if s.Lease.Holder != "" {
		text += ", and a run holds the lease until " + s.Lease.ExpiresAt().UTC().Format(time.RFC3339)
	}
	return text
}

// StateKey checks the Python function's state, which only the first run reads.
type StateKey struct {
	Key       string
	Bucket    Bucket
	Firestore Firestore
	Stream    string                                   // goes on from that state
	FirstMark func(context.Context) (time.Time, error) // where that state has the first window start
}

// Check is a [Check].
func (k StateKey) Check(ctx context.Context) []Finding {
	const name = "state key"
	where := "gs://" + k.Bucket.Name + "/" + k.Key
	i := slices.IndexFunc(k.Bucket.Prefixes, func(prefix string) bool { return prefix == "" || strings.HasPrefix(k.Key, prefix+"/") })
	below := i >= 0
	state, err := k.Firestore.Store.Probe(ctx, k.Stream)
	switch started := err == nil && !state.Cursor.Watermark.IsZero() && !state.StartOpen(); {
	case started && below:
		return []Finding{warn(name, where+" lies below the prefix, where the feed takes it for records", "delete it and unset STATE_KEY: there is a cursor, so it is no longer read")}
	case started:
		return []Finding{good(name, "there is a cursor, so "+where+" is no longer read")}
	case below:
		return []Finding{fail(name, where+" lies below the prefix: the feed takes it for records, and deletes it if it deletes what it took",
			"move it out of "+k.Bucket.uri(k.Bucket.Prefixes[i])+" and correct STATE_KEY; with an empty GCS_PREFIX give the objects a folder of their own")}
	}
	mark, err := k.FirstMark(ctx)
	if err != nil {
		return []Finding{failOf(name, notInTime(err), "every run fails until this is fixed")}
	}
	return []Finding{good(name, "the first window starts at "+mark.Format(time.RFC3339)+", where the Python function stopped")}
}
