package store

import (
	"encoding/binary"
	"errors"
	"slices"
)

// ID is a record's identity, a hash.
type ID [16]byte

// Seen is the set of recently delivered records, in parts. Each is stored separately and
// never changes, so a commit adds the new ones and deletes the old ones.
type Seen []Part

// Part holds about a page's records. Times are in milliseconds since 1970.
type Part struct {
	Number int64 // greater than the previous part's
	Until  int64 // the end of the latest window with records in it
	Last   int64 // the latest record time that lay in its window, 0 if none did
	IDs    []ID
}

// partSize is the most identities that With merges into one part. Any two neighbours
// together have more, so pages of one record don't make more parts than full ones.
const partSize = 1000

// Len is the number of identities.
func (s Seen) Len() (n int) {
	for _, p := range s {
		n += len(p.IDs)
	}
	return n
}

// With returns the set with the identities of a page added: until is the end of
// its window, last its latest record time. The receiver is unchanged.
func (s Seen) With(ids []ID, until, last int64) Seen {
	if len(ids) == 0 {
		return s
	}
	part := Part{Number: 1, Until: until, Last: last, IDs: ids}
	if len(s) == 0 {
		return Seen{part}
	}
	kept, end := slices.Clone(s), s[len(s)-1]
	part.Number = end.Number + 1
	if len(end.IDs)+len(ids) <= partSize {
		kept = kept[:len(kept)-1]
		part.Until, part.Last, part.IDs = max(end.Until, until), max(end.Last, last), slices.Concat(end.IDs, ids)
	}
	return append(kept, part)
}

// Since returns the set without the parts whose windows end before millis.
func (s Seen) Since(millis int64) Seen {
	return slices.DeleteFunc(slices.Clone(s), func(p Part) bool { return p.Until < millis })
}

// Bounded drops the oldest parts until at most limit identities are left. Since
// is the time from which the rest is complete. It is later than all times of the
// dropped parts, because Duo need not order records by the times they carry.
func (s Seen) Bounded(limit int) (kept Seen, since int64, dropped bool) {
	kept = s
	for n := s.Len(); n > limit; dropped = true {
		n -= len(kept[0].IDs)
		since = max(since, kept[0].Last+1)
		if kept = kept[1:]; len(kept) > 0 {
			since = max(since, kept[0].Last+1)
		}
	}
	return kept, since, dropped
}

// Without returns the parts that the other set lacks.
func (s Seen) Without(other Seen) Seen {
	return slices.DeleteFunc(slices.Clone(s), func(p Part) bool { return slices.ContainsFunc(other, p.equal) })
}

// equal compares the identities too: numbers start at 1 again when a range begins
// anew, so the number alone does not say that two parts are one.
func (p Part) equal(q Part) bool {
	return p.Number == q.Number && p.Until == q.Until && p.Last == q.Last && slices.Equal(p.IDs, q.IDs)
}

// partHead is how many bytes precede the identities of a packed part.
const partHead = 2 * 8

// pack encodes Until, Last and the identities. 40,000 identities take 0.64 MB of
// the 1 MiB that Firestore allows a document.
func (p Part) pack() []byte {
	out := make([]byte, 0, partHead+len(p.IDs)*len(ID{}))
	out = binary.BigEndian.AppendUint64(out, uint64(p.Until))
	out = binary.BigEndian.AppendUint64(out, uint64(p.Last))
	for _, id := range p.IDs {
		out = append(out, id[:]...)
	}
	return out
}

var errPacked = errors.New("the field \"seen\" is damaged")

func unpack(number int64, b []byte) (Part, error) {
	if len(b) <= partHead || (len(b)-partHead)%len(ID{}) != 0 {
		return Part{}, errPacked
	}
	p := Part{Number: number, Until: int64(binary.BigEndian.Uint64(b)), Last: int64(binary.BigEndian.Uint64(b[8:]))}
	for id := range slices.Chunk(b[partHead:], len(ID{})) {
		p.IDs = append(p.IDs, ID(id))
	}
	return p, nil
}
