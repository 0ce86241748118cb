package duo

import "bytes"

// maxDepth is how deep values may nest, the limit of package json.
const maxDepth = 10_000

// scan reads a JSON text once and finds the records in it. It accepts what
// package json accepts, invalid UTF-8 in strings too, at many times its speed,
// and closes the gaps that white space leaves. Nothing is unescaped, rounded or
// put in another order.
//
// What reads something gets the place where it begins and returns the one where
// it ends, 0 if that is no JSON. Places are those in the text as it came; at
// says where they will be.
type scan struct {
	text  []byte
	gap   int // white space so far
	moved int // all before is in its place; what was read since lies gap too far
	depth int

	records []Record // of the last response.items, parts of text
	lists   [][2]int // where such lists will be
}

// reset begins another text, in the memory of the last one.
func (s *scan) reset(text []byte) {
	*s = scan{text: text, records: s.records[:0], lists: s.lists[:0]}
}

// whole reports whether the text is one value, which ends at i. Then no white
// space is left in it.
func (s *scan) whole(i int) bool {
	if i == 0 {
		return false
	}
	if i = s.next(i); i < len(s.text) {
		return false
	}
	s.settle(i)
	s.text = s.text[:s.at(i)]
	return true
}

// envelope appends the text without the records: their lists are empty in it.
func (s *scan) envelope(dst []byte) []byte {
	from := 0
	for _, list := range s.lists {
		dst = append(append(dst, s.text[from:list[0]]...), "[]"...)
		from = list[1]
	}
	return append(dst, s.text[from:]...)
}

// at is where i will be when all is in its place.
func (s *scan) at(i int) int { return i - s.gap }

// next returns the place of the first byte from i on that is no white space.
func (s *scan) next(i int) int {
	if uint(i) < uint(len(s.text)) && s.text[i] > ' ' {
		return i
	}
	return s.skip(i)
}

// skip is next where there is white space. It is kept out of next, which is
// inlined then.
//
//go:noinline
func (s *scan) skip(i int) int {
	from := i
	for i < len(s.text) && isSpace(s.text[i]) {
		i++
	}
	if i > from {
		s.settle(from)
		s.gap += i - from
		s.moved = i
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// settle moves what was read since the last white space, up to i, to its place.
func (s *scan) settle(i int) {
	if s.gap > 0 {
		copy(s.text[s.moved-s.gap:], s.text[s.moved:i])
	}
	s.moved = i
}

// part is what a value is of an answer, as far as it matters.
type part int

const (
	other    part = iota
	answer        // an object with a response
	response      // an object with items
	items         // a list of records
)

// member is what an object's member with this key is.
func (p part) member(key []byte) part {
	switch {
	case p == answer && named(key, "response"):
		return response
	case p == response && named(key, "items"):
		return items
	}
	return other
}

// named compares a key with a name in the way of package json, which minds
// neither escapes nor case.
func named(key []byte, name string) bool { return bytes.EqualFold(unquote(key), []byte(name)) }

// value reads a value, which is that part of an answer.
func (s *scan) value(i int, p part) int {
	if i == len(s.text) {
		return 0
	}
	switch s.text[i] {
	case '"':
		return stringEnd(s.text, i)
	case '{':
		return s.object(i, p)
	case '[':
		return s.list(i, p)
	case 't':
		return wordEnd(s.text, i, "true")
	case 'f':
		return wordEnd(s.text, i, "false")
	case 'n':
		return wordEnd(s.text, i, "null")
	}
	return numberEnd(s.text, i)
}

func (s *scan) object(i int, p part) int {
	if !s.open() {
		return 0
	}
	if i = s.next(i + 1); is(s.text, i, '}') {
		return s.close(i)
	}
	for is(s.text, i, '"') {
		end := stringEnd(s.text, i)
		if end == 0 {
			return 0
		}
		member := p.member(s.text[i:end]) // now: what follows may move the key
		if i = s.next(end); !is(s.text, i, ':') {
			return 0
		}
		if end = s.value(s.next(i+1), member); end == 0 {
			return 0
		}
		if i = s.next(end); is(s.text, i, '}') {
			return s.close(i)
		}
		if !is(s.text, i, ',') {
			return 0
		}
		i = s.next(i + 1)
	}
	return 0
}

// list reads an array, and notes where it is if it is the one of records.
func (s *scan) list(i int, p part) int {
	if p != items {
		return s.array(i, other)
	}
	s.records = s.records[:0]
	begin := s.at(i)
	end := s.array(i, items)
	s.lists = append(s.lists, [2]int{begin, s.at(end)})
	return end
}

func (s *scan) array(i int, p part) int {
	if !s.open() {
		return 0
	}
	if i = s.next(i + 1); is(s.text, i, ']') {
		return s.close(i)
	}
	for {
		end := s.element(i, p)
		if end == 0 {
			return 0
		}
		if i = s.next(end); is(s.text, i, ']') {
			return s.close(i)
		}
		if !is(s.text, i, ',') {
			return 0
		}
		i = s.next(i + 1)
	}
}

// element reads an element of an array, and notes it if it is a record.
func (s *scan) element(i int, p part) int {
	if p != items {
		return s.value(i, other)
	}
	s.records = append(s.records, Record{})
	return s.record(i, &s.records[len(s.records)-1])
}

// open and close count the brackets around.
func (s *scan) open() bool {
	s.depth++
	return s.depth <= maxDepth
}

func (s *scan) close(i int) int {
	s.depth--
	return i + 1
}
