package store_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"cloud.google.com/go/firestore"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/store/storetest"
)

// These make the test binary a worker process of the suite.
const (
	boltVar       = "STORE_TEST_BOLT"       // a file
	firestoreVar  = "STORE_TEST_FIRESTORE"  // the emulator's host:port
	collectionVar = "STORE_TEST_COLLECTION" // on the emulator
)

func TestMain(m *testing.M) {
	s := workersStore()
	if s == nil {
		// The tests wait more than they compute.
		flag.Set("test.parallel", "16")
		os.Exit(m.Run())
	}
	if err := storetest.Work(s, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func workersStore() *store.Store {
	if path := os.Getenv(boltVar); path != "" {
		return store.NewBolt(path, nil)
	}
	addr := os.Getenv(firestoreVar)
	if addr == "" {
		return nil
	}
	return store.NewFirestore(func(ctx context.Context) (*firestore.Client, error) { return dial(ctx, addr) }, os.Getenv(collectionVar))
}
