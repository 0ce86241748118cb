package record

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
)

// The members that SecOps' parser of a log with an EventType reads.
const (
	eventTypeKey = `"eventtype":`
	hostKey      = `"host":`
)

// enrich appends the members that an object lacks.
func enrich(line []byte, eventType, host string, m members) []byte {
	line = line[:len(line)-1]
	if m.EventType == nil {
		line = appendMember(line, eventTypeKey, eventType)
	}
	if m.Host == nil {
		line = appendMember(line, hostKey, host)
	}
	return append(line, '}')
}

func appendMember(line []byte, key, value string) []byte {
	line, _ = jsontext.AppendQuote(append(comma(line), key...), value) // fails for invalid UTF-8, which neither value has
	return line
}

// comma separates the next member from the one before it.
func comma(line []byte) []byte {
	if line[len(line)-1] == '{' {
		return line
	}
	return append(line, ',')
}

// Undo returns a line of a log without the bracket that ends an object, and
// without the members that Read may have added for host, or for any host if that
// is "". A line that is no object is returned whole.
func Undo(line []byte, log duo.Log, host string) []byte {
	if len(line) == 0 || line[0] != '{' {
		return line
	}
	line = line[:len(line)-1]
	if log.EventType == "" {
		return line // what it has is Duo's
	}
	added := []byte(eventTypeKey + `"` + log.EventType + `"`)
	for {
		rest := withoutHost(bytes.TrimSuffix(line, added), host)
		if len(rest) == len(line) {
			return line
		}
		line = bytes.TrimSuffix(rest, []byte(","))
	}
}

// withoutHost removes a host at the line's end. Letter case does not matter: an
// earlier version wrote DUO_API_HOST as it was set.
func withoutHost(line []byte, host string) []byte {
	i := bytes.LastIndex(line, []byte(hostKey+`"`))
	if i < 0 {
		return line
	}
	value, whole := bytes.CutSuffix(line[i+len(hostKey)+1:], []byte(`"`))
	if !whole || bytes.IndexByte(value, '"') >= 0 || host != "" && !strings.EqualFold(string(value), host) {
		return line
	}
	return line[:i]
}
