package audit_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/writer"
)

// TestLaterVersion holds a record in the bucket against a later version of it at
// Duo, which a log may have or not.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]map[string][]string{
		"telephony":      {"altered": {"SE1×1"}},
		"activity":       {"altered": {"SE1×1"}},
		"authentication": {"missing": {"SE1×0"}, "unknown": {"SE1×1"}},
		"trust-monitor":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, _ := duo.LogNamed(name)
			at := afternoon.Add(-2 * time.Hour)
			written := strconv.Quote(at.Format(time.RFC3339))
			if log.TimeUnit != 0 {
				written = strconv.FormatInt(at.UnixMilli(), 10)
			}
			version := func(state string) string {
				return fmt.Sprintf(`{%q:"SE1",%q:%s,"state":%q}`, log.ID, log.Time, written, state)
			}
			w := newWorld(t, afternoon, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				shown := ""
				from, _ := strconv.ParseInt(r.URL.Query().Get("mintime"), 10, 64)
				to, _ := strconv.ParseInt(r.URL.Query().Get("maxtime"), 10, 64)
				if ms := at.UnixMilli(); from <= ms && ms <= to {
					shown = version("processed")
				}
				fmt.Fprintf(rw, `{"stat":"OK","response":{%q:[%s]}}`, log.List, shown)
			}))
			w.collector.Log = &log
			window := writer.Name{Stream: collect.Stream{Log: name}.String(), From: afternoon.Add(-3 * time.Hour), To: afternoon.Add(-time.Hour), Page: 1}
			w.putAs(window, version("new"))
			wantFaults(t, w.audit(3*time.Hour, time.Hour), want)
		})
	}
}
