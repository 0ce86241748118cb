package duo

// Record is one telephony event: a JSON value as Duo sent it, but without the
// white space between its parts. Mostly it is an object.
type Record struct {
	JSON []byte
	// Time and ID are the values of "ts" and "telephony_id" as they are
	// written, parts of JSON; nil where there is none. Of a key that comes
	// twice the last one counts.
	Time, ID []byte
	// EventType and Host say that there is an "eventtype" and a "host". Duo's
	// clients add them, its API does not send them.
	EventType, Host bool
}

// ReadRecord reads a JSON text as a record, and overwrites it where it has white
// space. It reports whether the text is JSON.
func ReadRecord(text []byte) (Record, bool) {
	s := scan{text: text}
	var r Record
	if !s.whole(s.record(s.next(0), &r)) {
		return Record{}, false
	}
	return r, true
}

// IsObject reports whether the record is one. What is none has only its JSON.
func (r Record) IsObject() bool { return r.JSON[0] == '{' }

// Text returns what a value says if it is a JSON string, else nil.
func Text(value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return nil
	}
	return unquote(value)
}

// record reads a value into r.
func (s *scan) record(i int, r *Record) int {
	var end int
	begin := s.at(i)
	if is(s.text, i, '{') {
		end = s.members(i, r)
	} else {
		end = s.value(i, other)
	}
	if end != 0 {
		r.JSON = s.text[begin:s.at(end):s.at(end)]
	}
	return end
}

// members does what object does, and notes in r what is asked of a record. All
// but a few bytes of a page are read in this loop. Where they are as usual, plain
// strings with nothing between, it calls no function.
func (s *scan) members(i int, r *Record) int {
	if !s.open() {
		return 0
	}
	text := s.text
	if i = s.next(i + 1); is(text, i, '}') {
		return s.close(i)
	}
	for is(text, i, '"') {
		var name []byte
		end := plainEnd(text, i)
		if end != 0 {
			name = text[i+1 : end-1]
		} else if end = stringEnd(text, i); end != 0 {
			name = unquote(text[i:end])
		} else {
			return 0
		}
		key := keyOf(name) // now: what follows may move the name
		if i = s.next(end); !is(text, i, ':') {
			return 0
		}
		i = s.next(i + 1)
		begin := s.at(i)
		if end = 0; is(text, i, '"') {
			end = plainEnd(text, i)
		}
		if end == 0 {
			end = s.value(i, other)
		}
		if end == 0 {
			return 0
		}
		r.note(key, text[begin:s.at(end)])
		if i = s.next(end); is(text, i, '}') {
			return s.close(i)
		}
		if !is(text, i, ',') {
			return 0
		}
		i = s.next(i + 1)
	}
	return 0
}

// key is a key that is looked for in a record.
type key int

const (
	keyOther key = iota
	keyTime
	keyID
	keyEventType
	keyHost
)

func keyOf(text []byte) key {
	switch string(text) {
	case "ts":
		return keyTime
	case "telephony_id":
		return keyID
	case "eventtype":
		return keyEventType
	case "host":
		return keyHost
	}
	return keyOther
}

func (r *Record) note(k key, value []byte) {
	switch k {
	case keyTime:
		r.Time = value
	case keyID:
		r.ID = value
	case keyEventType:
		r.EventType = true
	case keyHost:
		r.Host = true
	}
}
