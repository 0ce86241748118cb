package deploy_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// TestBuildAgreesWithTerraform expects a deployment to change nothing that
// Terraform has set, or would set back.
func TestBuildAgreesWithTerraform(t *testing.T) {
	tf := module(t)
	name := variableDefault(t, tf, "name")
	named := func(expr string) string {
		return strings.ReplaceAll(find(t, tf, expr), "${var.name}", name)
	}
	shells, _ := stepsByID(t)
	got := map[string]string{}
	_, deploy, _ := strings.Cut(shells["deploy"], "gcloud run deploy ")
	for _, m := range regexp.MustCompile(`--([a-z-]+)(?:=(\S+))?`).FindAllStringSubmatch(deploy, -1) {
		got[m[1]] = m[2]
	}
	delete(got, "image")
	want := map[string]string{
		"region":          variableDefault(t, tf, "region"),
		"service-account": named(`"run" \{\s+account_id\s+= "([^"]+)"`) + "@demo-project.iam.gserviceaccount.com",
		"set-secrets":     find(t, tf, `DUO_SKEY_FILE\s+= "([^"]+)"`) + "=" + named(`secret_id = "([^"]+)"`) + ":latest",
		"timeout":         find(t, tf, `timeout_seconds\s+= (\d+)`),
		"concurrency":     find(t, tf, `max_instance_request_concurrency\s+= (\d+)`),
		"max-instances":   find(t, tf, `max_instance_count\s+= (\d+)`),
		"memory":          find(t, tf, `memory = "([^"]+)"`),
		"cpu":             find(t, tf, `cpu = "([^"]+)"`),
		"no-traffic":      "",
		"update-tags":     "candidate=LATEST",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags of the deployment (-Terraform +cloudbuild.yaml):\n%s", diff)
	}
	if service := named(`service\s+= "([^"]+)"`); !strings.HasPrefix(deploy, service+" ") {
		t.Errorf("the deployment is of another service than %s", service)
	}
	build := readBuild(t)
	account := named(`"build" \{\s+account_id\s+= "([^"]+)"`)
	if want := "projects/$PROJECT_ID/serviceAccounts/" + account + "@"; !strings.HasPrefix(strings.ReplaceAll(build.ServiceAccount, "${_NAME}", name), want) {
		t.Errorf("the build runs as %s, Terraform makes %s", build.ServiceAccount, account)
	}
}

// TestMemoryLimit expects the image's limit for Go to leave room below that of
// an instance.
func TestMemoryLimit(t *testing.T) {
	soft, err := strconv.Atoi(find(t, readFile(t, "../Dockerfile"), `GOMEMLIMIT=(\d+)MiB`))
	hard, err2 := strconv.Atoi(find(t, module(t), `memory = "(\d+)Mi"`))
	if err := errors.Join(err, err2); err != nil || soft*10 > hard*9 {
		t.Errorf("Go may use %d of %d MiB, %v", soft, hard, err)
	}
}

// TestSubstitutionsOutput expects the module to put out every substitution but
// the version, which is the build's own.
func TestSubstitutionsOutput(t *testing.T) {
	output := find(t, module(t), `(?s)output "build" \{(.*?)\n\}`)
	var got, want []string
	for _, m := range regexp.MustCompile(`[=,](_[A-Z_]+)=`).FindAllStringSubmatch(output, -1) {
		got = append(got, m[1])
	}
	for name := range readBuild(t).Substitutions {
		if name != "_VERSION" {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("substitutions (-cloudbuild.yaml +output):\n%s", diff)
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

// roles are all that the module may grant. None of them deletes or overwrites
// an object; run.admin is on the one service.
var roles = []string{
	"roles/artifactregistry.writer",
	"roles/datastore.user",
	"roles/iam.serviceAccountOpenIdTokenCreator",
	"roles/iam.serviceAccountUser",
	"roles/logging.logWriter",
	"roles/pubsub.publisher",
	"roles/pubsub.subscriber",
	"roles/run.admin",
	"roles/run.invoker",
	"roles/secretmanager.secretAccessor",
	"roles/storage.legacyBucketReader",
	"roles/storage.objectCreator",
	"roles/storage.objectViewer",
}

func TestRoles(t *testing.T) {
	got := regexp.MustCompile(`roles/[A-Za-z.]+`).FindAllString(module(t), -1)
	slices.Sort(got)
	if diff := cmp.Diff(roles, slices.Compact(got)); diff != "" {
		t.Errorf("roles that are granted (-allowed +granted):\n%s", diff)
	}
}
