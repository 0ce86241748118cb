package deploy_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/duo"
)

// module returns the Terraform module's text, all files in one.
func module(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no Terraform: %v", err)
	}
	var text strings.Builder
	for _, file := range files {
		text.WriteString(readFile(t, file))
	}
	return text.String()
}

// find returns what the only group of an expression matches first.
func find(t *testing.T, text, expr string) string {
	t.Helper()
	m := regexp.MustCompile(expr).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("nothing is like %s any more", expr)
	}
	return m[1]
}

// variableDefault returns the default of a variable of the module.
func variableDefault(t *testing.T, text, name string) string {
	return find(t, text, `(?s)variable "`+name+`" \{.*?default\s+= "([^"]*)"`)
}

// serviceJSON is a service as Terraform makes it, and Cloud Run returns it. An
// earlier build has mounted a secret that the environment does not name any more.
func serviceJSON(t *testing.T, env map[string]string) string {
	t.Helper()
	var list []map[string]string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, map[string]string{"name": name, "value": env[name]})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(`{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"collector","namespace":"demo","generation":1},
	"spec":{"template":{
		"metadata":{"annotations":{"autoscaling.knative.dev/maxScale":"2","run.googleapis.com/cpu-throttling":"true"}},
		"spec":{"containerConcurrency":8,"timeoutSeconds":600,"serviceAccountName":"run@demo.iam.gserviceaccount.com","containers":[{
			"image":"old","env":ENV,"volumeMounts":[{"name":"old","mountPath":"/secrets/old"}],
			"resources":{"limits":{"cpu":"1","memory":"512Mi"}},
			"startupProbe":{"periodSeconds":2,"failureThreshold":15,"httpGet":{"path":"/health"}}}],
			"volumes":[{"name":"old","secret":{"secretName":"old","items":[{"key":"latest","path":"old"}]}}]}},
		"traffic":[{"latestRevision":true,"percent":100}]},
	"status":{"observedGeneration":1,"latestReadyRevisionName":"r-1","latestCreatedRevisionName":"r-1",
		"conditions":[{"type":"Ready","status":"True"},{"type":"ConfigurationsReady","status":"True"},{"type":"RoutesReady","status":"True"}],
		"traffic":[{"revisionName":"r-1","percent":100,"latestRevision":true}]}}`, "ENV", string(text), 1)
}

// deployed is what of a service a test compares.
type deployed struct {
	Spec struct {
		Template struct {
			Metadata struct{ Annotations map[string]string }
			Spec     struct {
				ServiceAccountName   string
				ContainerConcurrency int
				TimeoutSeconds       int
				Volumes              []struct {
					Name   string
					Secret struct {
						SecretName string
						Items      []struct{ Key, Path string }
					}
				}
				Containers []struct {
					Image        string
					Env          any
					Resources    any
					StartupProbe any
					VolumeMounts []struct{ Name, MountPath string }
				}
			}
		}
		Traffic any
	}
}

func parseService(t *testing.T, text []byte) deployed {
	t.Helper()
	var s deployed
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	delete(s.Spec.Template.Metadata.Annotations, "run.googleapis.com/client-name")
	delete(s.Spec.Template.Metadata.Annotations, "run.googleapis.com/client-version")
	return s
}

// mounts returns what is mounted: secret and version by file.
func (d deployed) mounts() map[string]string {
	mounts := map[string]string{}
	for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.Name == m.Name {
				mounts[m.MountPath+"/"+v.Secret.Items[0].Path] = v.Secret.SecretName + ":" + v.Secret.Items[0].Key
			}
		}
	}
	return mounts
}

// deploy runs the deployment of cloudbuild.yaml by the real gcloud, and returns
// the service that it asks for.
func deploy(t *testing.T, service string) deployed {
	t.Helper()
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasPrefix(r.URL.Host, "usage"):
			io.WriteString(w, `{"name":"projects/1/services/run.googleapis.com","state":"ENABLED"}`)
			return
		case r.Method == http.MethodPut:
			sent, _ = io.ReadAll(r.Body)
		}
		io.WriteString(w, service)
	}))
	defer server.Close()
	shells, _ := stepsByID(t)
	_, command, found := strings.Cut(shells["deploy"], "esac\n")
	if !found {
		t.Fatal("the step deploy does not look at AUTH_MODE first any more")
	}
	command, _, _ = strings.Cut(command, "\ngcloud run services update-traffic")
	command = strings.ReplaceAll(command, "$(cat /workspace/digest)", "new@sha256:0")
	command = strings.ReplaceAll(command, "/workspace/", t.TempDir()+"/")
	if out, err := gcloud(t, server.URL, "bash", "-euc", command); err != nil || sent == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return parseService(t, sent)
}

// secretFiles returns where the module lets the service find its secrets, by the
// variable that says so.
func secretFiles(t *testing.T, tf string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+) = "(/[^"]+)"`).FindAllStringSubmatch(find(t, tf, `(?s)secret_files = merge\((.*?)\n  \)`), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// secretNames returns the names of the secrets that the module can make.
func secretNames(t *testing.T, tf string) []string {
	t.Helper()
	name := variableDefault(t, tf, "name")
	names := []string{strings.ReplaceAll(find(t, tf, `secret_id = "([^"]+)"`), "${var.name}", name)}
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(find(t, tf, `more_secrets = \[(.*?)\]`), -1) {
		names = append(names, name+"-"+m[1])
	}
	return names
}

// TestDeployKeeps expects a deployment to bring an image, without traffic, and
// to mount the secrets that the environment names, no more and no fewer, and to
// change nothing else that Terraform has set.
func TestDeployKeeps(t *testing.T) {
	needGcloud(t)
	tf := module(t)
	all := secretFiles(t, tf)
	for name, test := range map[string]struct {
		variables []string
		secrets   []string
	}{
		"own":           {[]string{"DUO_SKEY_FILE"}, []string{"duo-telephony-skey:latest"}},
		"file":          {[]string{"DUO_ACCOUNTS"}, []string{"duo-telephony-accounts:latest"}},
		"own and hash":  {[]string{"DUO_SKEY_FILE", "PHONES_KEY_FILE"}, []string{"duo-telephony-skey:latest", "duo-telephony-phones-key:latest"}},
		"file and hash": {[]string{"DUO_ACCOUNTS", "PHONES_KEY_FILE"}, []string{"duo-telephony-accounts:latest", "duo-telephony-phones-key:latest"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, mounts := map[string]string{"DUO_ACCOUNTS": "children"}, map[string]string{}
			for i, variable := range test.variables {
				env[variable] = all[variable]
				mounts[all[variable]] = test.secrets[i]
			}
			service := serviceJSON(t, env)
			got, want := deploy(t, service), parseService(t, []byte(service))
			if diff := cmp.Diff(mounts, got.mounts()); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
			container := &got.Spec.Template.Spec.Containers[0]
			if container.Image != "new@sha256:0" {
				t.Errorf("the image is %s", container.Image)
			}
			if diff := cmp.Diff([]any{map[string]any{"percent": 100.0, "revisionName": "r-1"}}, got.Spec.Traffic); diff != "" {
				t.Errorf("traffic (-want +got):\n%s", diff)
			}
			got.Spec.Traffic, container.Image = want.Spec.Traffic, "old"
			got.Spec.Template.Spec.Volumes, container.VolumeMounts = want.Spec.Template.Spec.Volumes, want.Spec.Template.Spec.Containers[0].VolumeMounts
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the service (-Terraform +deployed):\n%s", diff)
			}
		})
	}
}

// TestSecretNames expects each file in the service's environment to end in the
// name of a secret that the module can make, by which a build mounts it, and to lie
// in a directory of its own, as Cloud Run demands. docs/operations.md mounts the
// same.
func TestSecretNames(t *testing.T) {
	tf := module(t)
	prefix := variableDefault(t, tf, "name") + "-"
	operations := readFile(t, "../docs/operations.md")
	var named []string
	directories := map[string]bool{}
	for variable, file := range secretFiles(t, tf) {
		named = append(named, prefix+path.Base(file))
		directories[path.Dir(file)] = true
		if mount := "--update-secrets=" + file + "=" + prefix + path.Base(file) + ":latest\n"; variable != "DUO_SKEY_FILE" && !strings.Contains(operations, mount) {
			t.Errorf("docs/operations.md has no %s", mount)
		}
	}
	if diff := cmp.Diff(unique(secretNames(t, tf)), unique(named)); diff != "" {
		t.Errorf("secrets (-made +mounted):\n%s", diff)
	}
	if len(directories) != len(named) {
		t.Errorf("two secrets share one of %v", directories)
	}
}

// TestNamesAgree expects a build to run as the account that Terraform makes, and
// to deploy the service that Terraform makes.
func TestNamesAgree(t *testing.T) {
	tf := module(t)
	account := strings.ReplaceAll(find(t, tf, `account_id\s+= "([^"]+-build)"`), "${var.name}", "${_NAME}")
	if got, want := readBuild(t).ServiceAccount, "projects/$PROJECT_ID/serviceAccounts/"+account+"@$PROJECT_ID.iam.gserviceaccount.com"; got != want {
		t.Errorf("the build runs as %s, Terraform makes %s", got, want)
	}
	service := strings.ReplaceAll(find(t, tf, `service\s+= "([^"]+)"`), "${var.name}", variableDefault(t, tf, "name"))
	shells, _ := stepsByID(t)
	if !strings.Contains(shells["deploy"], "gcloud run deploy "+service+" --region="+variableDefault(t, tf, "region")+" ") {
		t.Errorf("%s is not deployed:\n%s", service, shells["deploy"])
	}
}

// TestLogs expects the module to know each of Duo's logs, and SecOps' log type
// for it, as the service does.
func TestLogs(t *testing.T) {
	got, want := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`"?([a-z-]+)"?\s+= "([A-Z_]+)"`).FindAllStringSubmatch(find(t, module(t), `(?s)log_types = \{(.*?)\}`), -1) {
		got[m[1]] = m[2]
	}
	for _, log := range duo.Logs {
		want[log.Name] = log.Label
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logs (-service +module):\n%s", diff)
	}
}

// TestLogQueries expects what alerts, metrics and docs/operations.md ask of the
// service's log to be what the service writes there: a message's beginning, and
// fields.
func TestLogQueries(t *testing.T) {
	var written strings.Builder
	for _, root := range []string{"../cmd", "../internal"} {
		if err := filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
				written.WriteString(readFile(t, file))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	asked := strings.ReplaceAll(module(t), `\"`, `"`) + readFile(t, "../docs/operations.md")
	messages := regexp.MustCompile(`jsonPayload\.message=(?:~"\^|")([^"]+)`).FindAllStringSubmatch(asked, -1)
	if len(messages) == 0 {
		t.Fatal("nothing asks for a message")
	}
	for _, m := range messages {
		if !strings.Contains(written.String(), `"`+m[1]) {
			t.Errorf("no message of the service begins with %q", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`jsonPayload\.(\w+)`).FindAllStringSubmatch(asked, -1) {
		if !strings.Contains(written.String(), `"`+m[1]+`"`) {
			t.Errorf("no line of the service has the field %s", m[1])
		}
	}
}

// TestShell lets the shell read the steps and what they run. GCLOUD_LINES names a file to leave
// them in, for what knows gcloud's flags.
func TestShell(t *testing.T) {
	file := os.Getenv("GCLOUD_LINES")
	if file == "" {
		file = filepath.Join(t.TempDir(), "steps.sh")
	}
	var text strings.Builder
	shells, order := stepsByID(t)
	for _, id := range order {
		text.WriteString("# " + id + "\n" + shells[id] + "\n")
	}
	text.WriteString(readFile(t, "invoker-check-off.sh"))
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bash", "-n", file).CombinedOutput(); err != nil {
		t.Errorf("bash: %v\n%s", err, out)
	}
}
