package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"duo-telephony-collector/internal/check"
	"duo-telephony-collector/internal/emulator"
)

// cloud is a world whose Cloud Storage answers questions about permissions and
// records all requests.
type cloud struct {
	*world

	mu      sync.Mutex
	granted []string                                    // nil: no answer about permissions, like an emulator
	refuse  func(*http.Request) (code int, body string) // code 0 lets a request pass
	methods map[string]bool
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{world: newWorld(t, 60, time.Hour), methods: map[string]bool{}}
	c.refusing(func(*http.Request) (int, string) { return 0, "" })
	c.grant("storage.objects.create", "storage.objects.get", "storage.objects.list")
	maps.Copy(c.env, map[string]string{
		"STORAGE_EMULATOR_HOST": strings.TrimPrefix(c.serve(http.HandlerFunc(c.front)), "http://"), "FIRESTORE_EMULATOR_HOST": emulator.Firestore(t),
	})
	if left := c.collections(); len(left) > 0 { // the first answers of a cold emulator take longer than a check may
		t.Fatalf("there is %v in a new project's Firestore", left)
	}
	return c
}

func (c *cloud) front(w http.ResponseWriter, r *http.Request) {
	granted, refuse := c.note(r)
	if code, body := refuse(r); code != 0 {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
		return
	}
	if granted == nil || r.URL.Path != "/storage/v1/b/"+bucketName+"/iam/testPermissions" {
		c.storage(w, r)
		return
	}
	asked := slices.DeleteFunc(r.URL.Query()["permissions"], func(p string) bool { return !slices.Contains(granted, p) })
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"permissions":["%s"]}`, strings.Join(asked, `","`))
}

func (c *cloud) note(r *http.Request) (granted []string, refuse func(*http.Request) (int, string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.methods[r.Method] = true
	return c.granted, c.refuse
}

// refusing makes Cloud Storage refuse some requests from now on.
func (c *cloud) refusing(refuse func(*http.Request) (code int, body string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

// grant sets the granted permissions; without any, there is no answer about them.
func (c *cloud) grant(permissions ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.granted = permissions
}

// sent returns the methods of all requests so far.
func (c *cloud) sent() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.methods))
}

func (c *cloud) put(key, content string) {
	c.bucket.CreateObject(fakestorage.Object{
		ObjectAttrs: fakestorage.ObjectAttrs{BucketName: bucketName, Name: key}, Content: []byte(content),
	})
}

// check runs server check with some variables changed, and checks that it leaves the
// bucket alone.
func (c *cloud) check(changes map[string]string) []check.Finding {
	c.t.Helper()
	env := maps.Clone(c.env)
	maps.Copy(env, changes)
	before := c.objects()
	findings, _ := checked(c.t, env)
	if diff := cmp.Diff(before, c.objects()); diff != "" {
		c.t.Errorf("the bucket (-before +after):\n%s", diff)
	}
	return findings
}

// documents is a client of the same Firestore.
func (c *cloud) documents() *firestore.Client {
	c.t.Helper()
	client, err := firestore.NewClient(c.t.Context(), c.env["FIRESTORE_PROJECT"], option.WithEndpoint(c.env["FIRESTORE_EMULATOR_HOST"]),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())), option.WithGRPCDialOption(grpc.WithPerRPCCredentials(owner{})))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	return client
}

// owner may list collections on the emulator.
type owner struct{}

func (owner) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer owner"}, nil
}

func (owner) RequireTransportSecurity() bool { return false }

// collections returns the collections in Firestore.
func (c *cloud) collections() []string {
	c.t.Helper()
	found, err := c.documents().Collections(c.t.Context()).GetAll()
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.ID)
	}
	return names
}

// plant makes the stream's document.
func (c *cloud) plant(fields map[string]any) {
	c.t.Helper()
	if _, err := c.documents().Collection("duo-telephony-collector").Doc(stream).Set(c.t.Context(), fields); err != nil {
		c.t.Fatal(err)
	}
}
