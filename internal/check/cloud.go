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

const hintGoogle = "try again; if it lasts, check the way to Google's port 443"

// Bucket lists the objects of today, reads one of any day, and asks what else
// is allowed. It writes nothing: nobody here could delete it again, and the feed
// would take it.
type Bucket struct {
	Open         func(context.Context) (*writer.GCS, error)
	Name, Prefix string
}

// Check is a [Check].
func (b Bucket) Check(ctx context.Context) []Finding {
	const name = "bucket"
	bucket, err := b.Open(ctx)
	if err != nil {
		return []Finding{failOf(name, err, hintGoogle)}
	}
	now := time.Now()
	for _, err := range bucket.List(ctx, now, now, 0) {
		if errors.Is(err, writer.ErrForeign) {
			return []Finding{fail(name, err.Error(), "every run that meets it fails")}
		}
		if err != nil {
			return []Finding{failOf(name, notInTime(err), hintGoogle)}
		}
	}
	read := "; nothing is there to be read"
	uri, err := bucket.ReadOne(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted since it was listed
	case err != nil:
		return []Finding{failOf(name, notInTime(err), hintGoogle)}
	case uri != "":
		read = " and read"
	}
	return []Finding{good(name, b.uri()+" can be listed"+read+"; this is the URI for the feed"), b.permissions(ctx, bucket)}
}

// uri is where the feed finds the objects.
func (b Bucket) uri() string {
	return "gs://" + strings.TrimSuffix(b.Name+"/"+b.Prefix, "/") + "/"
}

func (b Bucket) permissions(ctx context.Context, bucket *writer.GCS) Finding {
	const name, deletes = "permissions", "storage.objects.delete"
	needed := []string{"storage.objects.create", "storage.objects.get", "storage.objects.list"}
	granted, err := bucket.Permissions(ctx, append(needed, deletes)...)
	if err != nil {
		return warn(name, "whether objects can be created is not known, and nothing is written to find out: "+err.Error(),
			"see that the service account has roles/storage.objectCreator on the bucket; a run tells for certain")
	}
	missing := slices.DeleteFunc(slices.Clone(needed), func(p string) bool { return slices.Contains(granted, p) })
	switch {
	case len(missing) > 0:
		return fail(name, "not granted on the bucket: "+strings.Join(missing, ", "),
			"grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket "+b.Name)
	case slices.Contains(granted, deletes):
		return warn(name, "objects can be created and read, but also deleted, which nothing here needs",
			"leave the service account no more than roles/storage.objectCreator and roles/storage.objectViewer, and run this as that account")
	}
	return good(name, "objects can be created and read, and not deleted; nothing was written to find out")
}

// Firestore reads the stream's document, and asks for a write that its own
// condition refuses.
type Firestore struct {
	Store             *store.Store
	Project, Database string
	Stream            string
	Account           string // Duo's API host, which the document has to be of
}

// Check is a [Check].
func (f Firestore) Check(ctx context.Context) []Finding {
	const name = "firestore"
	state, err := f.probe(ctx)
	if err != nil {
		return []Finding{failOf(name, err, hintGoogle)}
	}
	if of := state.Cursor.Account.Host; of != "" && of != f.Account && !state.StartOpen() {
		return []Finding{fail(name, "the document is that of account "+of+", and DUO_API_HOST is "+f.Account+": every run is refused",
			"correct DUO_API_HOST, or give this account a FIRESTORE_COLLECTION of its own")}
	}
	return []Finding{good(name, fmt.Sprintf("database %s of project %s can be read and written: %s", f.Database, f.Project, standing(state)))}
}

func (f Firestore) probe(ctx context.Context) (store.State, error) {
	state, err := f.Store.Probe(ctx, f.Stream)
	return state, notInTime(err)
}

// standing is where the stream stands, in words.
func standing(s store.State) string {
	text := "there is no cursor yet"
	if mark := s.Cursor.Watermark; !mark.IsZero() {
		text = "the watermark is " + mark.UTC().Format(time.RFC3339)
	}
	if s.Lease.Holder != "" {
		text += ", and a run has the lease until " + s.Lease.ExpiresAt().UTC().Format(time.RFC3339)
	}
	return text
}

// StateKey looks at the older function's state, which is read by the first run
// and never again.
type StateKey struct {
	Key       string
	Bucket    Bucket
	Firestore Firestore
	FirstMark func(context.Context) (time.Time, error) // where the first window starts by that state
}

// Check is a [Check].
func (k StateKey) Check(ctx context.Context) []Finding {
	const name = "state key"
	where := "gs://" + k.Bucket.Name + "/" + k.Key
	below := k.Bucket.Prefix == "" || strings.HasPrefix(k.Key, k.Bucket.Prefix+"/")
	state, err := k.Firestore.probe(ctx)
	switch started := err == nil && !state.Cursor.Watermark.IsZero() && !state.StartOpen(); {
	case started && below:
		return []Finding{warn(name, where+" lies below the prefix, where the feed takes it for records", "delete it and unset STATE_KEY: there is a cursor, so it is not read any more")}
	case started:
		return []Finding{good(name, "there is a cursor, so "+where+" is not read any more")}
	case below:
		return []Finding{fail(name, where+" lies below the prefix: the feed takes it for records, and deletes it if it deletes what it took",
			"move it out of "+k.Bucket.uri()+" and correct STATE_KEY; with an empty GCS_PREFIX give the objects a folder of their own")}
	}
	mark, err := k.FirstMark(ctx)
	if err != nil {
		return []Finding{failOf(name, notInTime(err), "every run fails until that is put right")}
	}
	return []Finding{good(name, "the first window starts at "+mark.Format(time.RFC3339)+", where the older function stopped")}
}
