package duosim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// The signature is one that duo_client_python computed.
func TestSignature(t *testing.T) {
	const good = "653b9f9743a10bbc2eb0db5fa0e599d8fcd2c94eac479dd5716b5a6c739b2633e0ffeffd06b44f30c5fd58f1fedac9885bff3d4de469ec3eddbdd83d3d357186"
	tests := map[string]struct {
		signature, date string
		code            int
	}{
		"good":          {good, "Tue, 21 Aug 2012 17:29:18 -0000", 40002}, // the offset is unknown here
		"upper case":    {strings.ToUpper(good), "Tue, 21 Aug 2012 17:29:18 -0000", 40002},
		"other digit":   {"7" + good[1:], "Tue, 21 Aug 2012 17:29:18 -0000", 40103},
		"empty":         {"", "Tue, 21 Aug 2012 17:29:18 -0000", 40103},
		"date reworded": {good, "Tue, 21 Aug 2012 17:29:18 GMT", 40103},
	}
	sim := newSim(duosim.Config{Now: func() time.Time { return time.Date(2012, 8, 21, 17, 29, 18, 0, time.UTC) }})
	for name, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, logPath+"?limit=1000&maxtime=1666714065304&mintime=1666714000000"+
			"&next_offset=1666714065304%2C5bf1a860-fe39-49e3-be29-217659663a74&sort=ts%3Aasc", nil)
		r.Header.Set("Date", tt.date)
		r.SetBasicAuth("DIWJ8X6AEYOR5OMC6TQ1", tt.signature)
		if w, a := do(t, sim, r); a.Code != tt.code || w.Code != tt.code/100 {
			t.Errorf("%s: HTTP %d, code %d; want %d", name, w.Code, a.Code, tt.code)
		}
	}
}

func TestRefusals(t *testing.T) {
	sim := newSim(duosim.Config{})
	signed := func(change func(r *http.Request)) *http.Request {
		r := request(sim, noon)
		change(r)
		if user, _, ok := r.BasicAuth(); ok {
			r.SetBasicAuth(user, sim.Signature(r))
		}
		return r
	}
	with := func(params ...string) *http.Request { return request(sim, noon, params...) }
	more := with()
	more.URL.RawQuery += "&filters=x"
	tests := map[string]struct {
		request *http.Request
		code    int
		detail  string
	}{
		"other path":        {signed(func(r *http.Request) { r.URL.Path = "/admin/v1/users" }), 40401, ""},
		"other method":      {signed(func(r *http.Request) { r.Method = http.MethodPost }), 40501, ""},
		"no credentials":    {signed(func(r *http.Request) { r.Header.Del("Authorization") }), 40101, ""},
		"a bearer's":        {signed(func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), 40101, ""},
		"other key":         {signed(func(r *http.Request) { r.SetBasicAuth("DI", "") }), 40102, ""},
		"no date":           {signed(func(r *http.Request) { r.Header.Del("Date") }), 40105, ""},
		"date behind":       {request(sim, noon.Add(-61*time.Second)), 40105, ""},
		"date ahead":        {request(sim, noon.Add(61*time.Second)), 40105, ""},
		"more than signed":  {more, 40103, ""},
		"no mintime":        {with("mintime="), 40001, "mintime"},
		"no maxtime":        {with("maxtime="), 40001, "maxtime"},
		"mintime seconds":   {with("mintime=1666714000"), 40002, "'mintime' must be a timestamp in milliseconds"},
		"maxtime a word":    {with("maxtime=now"), 40002, "'maxtime' must be a timestamp in milliseconds"},
		"empty range":       {with("mintime=" + millis(noon)), 40002, "'maxtime' must be strictly greater than 'mintime'"},
		"too old":           {with("mintime=" + millis(noon.Add(-duosim.Retention-time.Millisecond))), 40002, "mintime must be within the past 180 days"},
		"other sort":        {with("sort=ts"), 40002, "'sort' must be ts:asc or ts:desc"},
		"limit a word":      {with("limit=all"), 40002, "'limit' must be a positive number"},
		"limit zero":        {with("limit=0"), 40002, "'limit' must be a positive number"},
		"offset unknown":    {with("next_offset=" + millis(noon) + ",a"), 40002, "'next_offset' is invalid"},
		"offset of no sort": {with("next_offset=a"), 40002, "'next_offset' is invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, a := do(t, sim, tt.request)
			if w.Code != tt.code/100 || a.Stat != "FAIL" || a.Code != tt.code || a.Detail != tt.detail {
				t.Errorf("HTTP %d, %+v; want %d, %q", w.Code, a, tt.code, tt.detail)
			}
			if date := w.Header().Get("Date"); date != noon.Format(http.TimeFormat) {
				t.Errorf("Date = %s, want the simulator's clock", date)
			}
		})
	}
	for name, r := range map[string]*http.Request{
		"date a minute off": request(sim, noon.Add(time.Minute)),
		"as old as can be":  with("mintime=" + millis(noon.Add(-duosim.Retention))),
	} {
		if w, _ := do(t, sim, r); w.Code != http.StatusOK {
			t.Errorf("%s: HTTP %d, want 200", name, w.Code)
		}
	}
}

func TestRateLimit(t *testing.T) {
	now := noon
	sim := newSim(duosim.Config{Now: func() time.Time { return now }, RateLimit: 2, RetryAfter: true})
	want := []struct {
		after  time.Duration
		status int
		header string
	}{{0, 200, ""}, {10 * time.Second, 200, ""}, {20500 * time.Millisecond, 429, "40"}, {59 * time.Second, 429, "1"}, {60 * time.Second, 200, ""}, {61 * time.Second, 429, "9"}}
	for _, tt := range want {
		now = noon.Add(tt.after)
		w, a := do(t, sim, request(sim, now))
		if w.Code != tt.status || w.Header().Get("Retry-After") != tt.header || w.Code == 429 && a.Code != 42901 {
			t.Errorf("after %s: HTTP %d, Retry-After %q; want %d, %q", tt.after, w.Code, w.Header().Get("Retry-After"), tt.status, tt.header)
		}
	}
}
