package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// revision is a service's revision, as Cloud Run shows it.
type revision struct {
	name, mode string // mode "" for one without AUTH_MODE
	traffic    string // what of the service's status leads to it, "" for nothing
}

// cloudRun answers gcloud as the Admin API does for one service.
type cloudRun struct {
	revisions []revision

	mu   sync.Mutex
	sent []string // bodies of what would change the service
}

func (c *cloudRun) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, isRevision := strings.Cut(r.URL.Path, "/revisions/")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case isRevision:
		c.tell(w, name)
	case r.Method == http.MethodGet:
		c.service(w)
	default:
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.sent = append(c.sent, string(body))
		c.mu.Unlock()
		c.service(w)
	}
}

func (c *cloudRun) service(w io.Writer) {
	var traffic []string
	for _, r := range c.revisions {
		if r.traffic != "" {
			traffic = append(traffic, fmt.Sprintf(`{"revisionName":%q,%s}`, r.name, r.traffic))
		}
	}
	fmt.Fprintf(w, `{"apiVersion":"serving.knative.dev/v1","kind":"Service",
		"metadata":{"name":"collector","namespace":"demo","generation":1,"annotations":{}},
		"spec":{"template":{"spec":{"containers":[{"image":"x"}]}},"traffic":[{"latestRevision":true,"percent":100}]},
		"status":{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True"}],"traffic":[%s]}}`, strings.Join(traffic, ","))
}

func (c *cloudRun) tell(w http.ResponseWriter, name string) {
	for _, r := range c.revisions {
		switch {
		case r.name != name:
		case r.mode == "unreadable":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"run.revisions.get denied"}}`)
		default:
			env, _ := json.Marshal([]map[string]string{{"name": "GCS_BUCKET", "value": "b"}, {"name": "AUTH_MODE", "value": r.mode}})
			if r.mode == "" {
				env = []byte(`[]`)
			}
			fmt.Fprintf(w, `{"apiVersion":"serving.knative.dev/v1","kind":"Revision","metadata":{"name":%q,"namespace":"demo"},
				"spec":{"containers":[{"image":"x","env":%s}]}}`, name, env)
		}
	}
}

// gcloud runs a command that calls the real gcloud, which takes the server for a
// proxy and so for all of Google.
func gcloud(t *testing.T, server string, command ...string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "CLOUDSDK_CONFIG="+dir, "CLOUDSDK_CORE_PROJECT=demo", "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="+token,
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=http://run.fake/", "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE=http://usage.fake/",
		"http_proxy="+server, "no_proxy=127.0.0.1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func needGcloud(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it starts gcloud")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestInvokerCheckOff expects Cloud Run's check to stay on while a revision that
// can be reached relies on it, or may do so.
func TestInvokerCheckOff(t *testing.T) {
	needGcloud(t)
	const all, tagged = `"percent":100,"latestRevision":true`, `"tag":"old"`
	for name, test := range map[string]struct {
		revisions []revision
		off       bool
		says      []string
	}{
		"none relies on it": {[]revision{{"r-1", "cloudrun-iam", ""}, {"r-2", "", tagged}, {"r-3", "verify", all}}, true, nil},
		"traffic and tag":   {[]revision{{"r-1", "cloudrun-iam", tagged}, {"r-2", "cloudrun-iam", all}, {"r-3", "verify", `"percent":1`}}, false, []string{"stays on", "r-1 r-2,", "docs/operations.md"}},
		"not known":         {[]revision{{"r-1", "unreadable", tagged}, {"r-2", "verify", all}}, false, []string{"r-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cloudRun{revisions: test.revisions}
			server := httptest.NewServer(c)
			defer server.Close()
			out, err := gcloud(t, server.URL, "bash", "invoker-check-off.sh", "collector", "us-central1")
			off := len(c.sent) == 1 && strings.Contains(c.sent[0], `"run.googleapis.com/invoker-iam-disabled": "True"`)
			if off != test.off || (err == nil) != test.off || !off && len(c.sent) > 0 {
				t.Errorf("switched off: %t, %v, want %t; sent %q; output:\n%s", off, err, test.off, c.sent, out)
			}
			for _, want := range test.says {
				if !strings.Contains(out, want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
		})
	}
}
