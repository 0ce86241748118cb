package main

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

const (
	hintCredentials = "run this in the cloud as the service's account, or on a laptop after " +
		"gcloud auth application-default login --impersonate-service-account; -only duo needs no credentials of Google's"
	hintGoogle = "try again; if it lasts, check the way to Google's port 443"
)

// checkBucket lists the objects of today, reads one of any day, and asks what
// else is allowed. It writes nothing: nobody here could delete it again, and the
// feed would take it.
func (c config) checkBucket(ctx context.Context) []finding {
	const name = "bucket"
	bucket, err := openBucket(ctx, c)
	if err != nil {
		return []finding{fail(name, err.Error(), hintCredentials)}
	}
	now := time.Now()
	for _, err := range bucket.List(ctx, now, now, 0) {
		if errors.Is(err, writer.ErrForeign) {
			return []finding{fail(name, err.Error(), "every run that meets it fails")}
		}
		if err != nil {
			return []finding{failOf(name, notInTime(err), hintGoogle)}
		}
	}
	read := "; nothing is there to be read"
	uri, err := bucket.ReadOne(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted since it was listed
	case err != nil:
		return []finding{failOf(name, notInTime(err), hintGoogle)}
	case uri != "":
		read = " and read"
	}
	return []finding{good(name, c.uri("")+" can be listed"+read+"; this is the URI for the feed"), c.permissionFinding(ctx, bucket)}
}

// uri is the address of a key below the prefix.
func (c config) uri(key string) string {
	return "gs://" + strings.TrimSuffix(c.bucket+"/"+c.prefix, "/") + "/" + key
}

func (c config) permissionFinding(ctx context.Context, bucket *writer.GCS) finding {
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
			"grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket "+c.bucket)
	case slices.Contains(granted, deletes):
		return warn(name, "objects can be created and read, but also deleted, which nothing here needs",
			"leave the service account no more than roles/storage.objectCreator and roles/storage.objectViewer, and run this as that account")
	}
	return good(name, "objects can be created and read, and not deleted; nothing was written to find out")
}

func (c config) checkFirestore(ctx context.Context) []finding {
	const name = "firestore"
	state, err := c.probeStore(ctx)
	if err != nil {
		return []finding{failOf(name, err, hintGoogle)}
	}
	return []finding{good(name, fmt.Sprintf("database %s of project %s can be read and written: %s", c.database, c.project, standing(state)))}
}

func (c config) probeStore(ctx context.Context) (store.State, error) {
	state, err := newStore(c).Probe(ctx, stream)
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

// checkStateKey looks at the older function's state, which is read by the
// first run and never again.
func (c config) checkStateKey(ctx context.Context) []finding {
	const name = "state key"
	where := "gs://" + c.bucket + "/" + c.stateKey
	below := c.prefix == "" || strings.HasPrefix(c.stateKey, c.prefix+"/")
	state, err := c.probeStore(ctx)
	switch started := err == nil && !state.Cursor.Watermark.IsZero(); {
	case started && below:
		return []finding{warn(name, where+" lies below the prefix, where the feed takes it for records", "delete it and unset STATE_KEY: there is a cursor, so it is not read any more")}
	case started:
		return []finding{good(name, "there is a cursor, so "+where+" is not read any more")}
	case below:
		return []finding{fail(name, where+" lies below the prefix: the feed takes it for records, and deletes it if it deletes what it took",
			"move it out of "+c.uri("")+" and correct STATE_KEY; with an empty GCS_PREFIX give the objects a folder of their own")}
	}
	bucket, err := openBucket(ctx, c)
	if err != nil {
		return []finding{fail(name, err.Error(), hintCredentials)}
	}
	mark, err := importState(ctx, bucket, c.stateKey)
	if err != nil {
		return []finding{failOf(name, notInTime(err), "every run fails until that is put right")}
	}
	return []finding{good(name, "the first window starts at "+mark.Format(time.RFC3339)+", where the older function stopped")}
}
