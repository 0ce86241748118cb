package duo

import "strings"

// maxDepth is how deep values may nest, the limit of package json.
const maxDepth = 10_000

// scan reads a JSON text once and finds the records in it. It accepts what
// package json accepts, invalid UTF-8 in strings too, at several times its
// speed, and closes the gaps that white space leaves: text[:r-gap] is what was
// read, compact, once settle has moved it there. Nothing is unescaped, rounded
// or put in another order.
type scan struct {
	text  []byte
	r     int // read up to here
	gap   int // white space so far
	moved int // all before is in its place; from here to r all lies gap too far
	depth int
	plain bool // nothing is escaped in the last string

	records []Record // of the last response.items, parts of text
	members []member // theirs
	lists   [][2]int // where such lists lie
}

// answer reads the whole text, and reports whether it is JSON.
func (s *scan) answer() bool {
	ok := s.objectOr(func(from, to int) bool {
		if s.named(from, to, "response") {
			return s.objectOr(s.responseMember)
		}
		return s.value()
	})
	return s.end() && ok
}

// end reports whether nothing follows, and puts all in its place.
func (s *scan) end() bool {
	s.peek()
	s.settle()
	return s.r == len(s.text)
}

func (s *scan) responseMember(from, to int) bool {
	if !s.named(from, to, "items") || s.peek() != '[' {
		return s.value()
	}
	s.records, s.members = make([]Record, 0, PageSize), make([]member, 0, 8*PageSize)
	begin := s.at()
	ok := s.array(s.record)
	s.lists = append(s.lists, [2]int{begin, s.at()})
	return ok
}

// record reads a value and notes it as a record.
func (s *scan) record() bool {
	begin, first := s.at(), len(s.members)
	ok := s.objectOr(func(from, to int) bool {
		plain := s.plain
		ok := s.value()
		s.members = append(s.members, member{int32(from - begin), int32(to - begin), int32(s.at() - begin), plain})
		return ok
	})
	end, last := s.at(), len(s.members)
	s.records = append(s.records, Record{s.text[begin:end:end], s.members[first:last:last]})
	return ok
}

// at is where what was read ends, once it is in its place.
func (s *scan) at() int { return s.r - s.gap }

// envelope is the text without the records: their lists are empty in it.
func (s *scan) envelope() []byte {
	var out []byte
	at := 0
	for _, list := range s.lists {
		out = append(append(out, s.text[at:list[0]]...), "[]"...)
		at = list[1]
	}
	return append(out, s.text[at:s.at()]...)
}

// named compares a key, a string that was read just now, with a name in the way
// of package json, which minds neither escapes nor case.
func (s *scan) named(from, to int, name string) bool {
	s.settle()
	return strings.EqualFold(string(unquote(s.text[from:to])), name)
}

// objectOr reads an object by its members, or any other value.
func (s *scan) objectOr(member func(from, to int) bool) bool {
	if s.peek() != '{' {
		return s.value()
	}
	return s.object(member)
}

// peek skips white space and returns the byte after it, 0 at the end. A NUL in
// the text begins no value either.
func (s *scan) peek() byte {
	if s.r < len(s.text) && s.text[s.r] > ' ' {
		return s.text[s.r]
	}
	return s.skip()
}

func (s *scan) skip() byte {
	from := s.r
	for s.r < len(s.text) && isSpace(s.text[s.r]) {
		s.r++
	}
	if n := s.r - from; n > 0 {
		s.r = from
		s.settle()
		s.r, s.gap = from+n, s.gap+n
		s.moved = s.r
	}
	if s.r == len(s.text) {
		return 0
	}
	return s.text[s.r]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// settle moves what was read since the last white space to its place.
func (s *scan) settle() {
	if s.gap > 0 {
		copy(s.text[s.moved-s.gap:], s.text[s.moved:s.r])
	}
	s.moved = s.r
}

func (s *scan) value() bool {
	switch s.peek() {
	case '"':
		return s.string()
	case '{':
		return s.object(nil)
	case '[':
		return s.array(nil)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// object reads an object. member reads the value of a key, of which it gets the
// place, quotes included; nil takes any.
func (s *scan) object(member func(from, to int) bool) bool {
	if !s.open() {
		return false
	}
	if s.peek() == '}' {
		return s.close()
	}
	for {
		from := s.at()
		if s.peek() != '"' || !s.string() {
			return false
		}
		to := s.at()
		if s.peek() != ':' {
			return false
		}
		s.r++
		if member == nil && !s.value() || member != nil && !member(from, to) {
			return false
		}
		switch s.peek() {
		case '}':
			return s.close()
		case ',':
			s.r++
			s.peek()
		default:
			return false
		}
	}
}

// array reads an array. element reads an element; nil takes any.
func (s *scan) array(element func() bool) bool {
	if !s.open() {
		return false
	}
	if s.peek() == ']' {
		return s.close()
	}
	for {
		if element == nil && !s.value() || element != nil && !element() {
			return false
		}
		switch s.peek() {
		case ']':
			return s.close()
		case ',':
			s.r++
			s.peek()
		default:
			return false
		}
	}
}

func (s *scan) open() bool {
	s.r++
	s.depth++
	return s.depth <= maxDepth
}

func (s *scan) close() bool {
	s.r++
	s.depth--
	return true
}
