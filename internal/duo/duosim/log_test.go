package duosim_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

// logs are what Duo documents of its logs.
var logs = map[string]struct {
	path, list, id, offset string
	limit, most            int
	sort                   bool
}{
	"telephony":      {logPath, "items", "telephony_id", "next_offset", 100, 1000, true},
	"authentication": {"/admin/v2/logs/authentication", "authlogs", "txid", "next_offset", 100, 1000, true},
	"activity":       {"/admin/v2/logs/activity", "items", "activity_id", "next_offset", 100, 1000, true},
	"trust-monitor":  {"/admin/v1/trust_monitor/events", "events", "sekey", "offset", 50, 200, false},
}

// forEachLog runs a test for every log.
func forEachLog(t *testing.T, test func(t *testing.T, log string)) {
	for _, log := range slices.Sorted(maps.Keys(logs)) {
		t.Run(log, func(t *testing.T) { test(t, log) })
	}
}

// fetch asks the log of a simulator behind a real connection for a page of 24
// hours, with a signature of its own making.
func fetch(t *testing.T, server *httptest.Server, log string, now time.Time, params ...string) (int, answer) {
	t.Helper()
	query := url.Values{"mintime": {millis(now.Add(-24 * time.Hour))}, "maxtime": {millis(now)}}
	for _, param := range params {
		name, value, _ := strings.Cut(param, "=")
		query.Set(name, value)
	}
	date, encoded := now.Format(time.RFC1123Z), strings.ReplaceAll(query.Encode(), "+", "%20")
	empty := fmt.Sprintf("%x", sha512.Sum512(nil))
	mac := hmac.New(sha512.New, []byte("Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"))
	io.WriteString(mac, strings.Join([]string{date, "GET", "api-xxxxxxxx.duosecurity.com", logs[log].path, encoded, empty, empty}, "\n"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+logs[log].path+"?"+encoded, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Date", date)
	r.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", fmt.Sprintf("%x", mac.Sum(nil)))
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, a
}

// serve starts a server for the simulator.
func serve(t *testing.T, sim *duosim.Sim) *httptest.Server {
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return server
}

// Every log shows its records once, in pages of the greatest size, and those of no
// other log.
func TestEveryLogPages(t *testing.T) {
	forEachLog(t, func(t *testing.T, log string) {
		sim := newSim(duosim.Config{})
		server := serve(t, sim)
		var want []string
		for other := range logs {
			for i := range 2*logs[log].most + 7 {
				at := noon.Add(-time.Hour).Add(time.Duration(rand.IntN(1000)) * time.Millisecond)
				sim.Log(other).Add(duosim.Record{TS: at, ID: fmt.Sprint(other, i)})
				if other == log {
					want = append(want, fmt.Sprint(log, i))
				}
			}
		}
		var got []string
		pages := 0
		for offset := ""; pages == 0 || offset != ""; pages++ {
			status, page := fetch(t, server, log, noon, "limit=5000", "sort=ts:asc", logs[log].offset+"="+offset)
			if status != http.StatusOK {
				t.Fatalf("HTTP %d, %+v", status, page)
			}
			for _, record := range page.records(t, log) {
				got = append(got, record.id(log))
			}
			offset = page.next(t)
		}
		slices.Sort(want)
		slices.Sort(got)
		if want := cmp.Diff(want, got); want != "" || pages != 3 && pages != 4 {
			t.Errorf("%d pages; ids (-want +got):\n%s", pages, want)
		}
		if all := sim.Log(log).Requests(); len(all) != pages || all[0].Log != log || len(sim.Requests()) != pages {
			t.Errorf("requests = %+v, want the %d of this log", all, pages)
		}
	})
}

// A page has as many records as the log gives to a request without a limit, and
// to one with too high a limit.
func TestLimitOfEveryLog(t *testing.T) {
	forEachLog(t, func(t *testing.T, log string) {
		server := serve(t, newSim(duosim.Config{GenerateFor: map[string]duosim.Generator{log: {PerHour: 60}}}))
		for limit, want := range map[string]int{"": logs[log].limit, "7": 7, "5000": logs[log].most} {
			if _, page := fetch(t, server, log, noon, "limit="+limit); len(page.records(t, log)) != want {
				t.Errorf("limit %q: %d records, want %d", limit, len(page.records(t, log)), want)
			}
		}
	})
}

// record is the JSON of a record.
type record map[string]any

func (r record) id(log string) string { return r[logs[log].id].(string) }

// list returns the records of the log's own list.
func (a answer) list(log string) []json.RawMessage {
	return map[string][]json.RawMessage{
		"items": a.Response.Items, "authlogs": a.Response.AuthLogs, "events": a.Response.Events,
	}[logs[log].list]
}

func (a answer) records(t *testing.T, log string) []record {
	t.Helper()
	var records []record
	for _, raw := range a.list(log) {
		records = append(records, parse(t, raw))
	}
	return records
}

func parse(t *testing.T, raw json.RawMessage) record {
	t.Helper()
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// meta returns a member of the metadata, wherever that stands.
func (a answer) meta(t *testing.T, name string) any {
	t.Helper()
	for _, raw := range []json.RawMessage{a.Response.Metadata, a.Metadata} {
		if value, ok := parseNumbers(t, raw)[name]; ok {
			return value
		}
	}
	return nil
}

// parseNumbers keeps numbers as they are written.
func parseNumbers(t *testing.T, raw json.RawMessage) (object map[string]any) {
	t.Helper()
	if raw == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

// next returns the next_offset as it is sent back, "" where there is none.
func (a answer) next(t *testing.T) string {
	t.Helper()
	switch next := a.meta(t, "next_offset").(type) {
	case nil:
		return ""
	case []any:
		return fmt.Sprint(next[0], ",", next[1])
	default:
		return fmt.Sprint(next)
	}
}

// total returns total_objects, -1 where it is not exact.
func (a answer) total(t *testing.T) int {
	t.Helper()
	total := a.meta(t, "total_objects")
	if object, ok := total.(map[string]any); ok && object["relation"] == "eq" {
		total = object["value"]
	} else if ok || total == nil {
		return -1
	}
	n, err := strconv.ParseFloat(fmt.Sprint(total), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
