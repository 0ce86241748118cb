package store_test

import (
	"testing"

	"duo-telephony-collector/internal/emulator"
	"duo-telephony-collector/internal/store"
)

// BenchmarkFirestore measures each operation of a run on the emulator and counts
// its requests.
func BenchmarkFirestore(b *testing.B) {
	addr := emulator.Firestore(b)
	w := &wire{}
	client, err := dial(b.Context(), addr, w.intercept()...)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	s := store.NewFirestore(made(client), "bench")
	var l *store.Lease
	begin := func() (err error) { l, _, err = s.Acquire(b.Context(), stream, claim("mine", 1)); return err }
	finish := func() error { return s.Finish(b.Context(), l, cursor(1), run("mine")) }
	nothing := func() error { return nil }
	for _, op := range []struct {
		name              string
		before, do, after func() error
	}{
		{"acquire", nothing, begin, finish},
		{"busy", begin, func() error { _, _, _ = s.Acquire(b.Context(), stream, claim("other", 1)); return nil }, finish},
		{"commit", begin, func() error { return s.Commit(b.Context(), l, cursor(2)) }, finish},
		{"finish", begin, finish, nothing},
	} {
		b.Run(op.name, func(b *testing.B) {
			requests := 0
			for b.Loop() {
				b.StopTimer()
				must(b, op.before())
				w.breakWith(nil)
				b.StartTimer()
				must(b, op.do())
				b.StopTimer()
				requests += len(w.seen())
				must(b, op.after())
				b.StartTimer()
			}
			b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
