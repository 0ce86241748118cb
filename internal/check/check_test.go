package check_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/check"
)

var specimen = []check.Finding{
	{Name: "duo", Status: check.OK, Detail: "a <b> & c"},
	{Name: "clock", Status: check.Warn, Detail: "it is\nlate", Action: "wait"},
	{Name: "bucket", Status: check.Fail, Detail: "gone", Action: "come back"},
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := check.WriteText(&b, specimen); err != nil {
		t.Fatal(err)
	}
	want := `ok    duo            a <b> & c
warn  clock          it is late; wait
fail  bucket         gone; come back
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	const duo = `{"name":"duo","status":"ok","detail":"a <b> & c","action":""}`
	const clock = `{"name":"clock","status":"warn","detail":"it is\nlate","action":"wait"}`
	const bucket = `{"name":"bucket","status":"fail","detail":"gone","action":"come back"}`
	for want, findings := range map[string][]check.Finding{
		`{"ok":true,"checks":[` + duo + `]}` + "\n":                               specimen[:1],
		`{"ok":true,"checks":[` + duo + `,` + clock + `]}` + "\n":                 specimen[:2],
		`{"ok":false,"checks":[` + duo + `,` + clock + `,` + bucket + `]}` + "\n": specimen,
	} {
		var b strings.Builder
		if err := check.WriteJSON(&b, findings); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("JSON (-want +got):\n%s", diff)
		}
	}
}
