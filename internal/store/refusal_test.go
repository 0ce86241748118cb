package store_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"duo-telephony-collector/internal/store"
)

// said is an answer by Google as somebody reported it, and the hint it should get.
type said struct {
	code    codes.Code
	message string
	details []protoadapt.MessageV1
	hint    string
}

func (s said) err() error {
	st, err := status.New(s.code, s.message).WithDetails(s.details...)
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func info(reason string, metadata ...string) protoadapt.MessageV1 {
	m := map[string]string{}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	return &errdetails.ErrorInfo{Reason: reason, Domain: "googleapis.com", Metadata: m}
}

func because(details ...protoadapt.MessageV1) []protoadapt.MessageV1 { return details }

// forGood has the answers that need a person.
var forGood = map[string]said{
	"API disabled": {
		codes.PermissionDenied,
		"Cloud Firestore API has not been used in project 123 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/firestore.googleapis.com/overview?project=123 then retry.",
		because(info("SERVICE_DISABLED", "service", "firestore.googleapis.com", "consumer", "projects/123")),
		"gcloud services enable firestore.googleapis.com",
	},
	"API disabled, no details": {
		codes.PermissionDenied, "Cloud Firestore API has not been used in project 123 before or it is disabled.", nil,
		"gcloud services enable firestore.googleapis.com",
	},
	"API of the key disabled": {
		codes.PermissionDenied, "Google Cloud KMS API has not been used in project 123 before or it is disabled.",
		because(info("SERVICE_DISABLED", "service", "cloudkms.googleapis.com")),
		"gcloud services enable cloudkms.googleapis.com",
	},
	"billing off": {
		codes.PermissionDenied, "This API method requires billing to be enabled. Please enable billing on project #123.",
		because(info("BILLING_DISABLED", "consumer", "projects/123")),
		"billing account",
	},
	"billing off, no details": {
		codes.PermissionDenied, "This API method requires billing to be enabled.", nil, "billing account",
	},
	"project gone":  {codes.PermissionDenied, "Permission denied on resource project demo.", because(info("CONSUMER_INVALID")), "FIRESTORE_PROJECT"},
	"no permission": {codes.PermissionDenied, "Missing or insufficient permissions.", nil, "roles/datastore.user"},
	"no role": {
		codes.PermissionDenied, "The caller does not have permission",
		because(info("IAM_PERMISSION_DENIED", "permission", "datastore.entities.update")), "roles/datastore.user",
	},
	"no scope": {
		codes.PermissionDenied, "Request had insufficient authentication scopes.",
		because(info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "service", "firestore.googleapis.com")), "auth/datastore",
	},
	"no credentials": {codes.Unauthenticated, "Request had invalid authentication credentials.", nil, "roles/datastore.user"},
	"perimeter": {
		codes.PermissionDenied, "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc",
		because(&errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: "VPC_SERVICE_CONTROLS", Description: "abc"}}}),
		"VPC Service Controls",
	},
	"Datastore mode": {
		codes.FailedPrecondition, "The Cloud Firestore API is not available for Firestore in Datastore Mode database projects/demo/databases/(default).", nil,
		"Native mode",
	},
	"key disabled": {
		codes.FailedPrecondition, "The customer-managed encryption key required by the requested resource is not accessible.", nil,
		"encryption key",
	},
	"key disabled, in the details": {
		codes.FailedPrecondition, "Precondition check failed.",
		because(&errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: "KEY_STATE", Description: "projects/p/locations/l/keyRings/r/cryptoKeys/k is a KMS key that is disabled"}}}),
		"encryption key",
	},
	"read-only":        {codes.FailedPrecondition, "The database is in read-only mode.", nil, "read-only"},
	"something else":   {codes.FailedPrecondition, "The moon is full.", nil, "not known here"},
	"another's reason": {codes.FailedPrecondition, "The moon is full.", because(&errdetails.ErrorInfo{Reason: "BILLING_DISABLED", Domain: "moon.example"}), "not known here"},
	"no database": {
		codes.NotFound, "The database (default) does not exist for project demo Please visit https://console.cloud.google.com/datastore/setup?project=demo to add a Cloud Datastore or Cloud Firestore database.", nil,
		"FIRESTORE_DATABASE",
	},
	"too large": {
		codes.InvalidArgument, "Document 'projects/demo/databases/(default)/documents/c/telephony' cannot be written because its size (1,150,000 bytes) exceeds the maximum allowed size of 1,048,576 bytes.", nil,
		"OVERLAP",
	},
	"invalid": {codes.InvalidArgument, "Collection id \"__x__\" is invalid because it is reserved.", nil, "not known here"},
}

// TestRefused: an answer that needs a person is not retried, and the error has
// Google's words and a hint.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, s := range forGood {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, op := range operations {
				w := newFronted(t)
				l := op.before(t, w.wired())
				t.Run(name+" is not written", func(t *testing.T) {
					w.front.breakWith(refuseCall(s.err(), isCommit))
					_, err := op.do(t.Context(), w.store, l)
					s.expect(t, err)
					if n := w.front.count(isCommit); n != 1 {
						t.Errorf("%d commits, want one", n)
					}
				})
				if s.code == codes.InvalidArgument {
					continue // a read does not get this answer
				}
				t.Run(name+" is not answered at all", func(t *testing.T) {
					w.front.breakWith(refuseCall(s.err(), anyCall))
					_, err := op.do(t.Context(), w.store, l)
					s.expect(t, err)
					if n := w.front.count(anyCall); n > 4 { // a write, its roll-back, two reads
						t.Errorf("%d requests", n)
					}
				})
			}
		})
	}
}

// TestRefusedProbe: Probe returns the same errors before the first run.
func TestRefusedProbe(t *testing.T) {
	t.Parallel()
	for name, s := range forGood {
		for _, held := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if !held && s.code == codes.NotFound {
					t.Skip("NotFound then means the document; the read finds out about a missing database")
				}
				w := newFronted(t)
				if held {
					ownLease(t, w.wired())
				}
				before := w.raw(stream)
				w.front.breakWith(refuseCall(s.err(), isCommit))
				_, err := w.store.Probe(t.Context(), stream)
				s.expect(t, err)
				w.front.breakWith(nil)
				if _, err := w.store.Probe(t.Context(), stream); err != nil || w.raw(stream) != before {
					t.Errorf("error %v, and the document is %s, want %s", err, w.raw(stream), before)
				}
			})
		}
	}
}

func (s said) expect(t *testing.T, err error) {
	t.Helper()
	setup, ok := errors.AsType[*store.SetupError](err)
	if !ok || !errors.Is(err, store.ErrSetup) || errors.Is(err, store.ErrLost) {
		t.Fatalf("got error %v, want one that needs a person", err)
	}
	if !strings.Contains(setup.Hint, s.hint) || !strings.Contains(setup.Reason.Error(), s.message) {
		t.Errorf("got reason %v and hint %s, want %s and %s", setup.Reason, setup.Hint, s.message, s.hint)
	}
}

// refuseCall is a fault that answers some requests with err.
func refuseCall(err error, which func(call string) bool) fault {
	return func(_ context.Context, call string, send func() error) error {
		if which(call) {
			return err
		}
		return send()
	}
}

func anyCall(string) bool { return true }

// TestRefusedForNow: an answer that may be temporary is retried a few times and
// then returned, with a hint if there is one.
func TestRefusedForNow(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]said{
		"quota":      {codes.ResourceExhausted, "Quota exceeded.", because(info("RATE_LIMIT_EXCEEDED")), "Firestore quota"},
		"contention": {codes.Aborted, "Too much contention on these documents. Please try again.", nil, "another writer holds the document"},
		"away":       {codes.Unavailable, "The service is temporarily unavailable.", nil, ""},
		"internal":   {codes.Internal, "An internal error occurred.", nil, ""},
		"unknown":    {codes.Unknown, "Something odd.", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, op := range operations {
				for refused, which := range map[string]func(string) bool{"writes": isCommit, "everything": anyCall} {
					t.Run(name+", "+refused, func(t *testing.T) {
						t.Parallel()
						w := newFronted(t)
						l := op.before(t, w.wired())
						w.front.breakWith(refuseCall(s.err(), which))
						_, err := op.do(t.Context(), w.store, l)
						expectUnsettled(t, err)
						if !strings.Contains(err.Error(), s.message) || !strings.Contains(err.Error(), s.hint) {
							t.Errorf("got error %v, want %s and %s", err, s.message, s.hint)
						}
						for _, kind := range []string{"Get", "Query", "Begin", "Commit 1", "Commit 2", "Rollback"} {
							limit := 5
							if kind == "Get" && refused == "writes" {
								limit = 2*5 + 1 // two succeed before each write, and one at the end
							}
							if n := w.front.count(func(call string) bool { return call == kind }); n > limit {
								t.Errorf("%d × %s, want %d at most", n, kind, limit)
							}
						}
						if temporary, ok := errors.AsType[*store.TemporaryError](err); refused == "writes" && s.hint != "" && (!ok || !strings.Contains(temporary.Hint, s.hint)) {
							t.Errorf("got error %v, want one with the hint", err)
						}
					})
				}
			}
		})
	}
}

// TestTransactionClosed: a commit may have been applied although its answer is
// that the transaction is over, if something on the way has sent it twice.
func TestTransactionClosed(t *testing.T) {
	t.Parallel()
	closed := said{codes.InvalidArgument, "Transaction is invalid or closed.", nil, ""}
	for name, op := range operations {
		for _, applied := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFronted(t)
				w := f.wired()
				l := op.before(t, w)
				var told atomic.Bool
				f.front.breakWith(func(_ context.Context, call string, send func() error) error {
					if !isCommit(call) || !told.CompareAndSwap(false, true) {
						return send()
					}
					if applied {
						if err := send(); err != nil {
							return err
						}
					}
					return closed.err()
				})
				l, err := op.do(t.Context(), f.store, l)
				if err != nil {
					t.Fatal(err)
				}
				op.expectDone(t, w, l)
			})
		}
	}
}

// TestRollBackHangs: after a failed transaction, neither a roll-back nor giving
// back the lease holds up a caller whose context has ended. The deadlines that
// the server sees say so.
func TestRollBackHangs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Acquire, create", "Finish", "Release"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFronted(t)
			l := operations[name].before(t, w.wired())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.front.breakWith(func(served context.Context, call string, send func() error) error {
				if isCommit(call) {
					cancel()
					<-served.Done()
					return served.Err()
				}
				if ctx.Err() == nil {
					return send()
				}
				limit := 2 * time.Second // to give back the lease
				if call == "Rollback" {
					limit = time.Second
				}
				if deadline, ok := served.Deadline(); !ok || time.Until(deadline) > limit {
					t.Errorf("%s has the deadline %v, want one within %v", call, deadline, limit)
				}
				return refusal(codes.Unavailable)
			})
			_, err := operations[name].do(ctx, w.store, l)
			expectUnsettled(t, err)
			if w.front.count(func(call string) bool { return call == "Rollback" }) == 0 {
				t.Error("there was no roll-back")
			}
		})
	}
}

// TestAcquireUnanswered: the lease was taken, but the answer is lost and the
// context has ended. The lease is given back at once.
func TestAcquireUnanswered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Acquire, create", "Acquire, update"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFronted(t)
			operations[name].before(t, w.wired())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var taken atomic.Bool
			w.front.breakWith(func(ctx context.Context, call string, send func() error) error {
				if !isCommit(call) || !taken.CompareAndSwap(false, true) {
					return send()
				}
				if err := send(); err != nil {
					return err
				}
				cancel()
				<-ctx.Done()
				return ctx.Err()
			})
			_, err := operations[name].do(ctx, w.store, nil)
			expectUnsettled(t, err)
			w.front.breakWith(nil)
			if !taken.Load() {
				t.Fatal("the lease was never taken")
			}
			if _, _, err := w.store.Acquire(t.Context(), stream, claim("next", 2)); err != nil {
				t.Errorf("the next run: %v", err)
			}
		})
	}
}
