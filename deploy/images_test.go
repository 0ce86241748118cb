package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pinned is an image that nobody can change behind its name.
var pinned = regexp.MustCompile(`^\S+:\S+@sha256:[0-9a-f]{64}$`)

// baseImages returns what the Dockerfile builds on.
func baseImages(dockerfile string) []string {
	var images []string
	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(dockerfile, -1) {
		images = append(images, m[1])
	}
	return images
}

// TestBaseImages expects digests, and that Cloud Build tests with the Go that
// builds the image.
func TestBaseImages(t *testing.T) {
	bases := baseImages(readFile(t, "../Dockerfile"))
	if len(bases) != 2 {
		t.Fatalf("the Dockerfile builds on %q", bases)
	}
	for _, image := range bases {
		if !pinned.MatchString(image) {
			t.Errorf("%s has no digest: a rebuild of the same source may be another image", image)
		}
	}
	for _, step := range readBuild(t).Steps {
		if strings.HasPrefix(step.Name, "golang") && !slices.Contains(bases, step.Name) {
			t.Errorf("step %s runs in %s, the image is built with another Go", step.Id, step.Name)
		}
	}
}

// renew runs the script on copies of the files, with a go that answers as given
// for crane, and returns the copies.
func renew(t *testing.T, answer string) (dockerfile, build string, err error) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Dockerfile", "cloudbuild.yaml", "deploy/renew-base-images.sh"} {
		write(t, filepath.Join(dir, name), readFile(t, "../"+name))
	}
	write(t, filepath.Join(dir, "bin", "go"), "#!/bin/sh\n"+answer)
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "deploy/renew-base-images.sh"))
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	_, err = cmd.Output()
	return readFile(t, filepath.Join(dir, "Dockerfile")), readFile(t, filepath.Join(dir, "cloudbuild.yaml")), err
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestRenewBaseImages(t *testing.T) {
	golang, distroless := strings.Repeat("1", 64), strings.Repeat("2", 64)
	dockerfile, build, err := renew(t, `case "$4" in golang:*) echo sha256:`+golang+` ;; *) echo sha256:`+distroless+` ;; esac`)
	if err != nil {
		t.Fatal(err)
	}
	bases := baseImages(dockerfile)
	if !strings.HasSuffix(bases[0], golang) || !strings.HasSuffix(bases[1], distroless) {
		t.Errorf("the Dockerfile builds on %q", bases)
	}
	if !strings.Contains(build, "name: "+bases[0]+"\n") {
		t.Errorf("no step of cloudbuild.yaml runs in %s", bases[0])
	}
	if old := baseImages(readFile(t, "../Dockerfile")); tag(old[0]) != tag(bases[0]) || tag(old[1]) != tag(bases[1]) {
		t.Errorf("the tags changed from %q to %q", old, bases)
	}
}

func tag(image string) string {
	tag, _, _ := strings.Cut(image, "@")
	return tag
}

// TestRenewFails expects whole files, old ones, when a registry has no answer.
func TestRenewFails(t *testing.T) {
	for _, answer := range []string{"exit 1", "echo denied", `case "$4" in golang:*) exit 1 ;; *) echo sha256:` + strings.Repeat("1", 64) + ` ;; esac`} {
		dockerfile, build, err := renew(t, answer)
		if err == nil {
			t.Errorf("%s: succeeds", answer)
		}
		if dockerfile != readFile(t, "../Dockerfile") || build != readFile(t, "../cloudbuild.yaml") {
			t.Errorf("%s: a file changed", answer)
		}
	}
}

// TestSBOMNamesBase expects the SBOM to have the image's base, as a component of
// its own, beside what the tool has found in the binary.
func TestSBOMNamesBase(t *testing.T) {
	dockerfile := readFile(t, "../Dockerfile")
	command := find(t, dockerfile, `(?m)^RUN (base=(?:.*\\\n)*.*)$`)
	sbom := filepath.Join(t.TempDir(), "sbom.json")
	write(t, sbom, "{\n  \"metadata\": {\n    \"components\": []\n  },\n  \"components\": [\n    {\n      \"name\": \"a\"\n    }\n  ]\n}\n")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(command, "/sbom.cdx.json", sbom))
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	type component struct{ Type, Name, Version string }
	var got struct{ Components []component }
	if err := json.Unmarshal([]byte(readFile(t, sbom)), &got); err != nil {
		t.Fatal(err)
	}
	name, digest, _ := strings.Cut(baseImages(dockerfile)[1], "@")
	name, _, _ = strings.Cut(name, ":")
	if diff := cmp.Diff([]component{{"container", name, digest}, {Name: "a"}}, got.Components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}
