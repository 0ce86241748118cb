package writer

import (
	"errors"
	"net/http"
	"strings"
)

// cause is a possible cause of a refusal, and what a person should do about it. Google's
// reason tells, or words of the message where that is as general as "forbidden".
//
// The reasons are from
// https://cloud.google.com/storage/docs/json_api/v1/status-codes and
// google.api.ErrorReason, the words from answers that people reported.
type cause struct {
	code    int      // 0 for any
	reasons []string // one of these or of the words must match
	words   []string // lower case; if both lists are empty, the code is enough
	hint    string   // {bucket} stands for the bucket's name; "" if a retry may help
}

func (c cause) of(r refusal) bool {
	if c.code != 0 && c.code != r.code {
		return false
	}
	return len(c.reasons)+len(c.words) == 0 || r.says(c.reasons, c.words)
}

func (c cause) explain(r refusal, bucket string) error {
	if c.hint == "" {
		return errors.New(r.told())
	}
	return &SetupError{r.told(), strings.ReplaceAll(c.hint, "{bucket}", bucket)}
}

// The three causes that mean that an object has the name.
var (
	kept = cause{
		code:    http.StatusForbidden,
		reasons: []string{"retentionPolicyNotMet", "objectUnderActiveHold"},
		words:   []string{"retention policy", "object retention", "under active"},
		hint:    "a retention policy or a hold keeps this name although no object is visible: look at the versions and holds in bucket {bucket}",
	}
	// unmet: our own condition failed, which is that no object has the name.
	unmet = cause{code: http.StatusPreconditionFailed, words: []string{"pre-condition", "precondition", "conditionnotmet"}}
	// overwrite may be the answer to an account that can create but not delete.
	overwrite = cause{code: http.StatusForbidden, words: []string{"storage.objects.delete"}}
)

// taken reports whether a create was refused because an object has the name.
func (r refusal) taken() bool { return kept.of(r) || unmet.of(r) || overwrite.of(r) }

const (
	hintGrant     = "grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket {bucket}"
	hintPerimeter = "a VPC Service Controls perimeter keeps this service out of bucket {bucket}: let its service account, or the network it comes from, into the perimeter"
	hintBilling   = "enable billing for the project of bucket {bucket}, or settle what its billing account owes"
	hintKeyOff    = "enable the key that encrypts bucket {bucket}, or give the bucket another key; objects encrypted with a destroyed key are lost"
	hintKeyGrant  = "grant Cloud Storage's own service agent, service-PROJECT_NUMBER@gs-project-accounts.iam.gserviceaccount.com, roles/cloudkms.cryptoKeyEncrypterDecrypter on the key of bucket {bucket}"
)

// causes are all known causes. The first match counts, so those with a specific
// reason come before those that need words.
var causes = []cause{
	kept, unmet, overwrite,
	{reasons: []string{"SECURITY_POLICY_VIOLATED", "VPC_SERVICE_CONTROLS"}, words: []string{"vpcservicecontrols", "prohibited by organization's policy"}, hint: hintPerimeter},
	{reasons: []string{"accountDisabled", "UserProjectAccountProblem", "BILLING_DISABLED"}, words: []string{"billing account", "billing disabled", "configured billing"}, hint: hintBilling},
	{reasons: []string{"SERVICE_DISABLED", "accessNotConfigured"}, hint: "enable storage.googleapis.com in the project of the service account"},
	{reasons: []string{"UserProjectAccessDenied"}, words: []string{"serviceusage.services.use"},
		hint: "unset GOOGLE_CLOUD_QUOTA_PROJECT, or grant the service account roles/serviceusage.serviceUsageConsumer on that project"},
	{reasons: []string{"userProjectInvalid"}, hint: "unset or correct GOOGLE_CLOUD_QUOTA_PROJECT"},
	{reasons: []string{"userProjectMissing", "AuthenticationRequiredRequesterPays"}, words: []string{"requester pays"},
		hint: "turn Requester Pays off for bucket {bucket}: this service names no project that pays"},
	{reasons: []string{"cloudKmsDisabledKey"}, words: []string{"is not enabled, current state", "key is disabled", "scheduled for destruction"}, hint: hintKeyOff},
	{reasons: []string{"cloudKmsEncryptionKeyNotFound", "cloudKmsDecryptionKeyNotFound", "cloudKmsKeyLocationNotAllowed", "cloudKmsBadKey"},
		hint: "give bucket {bucket} a key that exists, in the bucket's own location"},
	{code: http.StatusForbidden, words: []string{"cloud kms key", "cloudkms.cryptokey"}, hint: hintKeyGrant},
	{words: []string{"cloud kms"}, hint: "check the state of the key that encrypts bucket {bucket}, and who may use it"},
	{code: http.StatusForbidden, words: []string{"ip filter"}, hint: "the IP filter of bucket {bucket} keeps this service out: add the address or the network that it comes from"},
	{reasons: []string{"orgPolicyConstraintFailed"}, words: []string{"constraint"},
		hint: "an organization policy forbids this write: change bucket {bucket} as the constraint asks, or have an exception made"},
	{code: http.StatusBadRequest, words: []string{"crc32c", "md5"}}, // altered on the way
	{code: http.StatusBadRequest, words: []string{"object name", "object length"}, hint: "correct GCS_PREFIX: Cloud Storage does not take this name, see docs/operations.md"},
	{code: http.StatusConflict, words: []string{"being deleted", "deletion"}, hint: "bucket {bucket} is being deleted: set GCS_BUCKET to another one"},
	{code: http.StatusConflict}, // two changes at once
	{code: http.StatusRequestEntityTooLarge, hint: "something between here and Cloud Storage limits the size of an upload: lift that limit, for Cloud Storage itself accepts objects of 5 TiB"},
	{code: http.StatusUnauthorized, hint: "make sure that the service account exists and is enabled, and that the service runs as it"},
	{code: http.StatusForbidden, reasons: []string{"insufficientPermissions"}, words: []string{"does not have", "permission '", "access denied"}, hint: hintGrant},
	{code: http.StatusNotFound, hint: "create the bucket {bucket} or correct GCS_BUCKET"},
}
