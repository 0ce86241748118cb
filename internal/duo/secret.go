package duo

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	keyLength = 40 // characters of every secret key that Duo is known to give
	quotes    = "\"'`“”‘’„«»"

	maskedFault = "is a masked key: copy the key itself from Duo's Admin Panel"
)

var assignment = regexp.MustCompile(`^(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*[=:]`)

// SecretFault says what is unusual about a secret key, without any part of it, as a
// sentence without its subject: "is in quotes". It is "" for one that looks like Duo's.
func SecretFault(key string) string {
	switch {
	case strings.HasPrefix(key, "\xff\xfe"), strings.HasPrefix(key, "\xfe\xff"), strings.Contains(key, "\x00"):
		return "is text in UTF-16: save it as UTF-8"
	case strings.HasPrefix(key, "\ufeff"):
		return "begins with a byte order mark: save it as UTF-8 without one"
	case assignment.MatchString(key):
		return "has the form NAME=value: leave the value alone there"
	case strings.Trim(key, quotes) != key:
		return "is in quotes: leave them out"
	case Masked(key):
		return maskedFault
	case strings.ContainsFunc(key, unicode.IsSpace):
		return "has blanks or line breaks: leave them out"
	case utf8.RuneCountInString(key) != keyLength:
		return fmt.Sprintf("has %d characters, and Duo's have %d", utf8.RuneCountInString(key), keyLength)
	}
	return ""
}

// IKeyFault says what makes a value no integration key of an Admin API
// application, whatever else it is, as SecretFault does; "" for what can be one.
// It never repeats the value, which may be another key.
func IKeyFault(ikey string) string {
	switch {
	case Masked(ikey):
		return maskedFault
	case strings.ContainsAny(ikey, "\"'`“”‘’"):
		return "has quotes: leave them out"
	case strings.Contains(ikey, ":"):
		return "has a colon, which no key has: set the integration key alone, the secret key has a place of its own"
	case strings.HasPrefix(ikey, "SI"):
		return "begins with SI, so it belongs to another kind of application: create an Admin API application, its key begins with DI"
	}
	return ""
}

// Masked reports whether a key is what a form shows in its place: asterisks or dots.
func Masked(key string) bool { return key != "" && strings.Trim(key, "*•●·.") == "" }

// hintOf401 is hintKeys, and what is unusual about the key that was refused.
func hintOf401(key string) string {
	if fault := SecretFault(key); fault != "" {
		return hintKeys + ": the secret key " + fault
	}
	return hintKeys
}
