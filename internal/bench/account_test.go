package bench_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pageSize = 1000
	apiHost  = "api-12345678.duosecurity.com"
)

// account is a Duo account. Each of its logs has record i at Start + i × Step. It
// pages as Duo does but checks nothing, so it costs next to nothing. The client is
// tested against duosim.
type account struct {
	Start   time.Time     // whole milliseconds
	Step    time.Duration // whole milliseconds
	Records int
	Pages   int           // most pages of a log, 0 for no limit
	Short   bool          // records of id and time alone
	Keep    bool          // render a page once and keep it
	Delay   time.Duration // before every answer

	Children int // accounts below it, each with the same logs

	pages      sync.Map // rendered, by request
	pagesAsked atomic.Int64
}

// request is what a log is asked for.
type request struct {
	*shape
	span
}

// shape is how a log answers. Trust monitor's offsets are positions.
type shape struct {
	list, offset string
	limit        int
	record       func(id, ts string, i int, at time.Time) string
}

// shapes are the logs by path. The records of authentication have 3 kB.
var shapes = map[string]*shape{
	"/admin/v2/logs/telephony": {"items", "next_offset", pageSize, func(id, ts string, i int, _ time.Time) string {
		return fmt.Sprintf(`{"context":"authentication","credits":%d,"phone":"+120255501%02d","telephony_id":"%s","ts":"%s","txid":"%s","type":"sms"}`, i%4, i%100, id, ts, uuid(-1-i))
	}},
	"/admin/v2/logs/authentication": {"authlogs", "next_offset", pageSize, func(id, ts string, _ int, at time.Time) string {
		return fmt.Sprintf(`{"event_type":"authentication","isotimestamp":"%s","timestamp":%d,"txid":"%s","user":{"groups":["%s"],"name":"mleroy"}}`, ts, at.Unix(), id, strings.Repeat("g", 2850))
	}},
	"/admin/v2/logs/activity": {"items", "next_offset", pageSize, func(id, ts string, _ int, _ time.Time) string {
		return fmt.Sprintf(`{"action":{"details":null,"name":"bypass_create"},"activity_id":"%s","target":{"details":"%s"},"ts":"%s"}`, id, strings.Repeat("d", 400), ts)
	}},
	"/admin/v1/trust_monitor/events": {"events", "offset", 200, func(id, _ string, _ int, at time.Time) string {
		return fmt.Sprintf(`{"sekey":"%s","state":"new","surfaced_timestamp":%d,"type":"auth"}`, id, at.UnixMilli())
	}},
}

// span is the answer to a request: the records from first to before end, of all
// within the request's bounds.
type span struct{ lowest, first, end, total int }

// backlog is an account with that many records, a second apart, the last an hour
// old.
func backlog(records int) *account { return dense(records, time.Second) }

func dense(records int, step time.Duration) *account {
	last := time.Now().Add(-time.Hour).Truncate(time.Second)
	return &account{Start: last.Add(-time.Duration(records) * step), Step: step, Records: records}
}

// fullPages is how many records fill n pages but for the last record: a full page
// would lead to another request.
func fullPages(n int) int { return n*pageSize - 1 }

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/accounts/v1/account/list":
		w.Write(a.list())
		return
	case "/asked":
		fmt.Fprint(w, a.pagesAsked.Load())
		return
	}
	a.pagesAsked.Add(1)
	q := request{shape: shapes[r.URL.Path]}
	if q.shape == nil {
		http.NotFound(w, r)
		return
	}
	q.span = a.asked(r, q.shape)
	time.Sleep(a.Delay)
	w.Header().Set("Content-Type", "application/json")
	w.Write(a.page(q))
}

func (a *account) asked(r *http.Request, log *shape) span {
	query := r.URL.Query()
	records := a.Records
	if a.Pages > 0 {
		records = min(records, a.Pages*log.limit-1)
	}
	from := func(ms string) int { return min(a.from(ms), records) }
	lowest := from(query.Get("mintime"))
	s := span{lowest: lowest, first: lowest, end: from(query.Get("maxtime"))}
	if a.at(s.end).UnixMilli() == millis(query.Get("maxtime")) && s.end < records {
		s.end++ // Duo's bounds are inclusive
	}
	s.total = s.end - lowest
	at := query.Get(log.offset)
	if ms, _, ok := strings.Cut(at, ","); ok {
		s.first = from(ms) + 1
	} else if at != "" {
		s.first += int(millis(at))
	}
	s.end = max(s.first, min(s.end, s.first+log.limit))
	return s
}

// from is the first record at or after a time in milliseconds.
func (a *account) from(ms string) int {
	d := time.UnixMilli(millis(ms)).Sub(a.Start)
	return min(max(0, int((d+a.Step-1)/a.Step)), a.Records)
}

func millis(s string) int64 {
	ms, _ := strconv.ParseInt(s, 10, 64)
	return ms
}

func (a *account) at(i int) time.Time { return a.Start.Add(time.Duration(i) * a.Step) }

// list is the answer of the Accounts API.
func (a *account) list() []byte {
	b := []byte(`{"stat":"OK","response":[`)
	for i := range a.Children {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"account_id":"DA%018d","api_hostname":"api-%08x.duosecurity.com","name":"Customer %d"}`, i, i, i)
	}
	return append(b, `]}`...)
}

func (a *account) page(q request) []byte {
	if body, ok := a.pages.Load(q); ok {
		return body.([]byte)
	}
	body := a.render(q)
	if a.Keep {
		a.pages.Store(q, body)
	}
	return body
}

func (a *account) render(q request) []byte {
	b := append(make([]byte, 0, 256*pageSize), `{"stat":"OK","response":{"`+q.list+`":[`...)
	for i := q.first; i < q.end; i++ {
		if i > q.first {
			b = append(b, ',')
		}
		b = append(b, a.record(q.shape, i)...)
	}
	b = append(b, `],"metadata":{`...)
	switch {
	case q.end == q.first:
	case q.offset == "offset" && q.end-q.first == q.limit:
		return fmt.Appendf(b, `"next_offset":%d}}}`, q.end-q.lowest)
	case q.offset == "offset":
		return append(b, "}}}"...)
	default:
		b = fmt.Appendf(b, `"next_offset":"%d,%s",`, a.at(q.end-1).UnixMilli(), uuid(q.end-1))
	}
	return fmt.Appendf(b, `"total_objects":%d}}}`, q.total)
}

// record is one as Duo's documentation shows them, of telephony 216 bytes, 280 in
// the object.
func (a *account) record(log *shape, i int) string {
	ts := a.at(i).UTC().Format("2006-01-02T15:04:05.000000-07:00")
	if a.Short {
		return fmt.Sprintf(`{"telephony_id":"%s","ts":"%s"}`, uuid(i), ts)
	}
	return log.record(uuid(i), ts, i, a.at(i))
}

// uuid is the id of record i. Ids are spread as if they were random.
func uuid(i int) string {
	mix := func(x uint64) uint64 { // splitmix64's finish
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	hi, lo := mix(uint64(i)*0x9e3779b97f4a7c15+1), mix(uint64(i)*0x9e3779b97f4a7c15+2)
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0xfff, lo&(1<<48-1))
}
