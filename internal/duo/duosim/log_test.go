package duosim_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
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
	if testing.Short() {
		t.Skip("-short: TestVariety shows every log")
	}
	forEachLog(t, func(t *testing.T, log string) {
		sim := newSim(duosim.Config{})
		server := serve(t, sim)
		var want []string
		for other := range logs {
			sim.Log(other).Add(duosim.Record{TS: noon.Add(-time.Hour), ID: "of " + other})
		}
		var records []duosim.Record
		for i := range 2*logs[log].most + 6 {
			at := noon.Add(-time.Hour).Add(time.Duration(rand.IntN(1000)) * time.Millisecond)
			records = append(records, duosim.Record{TS: at, ID: fmt.Sprint(i)})
			want = append(want, fmt.Sprint(i))
		}
		sim.Log(log).Add(records...)
		want = append(want, "of "+log)
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
			if offset = page.next(t); pages > 5 {
				t.Fatalf("more than 5 pages, the next one at %s", offset)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		if all := sim.Log(log).Requests(); len(all) != pages || all[0].Log != log || len(sim.Requests()) != pages {
			t.Errorf("requests = %+v, want the %d of this log", all, pages)
		}
	})
}

// The offset of each log has the form that Duo documents, and leads on as text.
func TestOffsetOfEveryLog(t *testing.T) {
	ms := noon.Add(-time.Hour).UnixMilli()
	key, list := fmt.Sprintf(`"%d,b"`, ms), fmt.Sprintf(`["%d","b"]`, ms)
	opaque := `"` + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d,b", ms)) + `"`
	want := map[string][]string{ // usual, text, list, number, opaque
		"telephony":      {key, key, list, key, opaque},
		"authentication": {list, key, list, list, opaque},
		"activity":       {key, key, list, key, opaque},
		"trust-monitor":  {`"2"`, `"2"`, `"2"`, `2`, `"Mg"`},
	}
	forEachLog(t, func(t *testing.T, log string) {
		sim := newSim(duosim.Config{})
		server := serve(t, sim)
		sim.Log(log).Add(abc()...)
		for form, want := range want[log] {
			sim.Log(log).Behave(duosim.Manners{Offset: duosim.Offset(form), Order: duosim.ByID})
			_, page := fetch(t, server, log, noon, "limit=2", "sort=ts:asc")
			if got := string(page.Response.Metadata); !strings.HasPrefix(got, `{"next_offset":`+want) {
				t.Errorf("form %d: metadata %s, want the offset %s", form, got, want)
			}
			_, page = fetch(t, server, log, noon, "limit=2", "sort=ts:asc", logs[log].offset+"="+page.next(t))
			if got := page.records(t, log); len(got) != 1 || got[0].id(log) != "c" {
				t.Errorf("form %d: it leads to %v, want c alone", form, got)
			}
		}
	})
}

// Trust monitor's offsets are positions: what comes in before one moves what
// follows it, so a page shows again what the last one showed.
func TestPositionsMove(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	tests := map[duosim.Order]struct {
		first  string
		late   duosim.Record
		second string
	}{
		duosim.NewestFirst: {"c b", duosim.Record{TS: at(15), ID: "d"}, "b a"},
		duosim.OldestFirst: {"a b", duosim.Record{TS: at(35), ID: "d"}, "b c"},
		duosim.ByID:        {"a b", duosim.Record{TS: at(15), ID: "aa"}, "b c"},
	}
	for order, tt := range tests {
		sim := newSim(duosim.Config{Manners: duosim.Manners{Order: order}})
		server := serve(t, sim)
		log := sim.Log("trust-monitor")
		log.Add(duosim.Record{TS: at(30), ID: "a"}, duosim.Record{TS: at(25), ID: "b"}, duosim.Record{TS: at(20), ID: "c"})
		_, page := fetch(t, server, "trust-monitor", noon, "limit=2")
		first := page.idsOf(t, "trust-monitor")
		log.Add(tt.late)
		_, page = fetch(t, server, "trust-monitor", noon, "limit=2", "offset="+page.next(t))
		if second := page.idsOf(t, "trust-monitor"); first != tt.first || second != tt.second {
			t.Errorf("order %d: pages of %s and, when one more has come in, %s; want %s and %s", order, first, second, tt.first, tt.second)
		}
		if _, page = fetch(t, server, "trust-monitor", noon, "offset=100"); page.idsOf(t, "trust-monitor") != "" || page.next(t) != "" {
			t.Errorf("order %d: behind the last position is %+v, want nothing", order, page)
		}
	}
}

// Manners of a log that counts, on three records of which two are asked for.
func TestMannersOfTrustMonitor(t *testing.T) {
	tests := map[string]struct {
		manners duosim.Manners
		params  string
		want    string // ids and metadata
	}{
		"usual":            {duosim.Manners{}, "", `c b {"next_offset":"2"}`},
		"usual, end":       {duosim.Manners{}, "offset=2", `a {}`},
		"every page":       {duosim.Manners{Cursor: duosim.EveryPage}, "offset=2", `a {"next_offset":"3"}`},
		"every page, end":  {duosim.Manners{Cursor: duosim.EveryPage}, "offset=3", ` {"next_offset":null}`},
		"even empty":       {duosim.Manners{Cursor: duosim.EvenEmpty}, "offset=3", ` {"next_offset":"3"}`},
		"null at end":      {duosim.Manners{Cursor: duosim.NullAtEnd}, "offset=2", `a {"next_offset":null}`},
		"inclusive":        {duosim.Manners{InclusiveCursor: true}, "offset=2", `b a {}`},
		"small":            {duosim.Manners{PageSize: 1}, "offset=1", `b {"next_offset":"2"}`},
		"same":             {duosim.Manners{SameOneIn: 1}, "offset=0", `c b {"next_offset":"0"}`},
		"same, one record": {duosim.Manners{SameOneIn: 1}, "offset=1 limit=1", `b {"next_offset":"2"}`},
		"empty":            {duosim.Manners{EmptyOneIn: 1}, "offset=1", ` {"next_offset":"-1"}`},
		"empty, a number":  {duosim.Manners{EmptyOneIn: 1, Offset: duosim.NumberOffset}, "", ` {"next_offset":-0}`},
		"after it":         {duosim.Manners{EmptyOneIn: 1, InclusiveCursor: true}, "offset=-1", `b a {}`},
		"total":            {duosim.Manners{Total: duosim.ExactTotal}, "offset=2", `a {"total_objects":3}`},
		"too few":          {duosim.Manners{Total: duosim.TooFew}, "", `c b {"next_offset":"2","total_objects":0}`},
		"too few, empty":   {duosim.Manners{Total: duosim.TooFew, EmptyOneIn: 1}, "offset=1", ` {"next_offset":"-1","total_objects":2}`},
		"sort is ignored":  {duosim.Manners{}, "sort=ts:asc", `c b {"next_offset":"2"}`},
		"sort is refused":  {duosim.Manners{RefuseSort: true}, "sort=ts:asc", `'sort' is not supported`},
		"no sort":          {duosim.Manners{RefuseSort: true}, "", `c b {"next_offset":"2"}`},
		"offset refused":   {duosim.Manners{RefusedOneIn: 1}, "offset=2", `'offset' is invalid`},
		"no number":        {duosim.Manners{}, "offset=two", `'offset' is invalid`},
		"another's":        {duosim.Manners{}, "offset=1772362800000,a", `'offset' is invalid`},
		"other parameter":  {duosim.Manners{}, "next_offset=2", `c b {"next_offset":"2"}`},
		"without the last": {duosim.Manners{ExclusiveMax: true}, fmt.Sprintf("maxtime=%d", noon.Add(-time.Hour).UnixMilli()+2), `b a {}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{Manners: tt.manners})
			for i, id := range []string{"a", "b", "c"} {
				sim.Log("trust-monitor").Add(duosim.Record{TS: noon.Add(-time.Hour).Add(time.Duration(i) * time.Millisecond), ID: id})
			}
			_, page := fetch(t, serve(t, sim), "trust-monitor", noon, append([]string{"limit=2"}, strings.Fields(tt.params)...)...)
			got := page.Detail
			if got == "" {
				got = page.idsOf(t, "trust-monitor") + " " + string(page.Response.Metadata)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Every log has manners of its own.
func TestBehaveOfALog(t *testing.T) {
	sim := newSim(duosim.Config{Manners: duosim.Manners{PageSize: 1}})
	server := serve(t, sim)
	sizes := func() string {
		var sizes []string
		for _, log := range slices.Sorted(maps.Keys(logs)) {
			_, page := fetch(t, server, log, noon)
			sizes = append(sizes, strconv.Itoa(len(page.list(log))))
		}
		return strings.Join(sizes, " ")
	}
	for log := range logs {
		sim.Log(log).Add(abc()...)
	}
	first := sizes()
	sim.Log("authentication").Behave(duosim.Manners{})
	second := sizes()
	sim.Behave(duosim.Manners{PageSize: 2})
	if third := sizes(); first != "1 1 1 1" || second != "1 3 1 1" || third != "2 2 2 2" {
		t.Errorf("pages of %s, of %s with other manners of authentication, and of %s with those of all; want 1 1 1 1, 1 3 1 1, 2 2 2 2", first, second, third)
	}
}

// A log is refused, by Duo's words or any other fault, while the others work.
func TestAlways(t *testing.T) {
	sim := newSim(duosim.Config{})
	server := serve(t, sim)
	status := func(log string) int {
		status, _ := fetch(t, server, log, noon)
		return status
	}
	sim.Log("trust-monitor").Always(duosim.Refuse(40301, "Access forbidden"))
	sim.Log("activity").Always(duosim.Refuse(41001, "Gone"))
	for range 2 {
		got := []int{status("trust-monitor"), status("activity"), status("telephony"), status("authentication")}
		if diff := cmp.Diff([]int{403, 410, 200, 200}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	}
	sim.Log("activity").Script(duosim.Status(500, "{}"))
	sim.Script(duosim.Status(502, "{}"), duosim.Status(503, "{}"))
	got := []int{status("activity"), status("activity"), status("telephony"), status("telephony"), status("activity")}
	if diff := cmp.Diff([]int{500, 502, 503, 200, 410}, got); diff != "" {
		t.Errorf("scripted statuses (-want +got):\n%s", diff)
	}
	sim.Log("activity").Always(duosim.Pass)
	if got := status("activity"); got != http.StatusOK {
		t.Errorf("no longer refused it answers %d", got)
	}
	if n := len(sim.Log("activity").Requests()); n != 6 || len(sim.Requests()) != 14 {
		t.Errorf("%d requests for activity of %d, want 6 of 14", n, len(sim.Requests()))
	}
}

// An endless answer is one of the log's own list.
func TestEndlessOfEveryLog(t *testing.T) {
	forEachLog(t, func(t *testing.T, log string) {
		sim := newSim(duosim.Config{})
		sim.Script(duosim.Endless)
		_, body, err := over(t.Context(), serve(t, sim).URL, requestFor(log, sim, noon))
		if want := `{"stat":"OK","response":{"` + logs[log].list + `":[0,0`; err != nil || !strings.HasPrefix(body, want) {
			t.Errorf("%v, %.50s; want %s", err, body, want)
		}
	})
}

// The limit of one log has nothing to do with another's.
func TestRateLimitOfEveryLog(t *testing.T) {
	sim := newSim(duosim.Config{RateLimit: 1})
	server := serve(t, sim)
	for _, want := range []int{200, 429} {
		forEachLog(t, func(t *testing.T, log string) {
			if status, _ := fetch(t, server, log, noon); status != want {
				t.Errorf("HTTP %d, want %d", status, want)
			}
		})
	}
}

// Parameters that every log needs, and that no log takes.
func TestRefusalsOfEveryLog(t *testing.T) {
	forEachLog(t, func(t *testing.T, log string) {
		sim := newSim(duosim.Config{})
		for param, want := range map[string]int{
			"mintime=": 40001, "maxtime=": 40001, "mintime=1772362800": 40002, "maxtime=" + millis(noon.Add(-24*time.Hour)): 40002,
			"mintime=" + millis(noon.Add(-duosim.Retention-time.Millisecond)): 40002, "limit=0": 40002, logs[log].offset + "=x": 40002,
		} {
			if w, a := do(t, sim, requestFor(log, sim, noon, param)); w.Code != want/100 || a.Code != want {
				t.Errorf("%s: HTTP %d, code %d; want %d", param, w.Code, a.Code, want)
			}
		}
		r := requestFor(log, sim, noon)
		r.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", "signed by nobody")
		if w, a := do(t, sim, r); w.Code != 401 || a.Code != 40103 {
			t.Errorf("badly signed: HTTP %d, code %d; want 40103", w.Code, a.Code)
		}
	})
}

func TestNoSuchLog(t *testing.T) {
	defer func() {
		if recovered := recover(); recovered != `duosim: there is no log "administrator"` {
			t.Errorf("panic is %v, want what is wrong", recovered)
		}
	}()
	newSim(duosim.Config{}).Log("administrator")
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

// idsOf returns the ids of the records, in order.
func (a answer) idsOf(t *testing.T, log string) string {
	t.Helper()
	var ids []string
	for _, r := range a.records(t, log) {
		ids = append(ids, r.id(log))
	}
	return strings.Join(ids, " ")
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
