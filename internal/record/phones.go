package record

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
)

// Phones is what becomes of phone numbers before they are written; zero keeps them.
type Phones struct {
	write func(out []byte, n number) []byte // nil keeps them
}

const (
	minPhonesKey = 16 // bytes; numbers are few enough to try them all with a short key
	hashPrefix   = "hmac-sha256:"
)

// NewPhones returns what a mode makes of phone numbers:
//
//	keep  +33 6 55 50 10 10
//	mask  +xx x xx xx 10 10  all digits but the last four are x
//	hash  hmac-sha256:68…    and 64 hexadecimal digits: HMAC-SHA256 of the digits
//	                         alone, so that a number stays equal however it is written
//
// The key is for hash. The error says what is wrong, and nothing of the key.
func NewPhones(mode string, key []byte) (Phones, error) {
	switch mode {
	case "keep":
		return Phones{}, nil
	case "mask":
		return Phones{mask}, nil
	case "hash":
		if len(key) < minPhonesKey {
			return Phones{}, fmt.Errorf("hash needs a key of at least %d bytes: make one with openssl rand -hex 32", minPhonesKey)
		}
		key = bytes.Clone(key)
		return Phones{func(out []byte, n number) []byte { return n.hash(out, key) }}, nil
	}
	return Phones{}, errors.New("is none of keep, mask and hash")
}

// Apply returns a record of a log, as Duo sent it or as a line, with its phone
// numbers as they are to be written. Nothing else changes by a byte; where nothing
// changes it is raw itself. What was applied once stays as it is when it is applied
// again, to a line of an object for one.
//
// [Page.Read] applies it, and whoever compares with what a run has written must.
func (p Phones) Apply(raw []byte, log duo.Log) []byte {
	if p.write == nil || log.Phone == "" {
		return raw
	}
	r := reader{log: log}
	if _, ok := r.members(raw); !ok {
		return raw
	}
	var out []byte
	done := 0
	for _, at := range r.phones {
		if value, changed := p.value(raw[at.from:at.to], r.numbersOf(at)); changed {
			out = append(append(out, raw[done:at.from]...), value...)
			done = at.to
		}
	}
	if done == 0 {
		return raw
	}
	return append(out, raw[done:]...)
}

// number is a phone number in a JSON string.
type number struct {
	json     []byte
	text     []byte // what the string says
	at       []int  // where in json each byte of text is written, and the end
	from, to int    // of the number in text
}

// value returns a JSON value with its numbers as they are to be written, and
// reports whether that changes it. A number of JSON's becomes a string.
func (p Phones) value(value jsontext.Value, find func([]byte) [][]int) (written []byte, changed bool) {
	switch value.Kind() {
	case '0':
		value = append(append([]byte{'"'}, value...), '"')
	case '"':
	default:
		return nil, false
	}
	n := number{json: value}
	n.text, n.at = spell(value)
	done := 0
	for _, at := range find(n.text) {
		n.from, n.to = at[0], at[1]
		if bytes.HasPrefix(n.text[n.from:], []byte(hashPrefix)) {
			continue
		}
		written = p.write(append(written, value[done:n.at[n.from]]...), n)
		done = n.at[n.to]
	}
	written = append(written, value[done:]...)
	return written, !bytes.Equal(written, value)
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// mask appends a number with an x for each digit but the last four.
func mask(out []byte, n number) []byte {
	hidden := -4
	for _, b := range n.text[n.from:n.to] {
		if isDigit(b) {
			hidden++
		}
	}
	for i := n.from; i < n.to; i++ {
		if isDigit(n.text[i]) && hidden > 0 {
			out = append(out, 'x')
			hidden--
			continue
		}
		out = append(out, n.json[n.at[i]:n.at[i+1]]...) // nothing for a character's first bytes
	}
	return out
}

// hash appends the HMAC of a number's digits.
func (n number) hash(out, key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, b := range n.text[n.from:n.to] {
		if isDigit(b) {
			mac.Write([]byte{b})
		}
	}
	return hex.AppendEncode(append(out, hashPrefix...), mac.Sum(nil))
}
