package duo

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strings"
	"unicode/utf8"
)

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

// unquote returns what a JSON string says, with invalid UTF-8 replaced as
// package json does it.
func unquote(quoted []byte) []byte {
	content := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(content, '\\') < 0 && utf8.Valid(content) {
		return content
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it was read, so it is a string
	return []byte(s)
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

func (s *scan) word(word string) bool {
	end := s.r + len(word)
	if end > len(s.text) || string(s.text[s.r:end]) != word {
		return false
	}
	s.r = end
	return true
}

// string reads a string from its opening quote.
func (s *scan) string() bool {
	text := s.text
	s.plain = true
	for i := s.r + 1; i < len(text); i++ {
		if i += ordinary(text[i:]); i == len(text) {
			return false
		}
		switch c := text[i]; {
		case c == '"':
			s.r = i + 1
			return true
		case c == '\\':
			s.plain = false
			n := escape(text[i+1:])
			if n == 0 {
				return false
			}
			i += n
		case c < ' ':
			return false
		}
	}
	return false
}

// ordinary returns how many of the first bytes are surely no quote, backslash or
// control character. It looks at eight at a time, see
// https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
func ordinary(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		if special := ((x-ones*' ') & ^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	return i
}

// escape returns the length of what follows a backslash, 0 if it is no escape.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, b[0]) < 0 {
			return 0
		}
		return 1
	}
	if len(b) < 5 {
		return 0
	}
	for _, c := range b[1:5] {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0
		}
	}
	return 5
}

// number reads a number, of any length and size.
func (s *scan) number() bool {
	i := s.r
	if i < len(s.text) && s.text[i] == '-' {
		i++
	}
	whole := digits(s.text, i)
	if whole == i || whole > i+1 && s.text[i] == '0' {
		return false
	}
	i = whole
	if i < len(s.text) && s.text[i] == '.' {
		fraction := digits(s.text, i+1)
		if fraction == i+1 {
			return false
		}
		i = fraction
	}
	if i < len(s.text) && s.text[i]|0x20 == 'e' {
		i++
		if i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
			i++
		}
		exponent := digits(s.text, i)
		if exponent == i {
			return false
		}
		i = exponent
	}
	s.r = i
	return true
}

// digits returns where the digits that begin at i end.
func digits(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
