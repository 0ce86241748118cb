package writer_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/writer"
)

func TestPermissions(t *testing.T) {
	var asked []string
	fake, seen := startFaulty(t, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		asked = append(asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/storage/v1")+" "+strings.Join(r.URL.Query()["permissions"], ","))
		io.WriteString(w, `{"kind":"storage#testIamPermissionsResponse","permissions":["storage.objects.get"]}`)
	}, pass)
	granted, err := writer.NewGCS(fake.client, bucketName, "p").Permissions(t.Context(), "storage.objects.get", "storage.objects.list")
	if err != nil || !slices.Equal(granted, []string{"storage.objects.get"}) {
		t.Errorf("granted %v, %v", granted, err)
	}
	want := []string{"GET /b/bucket/iam/testPermissions storage.objects.get,storage.objects.list"}
	if diff := cmp.Diff(want, asked); diff != "" || len(seen.uploads) > 0 {
		t.Errorf("%d uploads; requests (-want +got):\n%s", len(seen.uploads), diff)
	}
}

func TestPermissionsFails(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits a second for an answer")
	}
	for name, test := range map[string]struct {
		fault fault
		hint  string // "" if no person must act
	}{
		"no bucket":   {answer(404, "The specified bucket does not exist."), "create the bucket bucket or correct GCS_BUCKET"},
		"unavailable": {answer(503, ""), ""},
		"no answer":   {hang, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, _ := startFaulty(t, test.fault, pass)
			w := writer.NewGCS(fake.client, bucketName, "p")
			w.SetTimeout(time.Second)
			granted, err := w.Permissions(t.Context(), "storage.objects.get")
			setup, ok := errors.AsType[*writer.SetupError](err)
			if err == nil || granted != nil || ok != (test.hint != "") || ok && setup.Hint != test.hint {
				t.Errorf("granted %v, %v", granted, err)
			}
		})
	}
}
