package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

var allGood = []string{"configuration ok", "duo ok", "clock ok", "bucket ok", "permissions ok", "firestore ok", "auth mode ok", "audience ok", "callers ok", "budget ok"}

// A check finds no fault and writes nothing, before the first run and after it.
func TestCheckGood(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	findings := c.check(nil)
	if diff := cmp.Diff(allGood, statusesOf(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	wantFinding(t, findings, "bucket ok", "gs://bucket/duo-telephony/ can be listed; there is nothing to read", "the URI for the feed")
	wantFinding(t, findings, "firestore ok", "database (default)", "there is no cursor yet")
	if methods, left := c.sent(), c.collections(); len(left) > 0 || !slices.Equal(methods, []string{http.MethodGet}) {
		t.Errorf("it sent %v to Cloud Storage, and left %v in Firestore", methods, left)
	}
	if n := len(c.sim.Requests()); n != 1 {
		t.Errorf("%d requests to Duo", n)
	}

	p := c.start(nil)
	a := p.push()
	wantRun(t, a, http.StatusOK, collect.Complete)
	before := p.status()
	findings = c.check(map[string]string{"GCS_PREFIX": ""})
	wantFinding(t, findings, "bucket ok", "gs://bucket/ can be listed and read")
	wantFinding(t, findings, "firestore ok", "the watermark is "+a.Watermark.Format(time.RFC3339))
	after := p.status()
	if diff := cmp.Diff(before.Runs, after.Runs); diff != "" || after.Lease != nil {
		t.Errorf("the lease is %+v; runs (-before +after):\n%s", after.Lease, diff)
	}
}

func TestCheckBucket(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	wantFinding(t, c.check(map[string]string{"GCS_BUCKET": "missing"}), "bucket fail", "404", "create the bucket missing or correct GCS_BUCKET")

	c.grant("storage.objects.list")
	wantFinding(t, c.check(nil), "permissions fail", "storage.objects.create, storage.objects.get; grant", "roles/storage.objectCreator")
	c.grant("storage.objects.create", "storage.objects.get", "storage.objects.list", "storage.objects.delete")
	wantFinding(t, c.check(nil), "permissions warn", "also deleted", "give the service account only")
	c.grant()
	wantFinding(t, c.check(nil), "permissions warn", "it is unknown", "roles/storage.objectCreator")
}

// Whatever forbids writing shows without a write if it also forbids listing or
// reading. A disabled key does not forbid listing.
func TestCheckBucketRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.put("duo-telephony/x.ndjson", "{}\n")
	any := func(*http.Request) bool { return true }
	reading := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/x.ndjson") }
	for _, test := range []struct {
		of            func(*http.Request) bool
		code          int
		message, hint string
	}{
		{any, 400, "Bucket is a requester pays bucket but no user project provided.", "turn Requester Pays off for bucket bucket"},
		{any, 403, "The billing account for the owning project is disabled in state absent", "enable billing"},
		{any, 403, "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: a-b", "perimeter"},
		{any, 403, "There is an IP filtering condition that is preventing access to the resource.", "the IP filter of bucket bucket"},
		{reading, 400, "Cloud KMS error when decrypting: key version is not enabled, current state is: DISABLED", "enable the key"},
		{reading, 403, "x does not have storage.objects.get access to the Google Cloud Storage object.", "roles/storage.objectViewer"},
	} {
		c.refusing(func(r *http.Request) (int, string) {
			if !test.of(r) {
				return 0, ""
			}
			return test.code, fmt.Sprintf(`{"error":{"code":%d,"message":%q}}`, test.code, test.message)
		})
		wantFinding(t, c.check(nil), "bucket fail", test.message, test.hint)
	}
}

func TestCheckStateKey(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	mark := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	state := fmt.Sprintf(`{"last_timestamp_ms":%d,"last_offset":null}`, mark.UnixMilli())
	below := map[string]string{"STATE_KEY": "duo-telephony/state.json"}
	beside := map[string]string{"STATE_KEY": "duo-telephony-old/state.json"}

	wantFinding(t, c.check(beside), "state key fail", "there is no object duo-telephony-old/state.json", "every run fails")
	c.put(beside["STATE_KEY"], "<html>")
	wantFinding(t, c.check(beside), "state key fail", "is not the function's state.json")
	c.put(beside["STATE_KEY"], state)
	wantFinding(t, c.check(beside), "state key ok", "starts at "+mark.Format(time.RFC3339))
	c.put(below["STATE_KEY"], state)
	wantFinding(t, c.check(below), "state key fail", "below the prefix", "move it out of gs://bucket/duo-telephony/")
	wantFinding(t, c.check(map[string]string{"STATE_KEY": "old/state.json", "GCS_PREFIX": ""}), "state key fail", "below the prefix", "GCS_PREFIX")

	// After a first run that failed, the next one still reads it.
	now := time.Now().UTC().Truncate(time.Millisecond)
	open := map[string]any{"begun": now, "watermark": now.Add(-24 * time.Hour), "window": map[string]any{"from": now.Add(-24 * time.Hour), "to": now}}
	c.plant(map[string]any{"schema": store.Schema, "cursor": open})
	wantFinding(t, c.check(beside), "state key ok", "starts at "+mark.Format(time.RFC3339))

	wantRun(t, c.start(nil).push(), http.StatusOK, collect.Complete)
	wantFinding(t, c.check(beside), "state key ok", "no longer read")
	wantFinding(t, c.check(below), "state key warn", "below the prefix", "unset STATE_KEY")
}

// A document that this version can't read is found before a run fails on it.
func TestCheckDocument(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.plant(map[string]any{"schema": 99})
	wantFinding(t, c.check(nil), "firestore fail", "has schema 99", "deploy the version that wrote it")
	wantFinding(t, c.check(map[string]string{"FIRESTORE_COLLECTION": "other"}), "firestore ok", "no cursor yet")
	c.plant(map[string]any{"schema": store.Schema, "lease": map[string]any{"holder": "x", "acquired_at": time.Unix(1767225600, 0), "ttl_ms": 570_000}})
	wantFinding(t, c.check(nil), "firestore ok", "a run holds the lease until 2026-01-01T00:09:30Z")
}

// Another account's document is found before a run fails on it.
func TestCheckOtherAccount(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.plant(map[string]any{"schema": store.Schema, "cursor": map[string]any{"account": map[string]any{"host": "api-other.duosecurity.com"}}})
	wantFinding(t, c.check(nil), "firestore fail", "belongs to account api-other.duosecurity.com", "FIRESTORE_COLLECTION")
}

// A refusal by Firestore is reported in its own words, with a hint.
func TestCheckFirestoreRefuses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	disabled, err := status.New(codes.PermissionDenied, "Cloud Firestore API has not been used").WithDetails(
		&errdetails.ErrorInfo{Reason: "SERVICE_DISABLED", Domain: "googleapis.com", Metadata: map[string]string{"service": "firestore.googleapis.com"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		answer *status.Status
		says   []string
	}{
		"API":           {disabled, []string{"has not been used", "SERVICE_DISABLED", "gcloud services enable firestore.googleapis.com"}},
		"Datastore":     {status.New(codes.FailedPrecondition, "not available for Firestore in Datastore Mode"), []string{"Datastore Mode", "Native mode"}},
		"something new": {status.New(codes.FailedPrecondition, "The moon is full."), []string{"The moon is full.", "not known here"}},
		"quota":         {status.New(codes.ResourceExhausted, "Quota exceeded."), []string{"Quota exceeded.", "a Firestore quota is used up"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(c.env)
			env["FIRESTORE_EMULATOR_HOST"] = refuseAll(t, test.answer)
			findings, _ := checked(t, env)
			wantFinding(t, findings, "firestore fail", test.says...)
		})
	}
}

// refuseAll is a gRPC server with one answer.
func refuseAll(t *testing.T, s *status.Status) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return s.Err() }))
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// Without an answer or credentials, the check says so and ends.
func TestCheckAway(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	silent := silence(t)
	for name, test := range map[string]struct {
		changes map[string]string
		says    string
	}{
		"nobody there": {map[string]string{"DUO_API_URL": "http://127.0.0.1:1", "STORAGE_EMULATOR_HOST": "127.0.0.1:1", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}, "connection refused"},
		"silent":       {map[string]string{"DUO_API_URL": "http://" + silent, "STORAGE_EMULATOR_HOST": silent, "FIRESTORE_EMULATOR_HOST": silent}, ""},
		"not logged in": {map[string]string{"DUO_API_URL": "http://" + silent, "STORAGE_EMULATOR_HOST": "", "FIRESTORE_EMULATOR_HOST": "",
			"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(c.env)
			maps.Copy(env, test.changes)
			findings, _ := checked(t, env)
			for _, what := range []string{"duo fail", "bucket fail", "firestore fail"} {
				wantFinding(t, findings, what)
			}
			wantFinding(t, findings, "duo fail", test.says)
			if name == "not logged in" {
				wantFinding(t, findings, "bucket fail", "credentials for Cloud Storage", "application-default login")
				wantFinding(t, findings, "firestore fail", "credentials for Firestore", "application-default login")
			}
		})
	}
}

// silence accepts connections and says nothing.
func silence(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	return l.Addr().String()
}
