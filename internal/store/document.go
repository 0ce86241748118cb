package store

import (
	"fmt"
	"time"
)

// document is what is stored for a stream:
//
//	schema  1
//	seq     the last write's number; each is greater than the one before
//	lease   {holder, token, acquired_at, ttl_ms}; holder is empty when released
//	cursor  see Cursor
//	seen    the packed identities, see Seen
//
// Firestore keeps it at COLLECTION/STREAM, with the history in the
// sub-collection "runs"; bbolt as JSON in the bucket STREAM under "state",
// with the history in the nested bucket "runs".
type document struct {
	Schema int         `firestore:"schema" json:"schema"`
	Seq    int64       `firestore:"seq" json:"seq"`
	Lease  leaseFields `firestore:"lease" json:"lease"`
	Cursor Cursor      `firestore:"cursor" json:"cursor"`
	Seen   []byte      `firestore:"seen" json:"seen"`
}

type leaseFields struct {
	Holder     string    `firestore:"holder" json:"holder"`
	Token      int64     `firestore:"token" json:"token"`
	AcquiredAt time.Time `firestore:"acquired_at" json:"acquired_at"`
	TTLMillis  int64     `firestore:"ttl_ms" json:"ttl_ms"`
}

func (d document) lease(stream string) Lease {
	return Lease{
		Stream: stream, Holder: d.Lease.Holder, Token: d.Lease.Token, AcquiredAt: d.Lease.AcquiredAt,
		TTL: time.Duration(d.Lease.TTLMillis) * time.Millisecond, seq: d.Seq,
	}
}

func fieldsOf(l Lease) leaseFields {
	return leaseFields{Holder: l.Holder, Token: l.Token, AcquiredAt: l.AcquiredAt, TTLMillis: l.TTL.Milliseconds()}
}

// unpack finishes a document that was decoded from where.
func (d *document) unpack(where string) error {
	seen, err := unpackSeen(d.Seen)
	if err != nil {
		return unreadable(where, err)
	}
	d.Cursor.Seen = seen
	return nil
}

// checkSchema refuses a document of another version before it is decoded.
func checkSchema(where string, schema int64) error {
	if schema == Schema {
		return nil
	}
	return &SetupError{fmt.Errorf("%s has schema %d and this version reads %d", where, schema, Schema),
		"deploy the version that wrote it; nothing was changed"}
}

func unreadable(where string, err error) error {
	return &SetupError{fmt.Errorf("%s can't be read (%w): was it edited by hand?", where, err),
		"undo the edit, or see \"reset the cursor\" in docs/operations.md; nothing was changed"}
}
