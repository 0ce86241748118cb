package duosim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

const logPath = "/admin/v2/logs/telephony"

// noon is the clock of most tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSim(cfg duosim.Config) *duosim.Sim {
	cfg.IKey, cfg.SKey, cfg.Host = "DIWJ8X6AEYOR5OMC6TQ1", "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep", "api-XXXXXXXX.duosecurity.com"
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	return duosim.New(cfg)
}

// answer is the JSON of any answer.
type answer struct {
	Stat     string
	Code     int
	Message  string
	Detail   string `json:"message_detail"`
	Response struct {
		Items, AuthLogs, Events []json.RawMessage
		Metadata                json.RawMessage
	}
	Metadata json.RawMessage
}

func (a answer) ids(t *testing.T) []string {
	t.Helper()
	ids := []string{}
	for _, item := range a.Response.Items {
		var record struct {
			ID string `json:"telephony_id"`
		}
		if err := json.Unmarshal(item, &record); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, record.ID)
	}
	return ids
}

// request is [requestFor] telephony.
func request(sim *duosim.Sim, now time.Time, params ...string) *http.Request {
	return requestFor("telephony", sim, now, params...)
}

// requestFor is a good request for 24 hours of a log, changed by "name=value"
// parameters; an empty value takes one away.
func requestFor(log string, sim *duosim.Sim, now time.Time, params ...string) *http.Request {
	query := url.Values{
		"mintime": {millis(now.Add(-24 * time.Hour))},
		"maxtime": {millis(now)},
		"limit":   {"1000"},
		"sort":    {"ts:asc"},
	}
	for _, param := range params {
		name, value, _ := strings.Cut(param, "=")
		query.Set(name, value)
		if value == "" {
			query.Del(name)
		}
	}
	r := httptest.NewRequest(http.MethodGet, logs[log].path+"?"+strings.ReplaceAll(query.Encode(), "+", "%20"), nil)
	r.Header.Set("Date", now.Format(time.RFC1123Z))
	r.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", sim.Signature(r))
	return r
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func do(t *testing.T, sim *duosim.Sim, r *http.Request) (*httptest.ResponseRecorder, answer) {
	t.Helper()
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("status %d, body %q: %v", w.Code, w.Body, err)
	}
	return w, a
}

// abc are three records of two milliseconds, added out of order.
func abc() []duosim.Record {
	first := noon.Add(-time.Hour)
	return []duosim.Record{
		{TS: first.Add(time.Millisecond), ID: "c"},
		{TS: first.Add(10 * time.Microsecond), ID: "b"},
		{TS: first.Add(20 * time.Microsecond), ID: "a"},
	}
}

func TestCursor(t *testing.T) {
	ms := noon.Add(-time.Hour).UnixMilli()
	b, c := strconv.FormatInt(ms, 10)+",b", strconv.FormatInt(ms+1, 10)+",c"
	null := `{"next_offset":null,"total_objects":3}`
	full := func(offset string) string { return `{"next_offset":"` + offset + `","total_objects":3}` }
	tests := map[string]struct {
		manners         duosim.Manners
		second          []string // ids of the page after a and b
		first, atSecond string   // metadata
	}{
		"every page":    {duosim.Manners{}, []string{"c"}, full(b), full(c)},
		"null at end":   {duosim.Manners{Cursor: duosim.NullAtEnd}, []string{"c"}, full(b), null},
		"absent at end": {duosim.Manners{Cursor: duosim.AbsentAtEnd}, []string{"c"}, full(b), `{"total_objects":3}`},
		"inclusive":     {duosim.Manners{InclusiveCursor: true}, []string{"b", "c"}, full(b), full(c)},
		"array": {duosim.Manners{Offset: duosim.ListOffset, Cursor: duosim.NullAtEnd}, []string{"c"},
			`{"next_offset":["` + strings.ReplaceAll(b, ",", `","`) + `"],"total_objects":3}`, null},
		"total object": {duosim.Manners{TotalAs: duosim.Object, Cursor: duosim.AbsentAtEnd}, []string{"c"},
			`{"next_offset":"` + b + `","total_objects":{"relation":"eq","value":3}}`, `{"total_objects":{"relation":"eq","value":3}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{Manners: tt.manners})
			sim.Add(abc()...)
			_, page := do(t, sim, request(sim, noon, "limit=2"))
			if diff := cmp.Diff([]string{"a", "b"}, page.ids(t)); diff != "" || string(page.Response.Metadata) != tt.first {
				t.Errorf("first page: metadata %s, want %s; ids (-want +got):\n%s", page.Response.Metadata, tt.first, diff)
			}
			_, page = do(t, sim, request(sim, noon, "limit=2", "next_offset="+b))
			if diff := cmp.Diff(tt.second, page.ids(t)); diff != "" || string(page.Response.Metadata) != tt.atSecond {
				t.Errorf("second page: metadata %s, want %s; ids (-want +got):\n%s", page.Response.Metadata, tt.atSecond, diff)
			}
		})
	}
	sim := newSim(duosim.Config{})
	sim.Add(abc()...)
	if _, page := do(t, sim, request(sim, noon, "next_offset="+c)); len(page.Response.Items) != 0 || string(page.Response.Metadata) != null {
		t.Errorf("page after the last: %d records, metadata %s; want none and null", len(page.Response.Items), page.Response.Metadata)
	}
}

func TestSelection(t *testing.T) {
	first := noon.Add(-time.Hour)
	b := millis(first) + ",b"
	tests := map[string]struct {
		params []string
		want   []string
	}{
		"all":                 {nil, []string{"a", "b", "c"}},
		"newest first":        {[]string{"sort="}, []string{"c", "b", "a"}},
		"newest, continued":   {[]string{"sort=ts:desc", "next_offset=" + b}, []string{"a"}},
		"bounds are included": {[]string{"mintime=" + millis(first), "maxtime=" + millis(first.Add(time.Millisecond))}, []string{"a", "b", "c"}},
		"from the second":     {[]string{"mintime=" + millis(first.Add(time.Millisecond))}, []string{"c"}},
		"to the first":        {[]string{"maxtime=" + millis(first)}, []string{"a", "b"}},
	}
	for name, tt := range tests {
		sim := newSim(duosim.Config{})
		sim.Add(abc()...)
		_, page := do(t, sim, request(sim, noon, tt.params...))
		if diff := cmp.Diff(tt.want, page.ids(t)); diff != "" {
			t.Errorf("%s: ids (-want +got):\n%s", name, diff)
		}
	}
}

func TestLimit(t *testing.T) {
	sim := newSim(duosim.Config{Generate: duosim.Generator{PerHour: 60}})
	for limit, want := range map[string]int{"": 100, "7": 7, "1000": 1000, "5000": 1000} {
		if _, page := do(t, sim, request(sim, noon, "limit="+limit)); len(page.Response.Items) != want {
			t.Errorf("limit %q: %d records, want %d", limit, len(page.Response.Items), want)
		}
	}
}
