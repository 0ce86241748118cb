package duo

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkDecode reads full pages of records of 216 bytes, which is what Duo's
// documentation shows, and of 600.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{216, 600} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			body := pageBody(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if page, err := decodePage(body); err != nil || len(page.Records) != telephony.Limit {
					b.Fatalf("%d records, %v", len(page.Records), err)
				}
			}
		})
	}
}

// pageBody is a full page of records of so many bytes.
func pageBody(size int) []byte {
	records := make([]string, telephony.Limit)
	for i := range records {
		records[i] = fmt.Sprintf(`{"context":"authentication","credits":1,"phone":"+12025550100","telephony_id":"220f89ff-bff8-4466-b6cb-%012x",`+
			`"ts":"2026-03-01T11:%02d:%02d.573580+00:00","txid":"373bd5f3-1e42-4a5c-b1a2-6c2a3e0f%04x","type":"sms"}`, i, i/60, i%60, i)
		if more := size - len(records[i]); more > 0 {
			records[i] = strings.TrimSuffix(records[i], "}") + `,"detail":"` + strings.Repeat("x", more-len(`,"detail":""`)) + `"}`
		}
	}
	return []byte(`{"stat":"OK","response":{"items":[` + strings.Join(records, ",") + `],"metadata":{"next_offset":"1772362800573,x","total_objects":5000}}}`)
}

// BenchmarkSign makes and signs the request of a page in the middle of a walk.
func BenchmarkSign(b *testing.B) {
	client := New(Config{IKey: "DIWJ8X6AEYOR5OMC6TQ1", Host: "api-1234abcd.duosecurity.com"})
	q := Query{Offset: "1772362800573,220f89ff-bff8-4466-b6cb-b7787940ce68"}
	c := call{client: client, question: client.about(telephony, q, new(Page)), key: "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.request(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
