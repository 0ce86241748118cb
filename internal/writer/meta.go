package writer

import (
	"errors"
	"maps"
	"strconv"
	"time"
)

// The keys of an object's metadata. Cloud Storage also sends them as HTTP headers,
// so they are lower case, with hyphens.
const (
	keyWriter  = "written-by"
	keyNext    = "next-offset"
	keyRecords = "records"
	keyFirst   = "first"
	keyLast    = "last"
	keyRunID   = "run-id"
	keyToken   = "token"
	keyAccount = "account"
	keyUntimed = "untimed"
)

// service is the value of keyWriter in our objects.
const service = "duo-telephony-collector"

// encode returns m as stored, without empty values, which a bucket may not keep.
func (m Meta) encode() map[string]string {
	kv := map[string]string{
		keyWriter:  service,
		keyNext:    m.Next,
		keyRecords: strconv.Itoa(m.Records),
		keyFirst:   formatTime(m.First),
		keyLast:    formatTime(m.Last),
		keyRunID:   m.RunID,
		keyToken:   strconv.FormatInt(m.Token, 10),
		keyAccount: m.Account,
		keyUntimed: strconv.Itoa(m.Untimed),
	}
	maps.DeleteFunc(kv, func(_, v string) bool { return v == "" })
	return kv
}

// decodeMeta is the inverse of encode. It returns false for what encode did not make.
func decodeMeta(kv map[string]string) (Meta, bool) {
	records, badRecords := strconv.Atoi(kv[keyRecords])
	token, badToken := strconv.ParseInt(kv[keyToken], 10, 64)
	first, badFirst := parseTime(kv[keyFirst])
	last, badLast := parseTime(kv[keyLast])
	untimed, badUntimed := -1, error(nil)
	if s := kv[keyUntimed]; s != "" {
		untimed, badUntimed = strconv.Atoi(s)
	}
	if kv[keyWriter] != service || errors.Join(badRecords, badToken, badFirst, badLast, badUntimed) != nil {
		return Meta{}, false
	}
	return Meta{
		Next: kv[keyNext], Records: records, First: first, Last: last, Untimed: untimed,
		RunID: kv[keyRunID], Token: token, Account: kv[keyAccount],
	}, true
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}
