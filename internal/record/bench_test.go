package record

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
)

// BenchmarkPage reads a page of 1000 records of each log, of 3000 bytes as large
// authentications have.
func BenchmarkPage(b *testing.B) {
	for _, log := range duo.Logs {
		b.Run(log.Name, func(b *testing.B) {
			raw := strings.TrimSuffix(samples[log.Name], "}")
			raw += `,"detail":"` + strings.Repeat("x", 3000-len(raw)-len(`,"detail":""}`)) + `"}`
			records := make([]jsontext.Value, 1000)
			for i := range records {
				records[i] = jsontext.Value(raw)
			}
			var page Page
			b.SetBytes(int64(len(records) * len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if all := page.Read(records, log, Phones{}, apiHost); all[0].At == 0 {
					b.Fatal("a record has no time")
				}
			}
		})
	}
}
