package duo

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strings"
	"unicode/utf8"
)

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
