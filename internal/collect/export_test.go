package collect

import (
	"hash/crc32"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/record"
	"duo-telephony-collector/internal/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Objects does with pages all that a run does between fetch and upload, in the
// memory that a run keeps from page to page.
type Objects struct {
	cache cache
	page  record.Page
}

// Of returns the bytes of the object of a page's records, with the sum that the
// writer adds. They are overwritten when the next one is made.
func (o *Objects) Of(raw []jsontext.Value) (object []byte, sum uint32) {
	p := page{records: o.page.Read(raw, duo.Logs[0], record.Phones{}, "api-1234abcd.duosecurity.com")}
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	b := o.cache.selectNew(p, store.Cursor{Window: store.Window{To: end}})
	return b.lines, crc32.Checksum(b.lines, castagnoli)
}
