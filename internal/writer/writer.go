// Package writer keeps the collected records as objects that are created once
// and never changed: one object a page, newline-delimited JSON, in a Cloud
// Storage bucket ([GCS]) or a directory ([Dir]). Both pass the suite in
// writertest, and all their methods are safe for concurrent use, also from
// several processes.
//
// An object's name is a function of stream, window and page alone, so a run
// that repeats a page after a crash meets the object of the first attempt and
// adopts it instead of writing the records again.
package writer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

// Object is one page of records, and what is known of it.
type Object struct {
	Name Name
	// Data is the records, one a line, a newline after the last. It is plain
	// text here also where the name says gzip.
	Data []byte
	Meta Meta
}

// Meta is kept with the object. It makes it ours, tells whoever lists it what is
// in it, and whoever looks for a fault which run wrote it and where it went on.
type Meta struct {
	Next    string // offset that the writer went on with, "" if none; nobody goes on by it
	Records int    // lines in Data
	// First and Last are the earliest and latest readable record times, to
	// the millisecond; zero where no record has one.
	First, Last time.Time
	Untimed     int    // records without a readable time; -1 in objects of earlier versions
	RunID       string // the run that wrote it
	Token       int64  // that run's fencing token
	Account     string // whose records these are; "" in objects of earlier versions
}

// Place is where objects are: a bucket, "" for a directory's, and the prefix in
// it.
type Place struct{ Bucket, Prefix string }

// Info is an object as a listing shows it.
type Info struct {
	Name Name
	Meta Meta
}

var (
	// ErrForeign means that the name is taken by an object that this service
	// did not write: it has no metadata of ours. Nothing overwrites it.
	ErrForeign = errors.New("foreign object")
	// ErrSetup means that a person must act: the bucket is missing, or
	// permission to it is.
	ErrSetup = errors.New("storage set-up")
)

// SetupError is an ErrSetup: what was answered, and what a person does.
type SetupError struct{ Reason, Hint string }

// Error is both in a line.
func (e *SetupError) Error() string { return ErrSetup.Error() + ": " + e.Reason + "; " + e.Hint }

// Unwrap makes it an [ErrSetup].
func (e *SetupError) Unwrap() error { return ErrSetup }

// maxRead is the most that Read returns, in bytes. What it is for, a saved
// state, is far smaller.
const maxRead = 1 << 20

// foreignError names the object that is in the way.
func foreignError(uri string) error {
	return fmt.Errorf("%w: %s has no metadata of this service; move it out of the prefix", ErrForeign, uri)
}

// goneError is for a name that was taken when the object was sent and free when
// it was looked for: a feed may delete what it has read. Where it comes again
// and again, what refused the create was something else.
func goneError(uri string, refused error) error {
	return fmt.Errorf("writing object %s: the name was taken, and no object has it now (%w); run again, and if it lasts look at the policies of the bucket", uri, refused)
}

// sameWalk tells whether an object with the same bytes and either metadata
// means the same to a run: it holds the records, and the walk goes on alike.
func (m Meta) sameWalk(other Meta) bool {
	return m.Next == other.Next && m.Records == other.Records
}

// pack returns the bytes that are stored for o. The same object always packs
// to the same bytes: the gzip header has no time.
func pack(o Object) []byte {
	if !o.Name.Gzip {
		return o.Data
	}
	// The fastest level takes half the time of the default one and still
	// reaches 87 % of its ratio on telephony records. No error can come of it:
	// the level exists, and a buffer takes all.
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	_, _ = w.Write(o.Data)
	_ = w.Close()
	return packed.Bytes()
}

// unpack is the inverse of pack. A foreign object may have been unpacked by
// whoever uploaded it: what is no gzip is returned as it is.
func unpack(name Name, stored []byte, foreign bool) ([]byte, error) {
	if !name.Gzip {
		return stored, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(stored))
	if err == nil {
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			return data, nil
		}
	}
	if foreign {
		return stored, nil
	}
	return nil, err
}

// readAll reads r to its end, or fails where that is more than limit bytes
// away.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, nil
}
