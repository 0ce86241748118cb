package emulator_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"duo-telephony-collector/internal/emulator"
)

// roleVar gives the test binary another role: "user" starts a Firestore emulator,
// "server" pretends to be one.
const roleVar = "EMULATOR_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "user":
		use()
	case "server":
		serve()
	default:
		os.Exit(m.Run())
	}
}

// use prints the address of its emulator and waits until its standard input ends.
func use() {
	flag.Parse()
	fmt.Println(emulator.Firestore(verdict{}))
	io.Copy(io.Discard, os.Stdin)
}

func serve() {
	port := strings.TrimPrefix(os.Args[len(os.Args)-1], "--port=")
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+port, ok))
}

// verdict is a test that prints how it ends.
type verdict struct{ testing.TB }

func (verdict) Helper() {}

func (verdict) Skip(args ...any) {
	fmt.Println("skip:", fmt.Sprint(args...))
	os.Exit(0)
}

func (verdict) Fatal(args ...any) {
	fmt.Println("fatal:", fmt.Sprint(args...))
	os.Exit(0)
}
