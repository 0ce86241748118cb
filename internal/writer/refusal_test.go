package writer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

// say answers with a body in Cloud Storage's form.
func say(code int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// reported answers with a message and one reason, as is usual.
func reported(code int, message, reason string) fault {
	return say(code, fmt.Sprintf(`{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}]}}`,
		code, message, message, reason))
}

const (
	retained  = "Object 'bucket/p/x.ndjson' is subject to bucket's retention policy and cannot be deleted, overwritten or archived until 2026-12-05T11:36:47.70576-08:00"
	held      = "Object 'bucket/p/x.ndjson' is under active Event-Based hold and cannot be deleted, overwritten or archived until hold is removed."
	perimeter = `{"error":{"code":403,"message":"Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: eYhDkfYCu","status":"PERMISSION_DENIED","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.PreconditionFailure","violations":[{"type":"VPC_SERVICE_CONTROLS","description":"eYhDkfYCu"}]},` +
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SECURITY_POLICY_VIOLATED","domain":"googleapis.com","metadata":{"service":"storage.googleapis.com"}}]}}`
	apiOff = `{"error":{"code":403,"message":"Cloud Storage JSON API has not been used in project 1 before or it is disabled.","errors":[{"reason":"accessNotConfigured","domain":"usageLimits"}],` +
		`"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com"}]}}`
	keyOff  = "Cloud KMS error when encrypting: projects/k/locations/us/keyRings/r/cryptoKeys/c/cryptoKeyVersions/1 is not enabled, current state is: DISABLED."
	noKey   = "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized to use this key."
	noRight = "x@p.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object. Permission 'storage.objects.create' denied on resource (or it may not exist)."
	noQuota = "x@p.iam.gserviceaccount.com does not have serviceusage.services.use access to the Google Cloud project. Permission 'serviceusage.services.use' denied on resource (or it may not exist)."
	unmet   = "At least one of the pre-conditions you specified did not hold."
)

// refusals are answers that people have reported, whether a person must act, and
// what the error must contain.
var refusals = []struct {
	name   string
	answer fault
	setup  bool
	want   string
}{
	{"retention policy", reported(403, retained, "retentionPolicyNotMet"), true, "a retention policy or a hold keeps this name"},
	{"retention policy by its older reason", reported(403, retained, "forbidden"), true, "a retention policy or a hold keeps this name"},
	{"hold", reported(403, held, "forbidden"), true, "a retention policy or a hold keeps this name"},
	{"hold by its documented reason", reported(403, "no", "objectUnderActiveHold"), true, "a retention policy or a hold keeps this name"},
	{"perimeter", say(403, perimeter), true, "VPC Service Controls perimeter"},
	{"perimeter by its text", reported(403, "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: a-b", "forbidden"), true, "VPC Service Controls perimeter"},
	{"billing", reported(403, "The billing account for the owning project is disabled in state absent", "accountDisabled"), true, "enable billing for the project of bucket bucket"},
	{"billing of the one who pays", reported(403, "no", "UserProjectAccountProblem"), true, "enable billing"},
	{"API off", say(403, apiOff), true, "enable storage.googleapis.com"},
	{"quota project", reported(403, noQuota, "forbidden"), true, "unset GOOGLE_CLOUD_QUOTA_PROJECT"},
	{"quota project unknown", reported(400, "User project specified in the request is invalid.", "userProjectInvalid"), true, "GOOGLE_CLOUD_QUOTA_PROJECT"},
	{"may not use the key", reported(403, noKey, "forbidden"), true, "roles/cloudkms.cryptoKeyEncrypterDecrypter"},
	{"key off", reported(400, keyOff, "cloudKmsDisabledKey"), true, "enable the key that encrypts bucket bucket"},
	{"key off by its text", reported(400, keyOff, "invalid"), true, "enable the key"},
	{"key missing", reported(400, "no", "cloudKmsEncryptionKeyNotFound"), true, "a key that exists"},
	{"IP filter", reported(403, "There is an IP filtering condition that is preventing access to the resource.", "forbidden"), true, "the IP filter of bucket bucket"},
	{"permission", reported(403, noRight, "forbidden"), true, "grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket bucket"},
	{"credentials", reported(401, "Invalid Credentials", "authError"), true, "make sure that the service account exists and is enabled"},
	{"requester pays", reported(400, "Bucket is a requester pays bucket but no user project provided.", "required"), true, "turn Requester Pays off for bucket bucket"},
	{"requester pays by its reason", reported(400, "no", "userProjectMissing"), true, "turn Requester Pays off"},
	{"name", reported(400, "Disallowed unicode characters present in object name 'p\n'", "invalid"), true, "correct GCS_PREFIX"},
	{"bucket going", reported(409, "The requested bucket is being deleted.", "conflict"), true, "set GCS_BUCKET to another one"},
	{"two changes at once", reported(409, "conflicting concurrent change", "conflict"), false, "answered 409 conflicting concurrent change (conflict)"},
	{"too large", reported(413, "Payload Too Large", "uploadTooLarge"), true, "limits the size of an upload"},
	{"organization policy", reported(412, "no", "orgPolicyConstraintFailed"), true, "an organization policy forbids this write"},
	{"organization policy by its text", reported(412, "Request violates constraint 'constraints/storage.uniformBucketLevelAccess'", "conditionNotMet"), true, "an organization policy forbids this write"},
	{"412 for a reason of its own", reported(412, "IAM condition evaluated to false", "iamCondition"), true, "answered 412 IAM condition evaluated to false (iamCondition); this error is not known here"},
	{"name taken and free again", reported(412, unmet, "conditionNotMet"), false, "no object has it now"},
	{"overwriting forbidden and nothing there", reported(403, "x does not have storage.objects.delete access", "forbidden"), false, "no object has it now"},
	{"unknown 403", reported(403, "Something new.", "somethingNew"), true, "answered 403 Something new. (somethingNew); this error is not known here"},
	{"words in a name", reported(403, "Something new about object 'bucket/billing account/constraint.ndjson'.", "somethingNew"), true, "this error is not known here"},
	{"unknown 400", reported(400, "Something new.", "somethingNew"), true, "this error is not known here"},
	{"altered on the way", reported(400, `Provided CRC32C "a" doesn't match calculated CRC32C "b".`, "invalid"), false, "answered 400 Provided CRC32C"},
	{"page of a proxy", answer(403, ""), false, "answered 403 Forbidden without a reason; something between"},
}

// A refused create is explained, after one request to create the object and one
// to look for it.
func TestRefusedPut(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, seen := startFaulty(t, pass, test.answer)
			w := writer.NewGCS(fake.client, bucketName, "p")
			there, err := w.Put(t.Context(), pageOne("{\"a\":1}\n", ""))
			if there != nil || err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, writer.ErrSetup) != test.setup {
				t.Errorf("Put = %v, %v, want an error with %q, ErrSetup: %t", there, err, test.want, test.setup)
			}
			if errors.Is(err, writer.ErrForeign) || strings.Contains(err.Error(), "555") {
				t.Errorf("Put = %v", err)
			}
			if len(seen.uploads) != 1 || seen.reads != 1 {
				t.Errorf("%d uploads and %d reads, want 1 of each", len(seen.uploads), seen.reads)
			}
		})
	}
}

// Whatever refuses the create, an object of ours with that name is adopted: an
// earlier attempt wrote it.
func TestRefusedPutAdopts(t *testing.T) {
	answers := map[string]fault{"no bucket": answer(404, "The specified bucket does not exist.")}
	for _, test := range refusals {
		answers[test.name] = test.answer
	}
	for name, refused := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, _ := startFaulty(t, pass, pass, refused)
			w := writer.NewGCS(fake.client, bucketName, "p")
			first, second := pageOne("{\"a\":1}\n", "first"), pageOne("{\"a\":2}\n", "second")
			mustPut(t, w, first)
			if there, err := w.Put(t.Context(), first); there != nil || err != nil {
				t.Errorf("Put of the same = %v, %v, want nil, nil", there, err)
			}
			there, err := w.Put(t.Context(), second)
			if err != nil || there == nil {
				t.Fatalf("Put = %v, %v, want the first object", there, err)
			}
			if diff := cmp.Diff(first, *there); diff != "" {
				t.Errorf("returned (-first +got):\n%s", diff)
			}
		})
	}
}

// If the answer to an upload is lost, the library's retry may be refused.
func TestRefusedRepeat(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the client waits a second")
	}
	fake, seen := startFaulty(t, pass, loseAnswer(drop), reported(403, retained, "retentionPolicyNotMet"))
	o := pageOne("{\"a\":1}\n", "next")
	there, err := writer.NewGCS(fake.client, bucketName, "p").Put(t.Context(), o)
	if err != nil || there != nil || len(seen.uploads) != 2 {
		t.Errorf("Put = %v, %v after %d uploads, want nil, nil after 2", there, err, len(seen.uploads))
	}
}

// A foreign object under our name is reported, whatever refused the create.
func TestRefusedPutForeign(t *testing.T) {
	fake, _ := startFaulty(t, pass, pass, reported(403, held, "forbidden"))
	w := writer.NewGCS(fake.client, bucketName, "p")
	o := pageOne("{\"a\":1}\n", "")
	fake.plant(t, "p/"+o.Name.String(), []byte("theirs"))
	if _, err := w.Put(t.Context(), o); !errors.Is(err, writer.ErrForeign) {
		t.Errorf("Put = %v, want ErrForeign", err)
	}
}

// If looking for the object fails too, the error does not claim that it exists or
// not, and the hint is for the first obstacle.
func TestRefusedPutUnseen(t *testing.T) {
	const grant = "grant the service account"
	noGet := reported(403, "x does not have storage.objects.get access", "forbidden")
	for name, test := range map[string]struct {
		create, look fault
		setup        bool
		want         []string
	}{
		"taken":     {reported(403, retained, "forbidden"), noGet, true, []string{"reading object", grant}},
		"perimeter": {say(403, perimeter), say(403, perimeter), true, []string{"writing object", "perimeter", "whether it exists is unknown"}},
		"away":      {reported(403, retained, "forbidden"), answer(503, "Backend Error"), false, []string{"reading object", "answered 503"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, seen := startFaulty(t, test.look, test.create)
			w := writer.NewGCS(fake.client, bucketName, "p")
			w.SetPause(time.Millisecond)
			_, err := w.Put(t.Context(), pageOne("{\"a\":1}\n", ""))
			if err == nil || errors.Is(err, writer.ErrSetup) != test.setup || errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("Put = %v, want ErrSetup: %t", err, test.setup)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Put = %v, want %q in it", err, want)
				}
			}
			if sent := seen.requests(); sent > 5 {
				t.Errorf("%d requests", sent)
			}
		})
	}
}

// An operation gives up after five failed requests.
func TestFiveFailures(t *testing.T) {
	for name, broken := range map[string]fault{"unavailable": answer(503, "Backend Error"), "too many": answer(429, "Slow down"), "dropped": drop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, seen := startFaulty(t, broken, broken)
			w := writer.NewGCS(fake.client, bucketName, "p")
			w.SetPause(time.Millisecond)
			o := pageOne("{\"a\":1}\n", "")
			requests := func(do func() error) int {
				before := seen.requests()
				if err := do(); err == nil || errors.Is(err, writer.ErrSetup) {
					t.Errorf("%v, want a temporary error", err)
				}
				return seen.requests() - before
			}
			got := map[string]int{
				"put":  requests(func() error { _, err := w.Put(t.Context(), o); return err }),
				"get":  requests(func() error { _, err := w.Get(t.Context(), o.Name); return err }),
				"read": requests(func() error { _, err := w.Read(t.Context(), "k"); return err }),
				"list": requests(func() (err error) {
					for _, err = range w.List(t.Context(), from, to, 0) {
					}
					return err
				}),
			}
			want := map[string]int{"put": 5, "get": 5, "read": 5, "list": 5}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// A request for an object's bytes is answered in plain text, which is understood
// but not shown.
func TestRefusedRead(t *testing.T) {
	plain := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(403)
		io.Copy(w, bytes.NewReader([]byte("The project to be billed is associated with a closed billing account.")))
	}
	fake, _ := startFaulty(t, plain, pass)
	_, err := writer.NewGCS(fake.client, bucketName, "p").Read(t.Context(), "k")
	if !errors.Is(err, writer.ErrSetup) || !strings.Contains(err.Error(), "enable billing") || strings.Contains(err.Error(), "closed") {
		t.Errorf("Read = %v, want the hint for billing", err)
	}
}

// A missing bucket is not reported as a missing object.
func TestReadWithoutBucket(t *testing.T) {
	fake, _ := startFaulty(t, reported(404, "The specified bucket does not exist.", "notFound"), reported(404, "The specified bucket does not exist.", "notFound"))
	w := writer.NewGCS(fake.client, bucketName, "p")
	o := pageOne("{\"a\":1}\n", "")
	_, get := w.Get(t.Context(), o.Name)
	_, read := w.Read(t.Context(), "state.json")
	_, put := w.Put(t.Context(), o)
	for name, err := range map[string]error{"Get": get, "Read": read, "Put": put} {
		if errors.Is(err, fs.ErrNotExist) || !errors.Is(err, writer.ErrSetup) || strings.Count(err.Error(), "create the bucket bucket") != 1 {
			t.Errorf("%s = %v, want the bucket missed, once", name, err)
		}
	}
}
