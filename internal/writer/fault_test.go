package writer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

func TestGCSUpload(t *testing.T) {
	fake, seen := startFaulty(t, pass, pass)
	o := pageOne("{\"a\":1}\n", "")
	mustPut(t, writer.NewGCS(fake.client, bucketName, "p"), o)
	if len(seen.uploads) != 1 || seen.reads != 0 {
		t.Fatalf("%d uploads and %d other requests, want 1 and none", len(seen.uploads), seen.reads)
	}
	sent := seen.uploads[0]
	if sent.query.Get("uploadType") != "multipart" || sent.query.Get("ifGenerationMatch") != "0" {
		t.Errorf("sent with %v", sent.query)
	}
	_, params, err := mime.ParseMediaType(sent.head.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	part, err := multipart.NewReader(bytes.NewReader(sent.body), params["boundary"]).NextPart()
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		CRC32C   string
		Metadata map[string]string
	}
	if err := json.NewDecoder(part).Decode(&head); err != nil {
		t.Fatal(err)
	}
	if head.CRC32C != "M3Q35g==" {
		t.Errorf("sum %q", head.CRC32C)
	}
	want := map[string]string{"written-by": "duo-telephony-collector", "records": "1", "run-id": "run", "token": "3", "untimed": "0"}
	if diff := cmp.Diff(want, head.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

// A lost upload is sent again. If it had arrived, it is neither written twice nor
// mistaken for another attempt's.
func TestGCSRetries(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the client waits a second")
	}
	for _, test := range []struct {
		name  string
		fault fault
		reads int // to find out that the existing object is the one sent
	}{
		{"unavailable", answer(503, "Backend Error"), 0},
		{"too many", answer(429, "Slow down"), 0},
		{"dropped", drop, 0},
		{"unavailable after storing", loseAnswer(answer(503, "Backend Error")), 1},
		{"dropped after storing", loseAnswer(drop), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, seen := startFaulty(t, pass, test.fault, pass)
			o := pageOne("{\"a\":1}\n", "next")
			there, err := writer.NewGCS(fake.client, bucketName, "").Put(t.Context(), o)
			if err != nil || there != nil {
				t.Fatalf("Put = %v, %v, want nil, nil", there, err)
			}
			if len(seen.uploads) != 2 || seen.reads != test.reads {
				t.Errorf("%d uploads and %d reads, want 2 and %d", len(seen.uploads), seen.reads, test.reads)
			}
			want := map[string][]byte{o.Name.String(): o.Data}
			if diff := cmp.Diff(want, fake.objects(t)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

// A failed Put returns a clear error and leaves nothing behind.
func TestGCSFails(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits a second for an answer")
	}
	const grant = "grant the service account roles/storage.objectCreator and roles/storage.objectViewer on bucket bucket"
	for _, test := range []struct {
		name  string
		fault fault
		setup bool
		want  string
	}{
		{"unavailable for ever", answer(503, ""), false, "no success within 1s: Cloud Storage answered 503 Service Unavailable"},
		{"no answer", hang, false, "no success within 1s: no answer"},
		{"altered on the way", flip, false, "Cloud Storage answered 400"},
		{"forbidden", answer(403, "x does not have storage.objects.create access"), true, grant},
		{"unauthorized", answer(401, "Invalid Credentials"), true, "make sure that the service account exists and is enabled"},
		{"no bucket", answer(404, "The specified bucket does not exist."), true, "create the bucket bucket or correct GCS_BUCKET"},
		{"a page instead of an answer", answer(400, ""), false, "Cloud Storage answered 400 Bad Request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, _ := startFaulty(t, pass, test.fault)
			w := writer.NewGCS(fake.client, bucketName, "p")
			w.SetTimeout(time.Second)
			o := pageOne("{\"a\":1}\n", "")
			there, err := w.Put(t.Context(), o)
			if err == nil || there != nil {
				t.Fatalf("Put = %v, %v, want an error", there, err)
			}
			for _, want := range []string{"writing object " + w.URI(o.Name), test.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Put = %v, want %q in it", err, want)
				}
			}
			if errors.Is(err, writer.ErrSetup) != test.setup {
				t.Errorf("Put = %v, want ErrSetup: %t", err, test.setup)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Put = %v, which looks as if the caller's context had ended", err)
			}
			if strings.Contains(err.Error(), "555") {
				t.Errorf("Put = %v, with the answer's body", err)
			}
			if got := fake.objects(t); len(got) != 0 {
				t.Errorf("objects %q, want none", got)
			}
		})
	}
}

// The fake server's own answer for a missing bucket.
func TestGCSNoBucket(t *testing.T) {
	fake := startGCS(t, noFault)
	w := writer.NewGCS(fake.client, "nowhere", "p")
	if _, err := w.Put(t.Context(), pageOne("{}\n", "")); !errors.Is(err, writer.ErrSetup) {
		t.Errorf("Put = %v, want ErrSetup", err)
	}
	for _, err := range w.List(t.Context(), from, to, 0) {
		if !errors.Is(err, writer.ErrSetup) {
			t.Errorf("List = %v, want ErrSetup", err)
		}
	}
}

func TestGCSCallersTimeEnds(t *testing.T) {
	for name, fault := range map[string]fault{"hang": hang, "unavailable": answer(503, "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, _ := startFaulty(t, pass, fault)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := writer.NewGCS(fake.client, bucketName, "p").Put(ctx, pageOne("{}\n", ""))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Put = %v, want context.DeadlineExceeded", err)
			}
			if name == "unavailable" && !strings.Contains(err.Error(), "answered 503") {
				t.Errorf("Put = %v, want the last answer in it", err)
			}
		})
	}
}

// An account that can create but not delete may get a 403 instead of a 412.
func TestGCSCreateOnlyRights(t *testing.T) {
	refused := answer(403, "x does not have storage.objects.delete access to the Google Cloud Storage object.")
	fake, _ := startFaulty(t, pass, pass, refused)
	w := writer.NewGCS(fake.client, bucketName, "p")
	first, second := pageOne("{\"a\":1}\n", "first"), pageOne("{\"a\":2}\n", "second")
	mustPut(t, w, first)
	there, err := w.Put(t.Context(), second)
	if err != nil || there == nil {
		t.Fatalf("Put = %v, %v, want the first object", there, err)
	}
	if diff := cmp.Diff(first, *there); diff != "" {
		t.Errorf("returned (-first +got):\n%s", diff)
	}
}

// A name that is taken and then free again is a temporary error.
func TestGCSDeletedMeanwhile(t *testing.T) {
	fake, _ := startFaulty(t, pass, answer(412, "conditionNotMet"))
	there, err := writer.NewGCS(fake.client, bucketName, "p").Put(t.Context(), pageOne("{}\n", ""))
	if there != nil || err == nil || errors.Is(err, writer.ErrForeign) || errors.Is(err, writer.ErrSetup) {
		t.Errorf("Put = %v, %v, want a temporary error", there, err)
	}
}

// Faulty answers to reads.
func TestGCSReadFails(t *testing.T) {
	alter := func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		full := httptest.NewRecorder()
		server.ServeHTTP(full, r)
		for key, values := range full.Header() {
			w.Header()[key] = values
		}
		w.Write(bytes.Replace(full.Body.Bytes(), []byte(`{"a":1}`), []byte(`{"a":3}`), 1))
	}
	for _, test := range []struct {
		name  string
		fault fault
		want  error
	}{
		{"forbidden", answer(403, "x does not have storage.objects.get access"), writer.ErrSetup},
		{"altered on the way", alter, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake, _ := startFaulty(t, test.fault, pass)
			w := writer.NewGCS(fake.client, bucketName, "p")
			mustPut(t, w, pageOne("{\"a\":1}\n", "first"))
			there, err := w.Put(t.Context(), pageOne("{\"a\":2}\n", "second"))
			if err == nil || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("Put = %v, %v, want error %v", there, err, test.want)
			}
			if o, err := w.Get(t.Context(), pageOne("", "").Name); err == nil {
				t.Errorf("Get = %q, want an error", o.Data)
			}
		})
	}
}
