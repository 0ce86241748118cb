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

// is reports whether c is at i.
func is(text []byte, i int, c byte) bool { return uint(i) < uint(len(text)) && text[i] == c }

// wordEnd returns where the word that begins at i ends, 0 if another one does.
func wordEnd(text []byte, i int, word string) int {
	end := i + len(word)
	if end > len(text) || string(text[i:end]) != word {
		return 0
	}
	return end
}

// stringEnd returns where the string that begins at i ends, with its quote, 0 if
// it is none.
func stringEnd(text []byte, i int) int {
	if end := plainEnd(text, i); end != 0 {
		return end
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			n := escape(text[i+1:])
			if n == 0 {
				return 0
			}
			i += n
		case c < ' ':
			return 0
		}
	}
	return 0
}

// plainEnd is stringEnd for nearly all strings. Where something is escaped, and
// near the end of the text, it gives up and returns 0. It looks for quotes,
// backslashes and control characters in eight bytes at a time, see
// https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord. As an xor
// makes a space of a quote and control characters of each other, one comparison
// finds both.
func plainEnd(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i++; i < len(text)-7; i += 8 {
		x := binary.LittleEndian.Uint64(text[i : i+8 : i+8])
		quote, slash := x^ones*('"'^' '), x^ones*'\\'
		if special := ((quote - ones*(' '+1)) | (slash - ones)) &^ x & highs; special != 0 {
			if i += bits.TrailingZeros64(special) / 8; text[i] == '"' {
				return i + 1
			}
			break
		}
	}
	return 0
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

// numberEnd returns where a number that begins at i ends, of any length and
// size, 0 if it is none.
func numberEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	end := digits(text, i)
	if end == i || end > i+1 && text[i] == '0' {
		return 0
	}
	if i = end; i < len(text) && text[i] == '.' {
		if end = digits(text, i+1); end == i+1 {
			return 0
		}
		i = end
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if end = digits(text, i); end == i {
			return 0
		}
		i = end
	}
	return i
}

// digits returns where the digits that begin at i end.
func digits(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
