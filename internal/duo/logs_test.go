package duo_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

// requested returns the URI that a query asks for, and the page that the body is.
func requested(t *testing.T, log duo.Log, body string, q duo.Query) (uri string, page duo.Page) {
	t.Helper()
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri = r.RequestURI
		duosim.Status(http.StatusOK, body)(w, r, nil)
	}), duo.Config{})
	page, err := client.Session(log, 0).Page(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", log.Name, err)
	}
	return uri, page
}

// TestWireByLog has what is asked of each log, and the offset that it sends taken
// back to it.
func TestWireByLog(t *testing.T) {
	const bounds = "maxtime=1666714065304&mintime=1666714000000"
	for name, tt := range map[string]struct{ list, next, first, newest, following string }{
		"telephony": {
			"items", `"1666714065304,5bf1"`,
			"/admin/v2/logs/telephony?limit=1000&" + bounds + "&sort=ts%3Aasc",
			"/admin/v2/logs/telephony?limit=1000&" + bounds + "&sort=ts%3Adesc",
			"/admin/v2/logs/telephony?limit=1000&" + bounds + "&next_offset=1666714065304%2C5bf1&sort=ts%3Aasc",
		},
		"authentication": {
			"authlogs", `["1666714065304","5bf1"]`,
			"/admin/v2/logs/authentication?limit=1000&" + bounds + "&sort=ts%3Aasc",
			"/admin/v2/logs/authentication?limit=1000&" + bounds + "&sort=ts%3Adesc",
			"/admin/v2/logs/authentication?limit=1000&" + bounds + "&next_offset=1666714065304%2C5bf1&sort=ts%3Aasc",
		},
		"activity": {
			"items", `"1666714065304,5bf1"`,
			"/admin/v2/logs/activity?limit=1000&" + bounds + "&sort=ts%3Aasc",
			"/admin/v2/logs/activity?limit=1000&" + bounds + "&sort=ts%3Adesc",
			"/admin/v2/logs/activity?limit=1000&" + bounds + "&next_offset=1666714065304%2C5bf1&sort=ts%3Aasc",
		},
		"trust-monitor": {
			"events", `31229`,
			"/admin/v1/trust_monitor/events?limit=200&" + bounds,
			"/admin/v1/trust_monitor/events?limit=200&" + bounds,
			"/admin/v1/trust_monitor/events?limit=200&" + bounds + "&offset=31229",
		},
	} {
		log, known := duo.LogNamed(name)
		if !known {
			t.Fatalf("there is no row %s", name)
		}
		q := duo.Query{Min: time.UnixMilli(1666714000000), Max: time.UnixMilli(1666714065304)}
		for _, body := range []string{
			`{"stat":"OK","response":{%q:[{"a":1},{"b":2}],"metadata":{"next_offset":%s}}}`,
			`{"stat":"OK","response":{%q:[{"a":1},{"b":2}]},"metadata":{"next_offset":%s}}`,
		} {
			body = fmt.Sprintf(body, tt.list, tt.next)
			first, page := requested(t, log, body, q)
			if diff := cmp.Diff([]string{`{"a":1}`, `{"b":2}`}, texts(page)); diff != "" {
				t.Errorf("%s: records (-want +got):\n%s", name, diff)
			}
			newest, _ := requested(t, log, body, duo.Query{Min: q.Min, Max: q.Max, Newest: true})
			following, _ := requested(t, log, body, duo.Query{Min: q.Min, Max: q.Max, Offset: page.Next})
			if diff := cmp.Diff([]string{tt.first, tt.newest, tt.following}, []string{first, newest, following}); diff != "" {
				t.Errorf("%s: requests (-want +got):\n%s", name, diff)
			}
		}
	}
	if _, known := duo.LogNamed("administrator"); known {
		t.Error("there is a row of a log that Duo has ended")
	}
}

// TestProbeByLog asks each log for its own path.
func TestProbeByLog(t *testing.T) {
	for _, log := range duo.Logs {
		var path string
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path = r.URL.Path
			duosim.Status(http.StatusOK, fmt.Sprintf(`{"stat":"OK","response":{%q:[]}}`, log.List))(w, r, nil)
		}), duo.Config{})
		if _, err := client.Probe(t.Context(), log); err != nil || path != log.Path {
			t.Errorf("%s: asked %s: %v", log.Name, path, err)
		}
	}
}

// refused returns the error that an answer to a session of the log is.
func refused(t *testing.T, log duo.Log, status int, body string) *duo.Error {
	t.Helper()
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		duosim.Status(status, body)(w, r, nil)
	}), duo.Config{})
	_, err := client.Session(log, 0).Page(t.Context(), lastDay())
	failure, _ := errors.AsType[*duo.Error](err)
	if failure == nil {
		t.Fatalf("%s: %v, want a refusal", log.Name, err)
	}
	return failure
}

// TestPermissionByLog says what else a 403 can be where not every account has
// the log.
func TestPermissionByLog(t *testing.T) {
	const everywhere = `grant the application "Grant read log" in Duo's Admin Panel, and allow this service's address where the application restricts networks`
	for name, more := range map[string]string{
		"telephony":      "",
		"authentication": "",
		"activity":       "; or this account has no activity log: some plans have it on request only",
		"trust-monitor":  "; or this account has no trust-monitor log: it is a part of Duo Advantage and Duo Premier",
	} {
		log, _ := duo.LogNamed(name)
		e := refused(t, log, http.StatusForbidden, `{"stat":"FAIL","code":40301,"message":"Access forbidden"}`)
		if e.Hint != everywhere+more || e.Ended() || e.Temporary {
			t.Errorf("%s: %v (ended %t, temporary %t)", name, e, e.Ended(), e.Temporary)
		}
	}
}

// TestEnded tells a log that Duo does not have from an answer of somebody else.
func TestEnded(t *testing.T) {
	const fail = `{"stat":"FAIL","code":40401,"message":"Resource not found"}`
	for name, tt := range map[string]struct {
		status int
		body   string
		ended  bool
	}{
		"not found by Duo":           {404, fail, true},
		"not found, without a code":  {404, `{"stat":"FAIL"}`, true},
		"not found, with 200":        {200, fail, true},
		"gone":                       {410, `{"stat":"FAIL","code":41001}`, true},
		"gone, in HTML":              {410, `<html>gone</html>`, true},
		"gone, with 200":             {200, `{"stat":"FAIL","code":41001}`, true},
		"not found, in HTML":         {404, `<html>not found</html>`, false},
		"not found, nothing said":    {404, ``, false},
		"not found by another JSON":  {404, `{"error":"not found"}`, false},
		"not found, of another stat": {404, `{"stat":"OK","response":{}}`, false},
		"forbidden":                  {403, `{"stat":"FAIL","code":40301}`, false},
		"wrong verb":                 {405, `{"stat":"FAIL","code":40501}`, false},
	} {
		for _, log := range duo.Logs {
			e := refused(t, log, tt.status, tt.body)
			hint := "Duo has ended the " + log.Name + " log, or this account never had it: take it out of DUO_LOGS"
			if e.Ended() != tt.ended || e.Temporary || (e.Hint == hint) != tt.ended {
				t.Errorf("%s, %s: %v (ended %t, temporary %t)", name, log.Name, e, e.Ended(), e.Temporary)
			}
			if name == "not found, in HTML" && !strings.HasSuffix(e.Error(), ": check DUO_API_HOST") {
				t.Errorf("%s, %s: %v", name, log.Name, e)
			}
		}
	}
}

// TestLogsDocumented holds the tables of docs/logs.md to the rows.
func TestLogsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := columns(string(doc))
	for _, l := range duo.Logs {
		row := documented[l.Name]
		overlap, err := time.ParseDuration(row["overlap"])
		if err != nil || overlap != l.Overlap {
			t.Errorf("%s: docs/logs.md has the overlap %q, the row %v", l.Name, row["overlap"], l.Overlap)
		}
		for column, want := range map[string]string{
			"path": l.Path, "list": l.List, "limit": strconv.Itoa(l.Limit), "offset": l.OffsetParam,
			"edition": map[bool]string{true: "every paid one", false: l.Edition}[l.Edition == ""],
			"order":   map[bool]string{true: "by time", false: "unknown"}[l.Ordered],
			"time":    l.Time + map[time.Duration]string{0: ", RFC 3339", time.Millisecond: ", ms"}[l.TimeUnit],
			"id":      l.ID, "one record if": map[bool]string{true: "id and time agree", false: "all bytes agree"}[l.Unique],
			"later versions":     map[bool]string{true: "yes", false: "no"}[l.Mutable],
			"kept":               fmt.Sprintf("%d days", l.Kept/(24*time.Hour)),
			"log type in SecOps": l.Label, "added to records": map[bool]string{true: "eventtype, host", false: "nothing"}[l.EventType != ""],
		} {
			if row[column] != want {
				t.Errorf("%s: docs/logs.md has %q as its %s, the row says %q", l.Name, row[column], column, want)
			}
		}
	}
}

// columns reads a document's tables: cells by the first one of their row and the
// name of their column, without backquotes.
func columns(doc string) map[string]map[string]string {
	rows := map[string]map[string]string{}
	var names []string
	for line := range strings.Lines(strings.ReplaceAll(doc, "`", "")) {
		if !strings.HasPrefix(line, "|") {
			names = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if names == nil {
			names = cells
		}
		if rows[cells[0]] == nil {
			rows[cells[0]] = map[string]string{}
		}
		for i := range min(len(cells), len(names)) {
			rows[cells[0]][names[i]] = cells[i]
		}
	}
	return rows
}
