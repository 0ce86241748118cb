// Package emulator starts Google's emulators of Firestore and Pub/Sub for tests, on
// free loopback ports. All tests in a test binary share one process of each. It ends
// with the binary, however that ends.
package emulator

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	firestore = sync.OnceValues(func() (string, error) {
		return start("cloud-firestore-emulator/cloud_firestore_emulator", "start")
	})
	pubsub = sync.OnceValues(func() (string, error) {
		return start("pubsub-emulator/bin/cloud-pubsub-emulator")
	})
)

// Firestore returns the host:port of a Firestore emulator: FIRESTORE_EMULATOR_HOST,
// else the test binary's own. If none is installed it skips the test, or fails it if
// CI is true. With -short it skips the test rather than start one.
func Firestore(t testing.TB) string {
	t.Helper()
	return address(t, "FIRESTORE_EMULATOR_HOST", firestore)
}

// PubSub is like [Firestore], for Pub/Sub and PUBSUB_EMULATOR_HOST.
func PubSub(t testing.TB) string {
	t.Helper()
	return address(t, "PUBSUB_EMULATOR_HOST", pubsub)
}

// errMissing is a reason to skip a test. An emulator that does not start is not.
var errMissing = errors.New("not installed")

func address(t testing.TB, hostVar string, start func() (string, error)) string {
	t.Helper()
	if addr := os.Getenv(hostVar); addr != "" {
		return addr
	}
	if testing.Short() {
		t.Skip("-short: it needs an emulator")
	}
	addr, err := start()
	if errors.Is(err, errMissing) {
		err = fmt.Errorf("%w: install Java and the Google Cloud SDK with the components"+
			" cloud-firestore-emulator and pubsub-emulator, or set %s", err, hostVar)
		if os.Getenv("CI") != "true" {
			t.Skip(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// locate finds an emulator's script in the platform directory of an SDK. Asking
// gcloud for that directory would take two seconds.
func locate(script string) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("java: %w", errMissing)
	}
	for _, root := range sdkRoots() {
		path := filepath.Join(root, "platform", script)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", script, errMissing)
}

func sdkRoots() []string {
	var roots []string
	if gcloud, err := exec.LookPath("gcloud"); err == nil {
		// The command in PATH is often a link into the SDK's bin directory.
		if target, err := filepath.EvalSymlinks(gcloud); err == nil {
			roots = append(roots, filepath.Dir(filepath.Dir(target)))
		}
	}
	if root := os.Getenv("CLOUDSDK_ROOT_DIR"); root != "" {
		roots = append(roots, root)
	}
	return append(roots, "/usr/lib/google-cloud-sdk")
}
