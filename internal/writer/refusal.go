package writer

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/api/googleapi"
)

// refusal is an answer of Cloud Storage with a status of 4xx or 5xx.
type refusal struct {
	code    int
	message string   // Google's words, "" where it was no answer of Google's
	reasons []string // Google's, the most telling first
	text    string   // what causes look for words in, in lower case; never shown
}

// quoted is a name in a message, which may hold any word.
var quoted = regexp.MustCompile(`'[^']*'`)

// refusalOf finds the answer in an error of the library.
func refusalOf(err error) (refusal, bool) {
	answer, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return refusal{}, false
	}
	if answer.Message == "" {
		answer = readBody(answer)
	}
	// Where bytes were asked for, Google may answer with a line of text. The page
	// of a proxy looks the same, so nobody gets to see it.
	text := strings.ToLower(cmp.Or(answer.Message, answer.Body))
	r := refusal{code: answer.Code, message: answer.Message, text: quoted.ReplaceAllString(text, "''")}
	for _, detail := range answer.Details {
		r.reasons = append(r.reasons, detailReasons(detail)...)
	}
	for _, item := range answer.Errors {
		r.reasons = append(r.reasons, item.Reason)
	}
	return r, true
}

// readBody does what the library leaves out where it asked for an object's bytes.
func readBody(answer *googleapi.Error) *googleapi.Error {
	err := googleapi.CheckResponseWithBody(&http.Response{StatusCode: answer.Code}, []byte(answer.Body))
	if read, ok := errors.AsType[*googleapi.Error](err); ok {
		return read
	}
	return answer
}

// detailReasons returns what a detail gives as a reason: that of an ErrorInfo,
// or the types of a PreconditionFailure's violations.
func detailReasons(detail any) (reasons []string) {
	fields, _ := detail.(map[string]any)
	if reason, ok := fields["reason"].(string); ok {
		reasons = append(reasons, reason)
	}
	violations, _ := fields["violations"].([]any)
	for _, v := range violations {
		violation, _ := v.(map[string]any)
		if kind, ok := violation["type"].(string); ok {
			reasons = append(reasons, kind)
		}
	}
	return reasons
}

// says tells whether Google gave one of the reasons, or one of the words.
func (r refusal) says(reasons, words []string) bool {
	for _, reason := range reasons {
		if slices.ContainsFunc(r.reasons, func(given string) bool { return strings.EqualFold(given, reason) }) {
			return true
		}
	}
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(r.text, word) })
}

// final tells whether the same request would be refused again: the status of
// all others says that Cloud Storage was away or busy.
func (r refusal) final() bool {
	return r.code >= 400 && r.code < 500 && r.code != http.StatusRequestTimeout && r.code != http.StatusTooManyRequests
}

// told is the answer in a line, Google's reason included.
func (r refusal) told() string {
	told := fmt.Sprintf("Cloud Storage answered %d %s", r.code, cmp.Or(r.message, http.StatusText(r.code)))
	if reason := cmp.Or(r.reasons...); reason != "" {
		told += " (" + reason + ")"
	}
	return told
}

// explain says what the refusal means to an operator, without the answer's
// body. It is a SetupError unless time may heal it.
func (r refusal) explain(bucket string) error {
	if !r.final() {
		return errors.New(r.told())
	}
	for _, c := range causes {
		if c.of(r) {
			return c.explain(r, bucket)
		}
	}
	if r.message == "" && len(r.reasons) == 0 {
		return errors.New(r.told() + " without a reason; something between here and Cloud Storage may have answered")
	}
	return &SetupError{r.told(), "what this means is not known here: look for it at cloud.google.com/storage/docs/json_api/v1/status-codes, and in the audit log of bucket " + bucket}
}
