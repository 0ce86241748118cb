// Package deploy_test holds what deploys the service against what it deploys:
// cloudbuild.yaml against the API's own type, and against the Terraform module.
package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// parseBuild reads a build as Cloud Build does: it knows every field, every
// name of an enum and the form of a duration.
func parseBuild(text []byte) (*cloudbuildpb.Build, error) {
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	build := new(cloudbuildpb.Build)
	return build, protojson.Unmarshal(data, build)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readBuild(t *testing.T) *cloudbuildpb.Build {
	t.Helper()
	build, err := parseBuild([]byte(readFile(t, "../cloudbuild.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	return build
}

// TestBuildMistakes shows that parseBuild finds what Cloud Build would refuse.
func TestBuildMistakes(t *testing.T) {
	text := readFile(t, "../cloudbuild.yaml")
	for name, mistake := range map[string][2]string{
		"field":    {"entrypoint: bash", "entrypont: bash"},
		"option":   {"dynamicSubstitutions", "dynamicSubstitution"},
		"enum":     {"CLOUD_LOGGING_ONLY", "CLOUD_LOG_ONLY"},
		"duration": {"timeout: 1800s", "timeout: 30m"},
		"type":     {"_REGION: us-central1", "_REGION: [us-central1]"},
	} {
		wrong := strings.Replace(text, mistake[0], mistake[1], 1)
		if wrong == text {
			t.Errorf("%s: cloudbuild.yaml has no %q any more", name, mistake[0])
		}
		if _, err := parseBuild([]byte(wrong)); err == nil {
			t.Errorf("%s: %q is accepted", name, mistake[1])
		}
	}
}

// references are $NAME and ${NAME}; $$ stands for the shell's own $.
var references = regexp.MustCompile(`\$\$|\$[A-Z_][A-Z0-9_]*|\$\{[A-Z_][A-Z0-9_]*\}`)

func referencesIn(text string) map[string]bool {
	names := map[string]bool{}
	for _, ref := range references.FindAllString(text, -1) {
		if name := strings.Trim(ref, "${}"); name != "" {
			names[name] = true
		}
	}
	return names
}

// TestSubstitutions expects every substitution that is used to be declared, and
// the other way round. Of the built-in ones those that only a trigger sets
// serve as a default that may be empty, and nowhere else.
func TestSubstitutions(t *testing.T) {
	build := readBuild(t)
	defaults := referencesIn(strings.Join(slices.Collect(maps.Values(build.Substitutions)), " "))
	build.Substitutions, defaults = nil, withoutBuiltIn(defaults, "SHORT_SHA")
	text, err := protojson.Marshal(build)
	if err != nil {
		t.Fatal(err)
	}
	used := withoutBuiltIn(referencesIn(string(text)))
	maps.Copy(used, defaults)
	declared := map[string]bool{}
	for name := range readBuild(t).Substitutions {
		declared[name] = true
	}
	if diff := cmp.Diff(declared, used); diff != "" {
		t.Errorf("substitutions (-declared +used):\n%s", diff)
	}
}

func withoutBuiltIn(names map[string]bool, more ...string) map[string]bool {
	for _, name := range append(more, "PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID") {
		delete(names, name)
	}
	return names
}

// shellOf returns a step as a shell gets it, with the substitutions' defaults and
// made-up values for the built-in ones.
func shellOf(build *cloudbuildpb.Build, step *cloudbuildpb.BuildStep) string {
	text := strings.Join(step.Args, " ")
	if step.Entrypoint == "bash" {
		text = step.Args[len(step.Args)-1]
	} else if step.Entrypoint != "" {
		text = step.Entrypoint + " " + text
	}
	all := map[string]string{"PROJECT_ID": "demo-project", "PROJECT_NUMBER": "123456789012", "BUILD_ID": "build-id"}
	maps.Copy(all, build.Substitutions)
	return references.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$$" {
			return "$"
		}
		return all[strings.Trim(ref, "${}")]
	})
}

// stepsByID returns every step's shell, and their order.
func stepsByID(t *testing.T) (map[string]string, []string) {
	t.Helper()
	build := readBuild(t)
	shells := map[string]string{}
	var order []string
	for _, step := range build.Steps {
		if len(step.WaitFor) > 0 {
			t.Errorf("step %s does not wait for all before it", step.Id)
		}
		shells[step.Id] = shellOf(build, step)
		order = append(order, step.Id)
	}
	return shells, order
}

// TestBuildOrder expects that nothing is deployed untested, by a tag that may
// move, or with traffic before it has answered.
func TestBuildOrder(t *testing.T) {
	shells, order := stepsByID(t)
	if diff := cmp.Diff([]string{"test", "vulnerabilities", "build", "push", "deploy", "smoke", "traffic"}, order); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	for step, parts := range map[string][]string{
		"test":            {"go test ./..."},
		"vulnerabilities": {"go run golang.org/x/vuln/cmd/govulncheck@", "./cmd/server"},
		"build":           {"docker build", "VERSION=", "--tag=us-central1-docker.pkg.dev/demo-project/duo-telephony/server:build-id"},
		"push":            {"image=us-central1-docker.pkg.dev/demo-project/duo-telephony/server:build-id", "docker push", "RepoDigests", ">/workspace/digest"},
		"deploy": {"verify) bash deploy/invoker-check-off.sh duo-telephony-collector us-central1 ;;",
			"cloudrun-iam) gcloud run services update duo-telephony-collector --region=us-central1 --invoker-iam-check ;;", `--image="$(cat /workspace/digest)"`, "--no-traffic", "--update-tags=candidate=LATEST"},
		"smoke":   {"/workspace/mode", "curl --fail", "https://candidate---$host/health"},
		"traffic": {"update-traffic", "--to-latest"},
	} {
		for _, part := range parts {
			if !strings.Contains(shells[step], part) {
				t.Errorf("step %s lacks %s:\n%s", step, part, shells[step])
			}
		}
	}
}

// TestProvenance expects it to be required, and made for the image that is
// deployed: Cloud Build makes none for what only a step has pushed.
func TestProvenance(t *testing.T) {
	build := readBuild(t)
	if got := build.Options.RequestedVerifyOption; got != cloudbuildpb.BuildOptions_VERIFIED {
		t.Errorf("requestedVerifyOption is %v", got)
	}
	shells, _ := stepsByID(t)
	if len(build.Images) != 1 {
		t.Fatalf("images: %q", build.Images)
	}
	image := shellOf(build, &cloudbuildpb.BuildStep{Args: build.Images})
	if !strings.Contains(shells["push"], "image="+image+"\n") {
		t.Errorf("provenance is for %s, pushed and deployed is another image:\n%s", image, shells["push"])
	}
}

// TestToolVersions expects CI and Cloud Build to judge alike.
func TestToolVersions(t *testing.T) {
	const scanner = `govulncheck@(v[0-9.]+)`
	ci, build := find(t, readFile(t, "../.ci/run"), scanner), find(t, readFile(t, "../cloudbuild.yaml"), scanner)
	if ci != build {
		t.Errorf("govulncheck is %s in CI, %s in Cloud Build", ci, build)
	}
}
