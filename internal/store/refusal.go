package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a person should do about a refusal by Firestore.
const (
	hintAPI        = "enable the API %s in the project: gcloud services enable %[1]s"
	hintBilling    = "link the project to a billing account that is open"
	hintProject    = "correct FIRESTORE_PROJECT, or have the project restored"
	hintPerimeter  = "have the VPC Service Controls perimeter let the service's account through; the identifier in the message finds the line in the audit log"
	hintOrgPolicy  = "have the organization's policy allow it"
	hintScope      = "give the credentials the scope https://www.googleapis.com/auth/datastore or cloud-platform"
	hintRole       = "grant the service account roles/datastore.user on the database"
	hintKey        = "enable the database's encryption key in Cloud KMS, and let Firestore's service agent use it"
	hintNative     = "create the Firestore database in Native mode, or name it in FIRESTORE_DATABASE"
	hintReadOnly   = "end what makes the database read-only: a migration or a database setting"
	hintTooLarge   = "shorten OVERLAP, so that the document holds fewer identities; if that does not help, see \"reset the cursor\" in docs/operations.md"
	hintUnknown    = "this error is not known here: do what Google's message says"
	hintQuota      = "a Firestore quota is used up: wait, or see the project's quotas; without billing they are renewed once a day"
	hintContention = "another writer holds the document, or was killed while it did: Firestore releases it within two minutes; if this lasts, make sure that only this service writes it"
)

// byReason has hints for the reasons of ErrorInfo in the domain googleapis.com.
var byReason = map[string]string{
	"BILLING_DISABLED":                hintBilling,
	"CONSUMER_INVALID":                hintProject,
	"CONSUMER_SUSPENDED":              hintProject,
	"USER_PROJECT_DENIED":             hintProject,
	"SECURITY_POLICY_VIOLATED":        hintPerimeter,
	"ORG_RESTRICTION_VIOLATION":       hintOrgPolicy,
	"LOCATION_ORG_POLICY_VIOLATED":    hintOrgPolicy,
	"ACCESS_TOKEN_SCOPE_INSUFFICIENT": hintScope,
	"IAM_PERMISSION_DENIED":           hintRole,
	"CLOUD_KMS_KEY_DISABLED":          hintKey,
}

// byText has hints for messages without a specific reason. The first match counts.
var byText = []struct{ says, hint string }{
	{"datastore mode", hintNative},
	{"cloud datastore projects", hintNative},
	{"vpcservicecontrols", hintPerimeter},
	{"vpc_service_controls", hintPerimeter},
	{"prohibited by organization's policy", hintPerimeter},
	{"encryption key", hintKey},
	{"cmek", hintKey},
	{"kms", hintKey},
	{"requires billing", hintBilling},
	{"billing account", hintBilling},
	{"has not been used in project", fmt.Sprintf(hintAPI, service)},
	{"read-only", hintReadOnly},
	{"read only", hintReadOnly},
	{"maximum allowed size", hintTooLarge},
	{"maximum size", hintTooLarge},
	{"too large", hintTooLarge},
}

// byCode has hints for answers with nothing else that is known here.
var byCode = map[codes.Code]string{
	codes.NotFound:           hintNative,
	codes.PermissionDenied:   hintRole,
	codes.Unauthenticated:    hintRole,
	codes.FailedPrecondition: hintUnknown,
	codes.AlreadyExists:      hintUnknown,
	codes.InvalidArgument:    hintUnknown,
	codes.OutOfRange:         hintUnknown,
	codes.Unimplemented:      hintUnknown,
}

const (
	service = "firestore.googleapis.com"
	domain  = "googleapis.com" // of the reasons above
)

// SetupError is an [ErrSetup] with a reason and a hint.
type SetupError struct {
	Reason error
	Hint   string // what a person should do
}

// Error returns reason and hint in one line.
func (e *SetupError) Error() string { return fmt.Sprintf("%v: %v: %s", ErrSetup, e.Reason, e.Hint) }

// Unwrap returns [ErrSetup] and the reason.
func (e *SetupError) Unwrap() []error { return []error{ErrSetup, e.Reason} }

// TemporaryError is a refusal that may be over by the next run.
type TemporaryError struct {
	Reason error
	Hint   string // what to do if it lasts
}

// Error returns reason and hint in one line.
func (e *TemporaryError) Error() string { return fmt.Sprintf("%v: %s", e.Reason, e.Hint) }

// Unwrap returns the reason.
func (e *TemporaryError) Unwrap() error { return e.Reason }

// conflict is a refused write that our condition may explain. If the document
// turns out not to have changed, the reason is otherwise.
type conflict struct{ otherwise error }

func (c *conflict) Error() string {
	if c.otherwise == nil {
		return "the document changed since it was read"
	}
	return "the document changed since it was read, or: " + c.otherwise.Error()
}

// bare returns the error as it came over the wire.
func bare(err error) error {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.err
	}
	return err
}

func codeOf(err error) codes.Code { return status.Code(bare(err)) }

// refused classifies an error answer of Firestore: a person must act, or it may
// work later. Details and words count for more than the code.
func refused(doing string, err error) error {
	err = bare(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s in Firestore: %w", doing, err)
	}
	code, details := status.Code(err), status.Convert(err).Details()
	said := fmt.Errorf("%s in Firestore: %w", doing, err)
	if info := infoOf(details); info != nil {
		said = fmt.Errorf("%w (%s)", said, info.Reason)
	}
	switch {
	case code == codes.ResourceExhausted:
		return &TemporaryError{said, hintQuota}
	case code == codes.Aborted:
		return &TemporaryError{said, hintContention}
	case byCode[code] == "":
		return said
	}
	return &SetupError{said, cmp.Or(detailed(details), worded(status.Convert(err).Message()), byCode[code])}
}

// infoOf returns the ErrorInfo among the details, nil if there is none.
func infoOf(details []any) *errdetails.ErrorInfo {
	for _, d := range details {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

// detailed returns the hint for the details, "" if there is none.
func detailed(details []any) string {
	if info := infoOf(details); info.GetDomain() == domain {
		if info.Reason == "SERVICE_DISABLED" {
			return fmt.Sprintf(hintAPI, cmp.Or(info.Metadata["service"], service))
		}
		if hint := byReason[info.Reason]; hint != "" {
			return hint
		}
	}
	for _, d := range details {
		failure, _ := d.(*errdetails.PreconditionFailure)
		for _, v := range failure.GetViolations() {
			if hint := worded(v.Type + " " + v.Description); hint != "" {
				return hint
			}
		}
	}
	return ""
}

func worded(text string) string {
	text = strings.ToLower(text)
	for _, t := range byText {
		if strings.Contains(text, t.says) {
			return t.hint
		}
	}
	return ""
}

// refusedWrite does the same for a conditional write. A read came before it, so NotFound
// may mean the document. If a transaction is over, its commit may have happened.
func refusedWrite(err error) error {
	said := refused("writing the state", err)
	err = bare(err)
	switch code := status.Code(err); {
	case code == codes.InvalidArgument && closed(status.Convert(err).Message()):
		return &TemporaryError{fmt.Errorf("writing the state in Firestore: %w", err), "the transaction took too long"}
	case code == codes.FailedPrecondition, code == codes.AlreadyExists, code == codes.NotFound, code == codes.InvalidArgument:
		return &conflict{said}
	}
	return said
}

// closed reports whether a message says that a transaction is over, for any reason.
func closed(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "transaction") &&
		(strings.Contains(text, "closed") || strings.Contains(text, "expired") || strings.Contains(text, "no longer valid"))
}
