package duo

import "iter"

// Record is one telephony event: a JSON value as Duo sent it, but without the
// white space between its parts. Mostly it is an object.
type Record struct {
	JSON    []byte
	members []member
}

// member is where a top-level member lies in a record: its key, quotes
// included, from key to colon, and its value from behind the colon to end.
type member struct {
	key, colon, end int32
	plain           bool // nothing is escaped in the key
}

// ReadRecord reads a JSON text as a record, and overwrites it where it has white
// space. It reports whether the text is JSON.
func ReadRecord(text []byte) (Record, bool) {
	s := scan{text: text}
	s.peek()
	if ok := s.record(); !s.end() || !ok {
		return Record{}, false
	}
	return s.records[0], true
}

// IsObject reports whether the record is one. What is none has no members.
func (r Record) IsObject() bool { return r.JSON[0] == '{' }

// Members yields an object's keys, as text, and values, as JSON, in order. A key
// may come twice. Invalid UTF-8 in it stays as it is.
func (r Record) Members() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, m := range r.members {
			key := r.JSON[m.key+1 : m.colon-1]
			if !m.plain {
				key = unquote(r.JSON[m.key:m.colon])
			}
			if !yield(key, r.JSON[m.colon+1:m.end]) {
				return
			}
		}
	}
}

// Text returns what a value says if it is a JSON string, else nil.
func Text(value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return nil
	}
	return unquote(value)
}
