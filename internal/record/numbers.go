package record

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// phone is a value that the log's Phone leads to.
type phone struct {
	from, to int            // in the line
	key      jsontext.Value // of the device that it names, nil where there is none
}

// find notes what a path of members leads to from the value that is next. Of a
// list or an object in that place it notes what is in it.
func (r *reader) find(line []byte, path string) error {
	kind := r.decoder.PeekKind()
	switch {
	case path == "" && (kind == '{' || kind == '['):
		return r.each(func([]byte) error { return r.find(line, "") })
	case path == "":
		value, err := r.value(line)
		end := int(r.decoder.InputOffset())
		r.phones = append(r.phones, phone{from: end - len(value), to: end})
		return err
	case kind != '{':
		return r.decoder.SkipValue()
	}
	head, rest, _ := strings.Cut(path, ".")
	first, key := len(r.phones), jsontext.Value(nil)
	err := r.each(func(name []byte) (err error) {
		switch string(name) {
		case head:
			return r.find(line, rest)
		case r.log.Device:
			key, err = r.value(line)
			return err
		}
		return r.decoder.SkipValue()
	})
	if rest == "" {
		for i := range r.phones[first:] {
			r.phones[first+i].key = key
		}
	}
	return err
}

// each has read called for each value of the next object or list, which it has to
// read. A list's have no name.
func (r *reader) each(read func(name []byte) error) error {
	named := r.decoder.PeekKind() == '{'
	_, err := r.decoder.ReadToken()
	for err == nil && r.decoder.PeekKind() != '}' && r.decoder.PeekKind() != ']' {
		var name jsontext.Value
		if named {
			if name, err = r.decoder.ReadValue(); err != nil {
				return err
			}
			name = plain(name)
		}
		err = read(name)
	}
	if err != nil {
		return err
	}
	_, err = r.decoder.ReadToken()
	return err
}

// unnamed returns a line in pieces, without the names of devices that have a key.
// The key tells which device it was, whether or not a number in its name is hidden.
func (r *reader) unnamed(line []byte) [][]byte {
	r.pieces = r.pieces[:0]
	done := 0
	for _, p := range r.phones {
		if r.log.Device != "" && tells(text(p.key)) {
			r.pieces = append(r.pieces, line[done:p.from])
			done = p.to
		}
	}
	r.pieces = append(r.pieces, line[done:])
	return r.pieces
}

// What may stand between a number's digits. People paste numbers with signs in
// them that nobody sees. A bracket opens within a number only after a plus: else
// it ends what is before it, as in "iPhone 15 (734-555-0100)".
const (
	between = `[\s\p{Z}\p{Cf}\p{Pd})./·]*`
	after   = `[\s\p{Z}\p{Cf}\p{Pd}()./·]*` // a plus
	hashed  = hashPrefix + `[0-9a-f]{64}`
)

var (
	longNumber = regexp.MustCompile(hashed + `|\+` + after + `[0-9](?:` + after + `[0-9]){6,}|[0-9](?:` + between + `[0-9]){6,}`)
	allDigits  = regexp.MustCompile(`(?s)` + hashed + `|(?:\+` + after + `)?[0-9](?:.*[0-9])?`)
	blank      = regexp.MustCompile(`^` + after + `$`)
)

// numbersOf returns what finds the numbers in a value. Where Phone is no device's
// name it is a number. In a device's name a number has seven digits or more with
// at most blanks and punctuation between them. Whether the device is a phone is
// told by its key, which Duo begins with two letters for what it is: DP is a phone,
// DH a hardware token, whose name has a serial number, and WA a security key.
// Where it has no key, or another one, a number is one that begins with a plus
// or a bracket, or that is the whole name.
func (r *reader) numbersOf(p phone) func(text []byte) [][]int {
	key := string(text(p.key))
	switch {
	case r.log.Device == "":
		return func(text []byte) [][]int { return allDigits.FindAllIndex(text, -1) }
	case strings.HasPrefix(key, "DP"):
		return func(text []byte) [][]int { return longNumber.FindAllIndex(text, -1) }
	case strings.HasPrefix(key, "DH"), strings.HasPrefix(key, "WA"):
		return func([]byte) [][]int { return nil }
	}
	return marked
}

// marked finds the long numbers that can be nothing but a phone's.
func marked(text []byte) [][]int {
	var found [][]int
	for _, at := range longNumber.FindAllIndex(text, -1) {
		before, after := text[:at[0]], text[at[1]:]
		if text[at[0]] == '+' || bytes.HasSuffix(before, []byte("(")) || blank.Match(before) && blank.Match(after) {
			found = append(found, at)
		}
	}
	return found
}

// spell returns what a JSON string says, and where in it each byte of that is
// written, with the place of the last quote at the end.
func spell(value []byte) (text []byte, at []int) {
	for i := 1; i < len(value)-1; {
		char, size := utf8.DecodeRune(value[i:])
		if char == '\\' {
			char, size = unescape(value[i:])
		}
		text = utf8.AppendRune(text, char)
		for len(at) < len(text) {
			at = append(at, i)
		}
		i += size
	}
	return text, append(at, len(value)-1)
}

// unescape reads the escape sequence that a valid JSON string goes on with. The
// halves of a surrogate pair are read one by one: neither is of a number.
func unescape(s []byte) (char rune, size int) {
	if s[1] != 'u' {
		if i := strings.IndexByte("bfnrt", s[1]); i >= 0 {
			return ' ', 2
		}
		return rune(s[1]), 2
	}
	code, _ := strconv.ParseUint(string(s[2:6]), 16, 16) // it is valid
	return rune(code), 6
}
