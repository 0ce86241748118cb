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

// refusal is an answer of Cloud Storage with status 4xx or 5xx.
type refusal struct {
	code    int
	message string   // Google's words, "" if the answer is not Google's
	reasons []string // Google's, the most specific first
	text    string   // where causes look for words; lower case, never shown
}

// quoted matches a name in a message. It may contain any word.
var quoted = regexp.MustCompile(`'[^']*'`)

// refusalOf finds the answer in the library's error.
func refusalOf(err error) (refusal, bool) {
	answer, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return refusal{}, false
	}
	if answer.Message == "" {
		answer = readBody(answer)
	}
	// A request for an object's bytes may be answered with a line of plain text.
	// A proxy's page looks the same, so the text is never shown.
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

// readBody parses the body, which the library does not do for an object's bytes.
func readBody(answer *googleapi.Error) *googleapi.Error {
	err := googleapi.CheckResponseWithBody(&http.Response{StatusCode: answer.Code}, []byte(answer.Body))
	if read, ok := errors.AsType[*googleapi.Error](err); ok {
		return read
	}
	return answer
}

// detailReasons returns the reason of an ErrorInfo, or the types of a
// PreconditionFailure's violations.
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

// says reports whether the refusal has one of the reasons or words.
func (r refusal) says(reasons, words []string) bool {
	for _, reason := range reasons {
		if slices.ContainsFunc(r.reasons, func(given string) bool { return strings.EqualFold(given, reason) }) {
			return true
		}
	}
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(r.text, word) })
}

// final reports whether a retry would be refused again. The other statuses mean
// that Cloud Storage is unavailable or busy.
func (r refusal) final() bool {
	return r.code >= 400 && r.code < 500 && r.code != http.StatusRequestTimeout && r.code != http.StatusTooManyRequests
}

// told is the answer in one line, with Google's reason.
func (r refusal) told() string {
	told := fmt.Sprintf("Cloud Storage answered %d %s", r.code, cmp.Or(r.message, http.StatusText(r.code)))
	if reason := cmp.Or(r.reasons...); reason != "" {
		told += " (" + reason + ")"
	}
	return told
}

// explain returns an error for an operator, without the answer's body. It is a
// SetupError unless a later run may succeed.
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
		return errors.New(r.told() + " without a reason; something between here and Cloud Storage, such as a proxy, may have answered")
	}
	return &SetupError{r.told(), "this error is not known here: look for it at cloud.google.com/storage/docs/json_api/v1/status-codes and in the audit log of bucket " + bucket}
}
