package bench_test

import (
	"path/filepath"
	"testing"

	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// BenchmarkRun is a whole run of 20 pages on almost free storage, for benchstat: the
// cost of the collector itself.
func BenchmarkRun(b *testing.B) {
	const pages = 20
	all := backlog(fullPages(pages))
	all.Keep = true
	c := newDuo(servers{Duo: all}.start(b).Duo)
	b.SetBytes(int64(len(all.render(request{shapes["/admin/v2/logs/telephony"], span{end: pageSize}})) * pages))
	b.ReportAllocs()
	for b.Loop() {
		dir := memoryDir(b)
		complete(b, newCollector(c, store.NewBolt(filepath.Join(dir, "state.db"), nil), writer.NewDir(dir, "duo")), pages)
	}
}
