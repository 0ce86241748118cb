package writer_test

import (
	"testing"
	"time"

	"duo-telephony-collector/internal/writer"
)

// BenchmarkName makes an object's name, and parses it as a listing does.
func BenchmarkName(b *testing.B) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	name := writer.Name{Stream: "telephony", From: from, To: from.Add(time.Hour), Page: 17}
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = name.String()
		}
	})
	b.Run("read", func(b *testing.B) {
		text := name.String()
		b.ReportAllocs()
		for b.Loop() {
			if got, ok := writer.ParseName(text); !ok || got != name {
				b.Fatal("the name is not read as it was made")
			}
		}
	})
}
