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
//	schema  3
//	seq     the number of the last write, greater than the one before
//	lease   {holder, token, acquired_at, ttl_ms}; holder is empty when released
//	cursor  see Cursor
//	seen    {number: packed part}, see Seen
//	last    what the history has of the last run, in short, see Last
//
// Firestore keeps it at COLLECTION/STREAM, with the history in the sub-collection
// "duo-collector-runs". bbolt keeps it as JSON in the bucket STREAM under "state",
// with seen in the nested bucket "seen" and the history in "runs".
type document struct {
	Schema int               `firestore:"schema" json:"schema"`
	Seq    int64             `firestore:"seq" json:"seq"`
	Lease  leaseFields       `firestore:"lease" json:"lease"`
	Cursor Cursor            `firestore:"cursor" json:"cursor"`
	Seen   map[string][]byte `firestore:"seen" json:"-"`
	Last   Last              `firestore:"last" json:"last"`

	stored Seen // Seen, unpacked; of schema 2 only the numbers
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
		TTL: time.Duration(d.Lease.TTLMillis) * time.Millisecond, seq: d.Seq, seen: d.stored, last: d.Last,
	}
}

func (d document) state(stream string, at stamp) State {
	return State{Stream: stream, Lease: d.lease(stream), Cursor: d.Cursor, Now: at.now}
}

func fieldsOf(l Lease) leaseFields {
	return leaseFields{Holder: l.Holder, Token: l.Token, AcquiredAt: l.AcquiredAt, TTLMillis: l.TTL.Milliseconds()}
}

// key is the name of a part in the document.
func key(number int64) string { return strconv.FormatInt(number, 10) }

// unpack moves Seen into the cursor, and migrates from schema 2. Errors name where.
func (d *document) unpack(where string) error {
	for name, packed := range d.Seen {
		number, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return unreadable(where, errPacked)
		}
		part := Part{Number: number}
		if d.Schema == Schema {
			if part, err = unpack(number, packed); err != nil {
				return unreadable(where, err)
			}
		}
		d.stored = append(d.stored, part)
	}
	slices.SortStableFunc(d.stored, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	d.Seen = nil
	if d.Schema == Schema {
		d.Cursor.Seen = d.stored
	} else {
		d.Cursor = d.Cursor.migrated()
	}
	return nil
}

// migrated converts a cursor of schema 2, whose identities were hashed in another
// way and match nothing now. The window in progress is walked again from its
// start, and both it and the overlap after it are checked against the bucket. A
// redelivery checks nothing and goes on where it was.
func (c Cursor) migrated() Cursor {
	if c.Backfill != nil && c.Backfill.Redeliver {
		return c
	}
	covered := c.Watermark
	if w := c.Window; w.Open() {
		covered = w.To
		c.Window = Window{From: w.From, To: w.To, Gzip: w.Gzip, Page: w.Page}
	}
	if c.Recheck.Before(covered) {
		c.Recheck = covered
	}
	return c
}

// checkSchema refuses a document that can't be read, before it is decoded.
func checkSchema(where string, schema int64) error {
	if schema == Schema || schema == 2 {
		return nil
	}
	return &SetupError{fmt.Errorf("%s has schema %d and this version reads %d", where, schema, Schema),
		"deploy the version that wrote it, or see \"reset the cursor\" in docs/operations.md; nothing was changed"}
}

func unreadable(where string, err error) error {
	return &SetupError{fmt.Errorf("%s can't be read (%w): was it edited by hand?", where, err),
		"undo the edit, or see \"reset the cursor\" in docs/operations.md; nothing was changed"}
}
