package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// document is what is stored for a stream:
//
//	schema  2
//	seq     the last write's number; each is greater than the one before
//	lease   {holder, token, acquired_at, ttl_ms}; holder is empty when released
//	cursor  see Cursor
//	seen    {number: packed entries}, see Seen
//
// Firestore keeps it at COLLECTION/STREAM, with the history in the
// sub-collection "duo-collector-runs"; bbolt as JSON in the bucket STREAM under "state",
// with the parts of seen in the nested bucket "seen" and the history in "runs".
type document struct {
	Schema int               `firestore:"schema" json:"schema"`
	Seq    int64             `firestore:"seq" json:"seq"`
	Lease  leaseFields       `firestore:"lease" json:"lease"`
	Cursor Cursor            `firestore:"cursor" json:"cursor"`
	Seen   map[string][]byte `firestore:"seen" json:"-"`
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
		TTL: time.Duration(d.Lease.TTLMillis) * time.Millisecond, seq: d.Seq, seen: d.Cursor.Seen,
	}
}

func fieldsOf(l Lease) leaseFields {
	return leaseFields{Holder: l.Holder, Token: l.Token, AcquiredAt: l.AcquiredAt, TTLMillis: l.TTL.Milliseconds()}
}

// key is a part's name in the document.
func key(number int64) string { return strconv.FormatInt(number, 10) }

// unpack finishes a document that was decoded from where.
func (d *document) unpack(where string) error {
	for name, packed := range d.Seen {
		number, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return unreadable(where, errPacked)
		}
		part, err := unpack(number, packed)
		if err != nil {
			return unreadable(where, err)
		}
		d.Cursor.Seen = append(d.Cursor.Seen, part)
	}
	slices.SortFunc(d.Cursor.Seen, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	d.Seen = nil
	return nil
}

// checkSchema refuses a document of another version before it is decoded.
func checkSchema(where string, schema int64) error {
	if schema == Schema {
		return nil
	}
	return &SetupError{fmt.Errorf("%s has schema %d and this version reads %d", where, schema, Schema),
		"deploy the version that wrote it, or see \"reset the cursor\" in docs/operations.md; nothing was changed"}
}

func unreadable(where string, err error) error {
	return &SetupError{fmt.Errorf("%s can't be read (%w): was it edited by hand?", where, err),
		"undo the edit, or see \"reset the cursor\" in docs/operations.md; nothing was changed"}
}
