package audit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// account is a Duo account that answers as a test wants, and checks no signature.
type account struct {
	limit int                      // most records in a page
	habit func(q asked, p *answer) // changes an answer
	mu    sync.Mutex
	log   []event // by time
	asked []asked
}

// asked is a request.
type asked struct {
	min, max int64
	newest   bool
	offset   string
	n        int // it is the nth
}

// answer is a page. By default its offset is the last record's and its total exact.
type answer struct {
	items  []string
	next   string // JSON
	more   bool   // records follow
	total  string // JSON; "" for none
	beside bool   // metadata is not in response
	code   int    // in place of a page
}

func newAccount(log ...event) *account {
	slices.SortStableFunc(log, func(a, b event) int { return a.at.Compare(b.at) })
	return &account{limit: 1000, log: log, habit: func(asked, *answer) {}}
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := parse(r.URL.Query())
	q.n = len(a.asked) + 1
	a.asked = append(a.asked, q)
	p := a.page(q)
	a.habit(q, &p)
	if p.code != 0 {
		w.WriteHeader(p.code / 100)
		fmt.Fprintf(w, `{"stat":"FAIL","code":%d,"message":"no"}`, p.code)
		return
	}
	meta := `"metadata":{"next_offset":` + p.next
	if p.total != "" {
		meta += `,"total_objects":` + p.total
	}
	items := `{"items":[` + strings.Join(p.items, ",") + `]`
	if p.beside {
		fmt.Fprintf(w, `{"stat":"OK","response":%s},%s}}`, items, meta)
		return
	}
	fmt.Fprintf(w, `{"stat":"OK","response":%s,%s}}}`, items, meta)
}

func parse(q url.Values) asked {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	a := asked{min: number("mintime"), max: number("maxtime"), newest: q.Get("sort") == "ts:desc", offset: q.Get("next_offset")}
	if a.max <= a.min || q.Get("limit") != "1000" {
		panic(q.Encode())
	}
	return a
}

// page is the default answer. An offset is the number of records before it.
func (a *account) page(q asked) answer {
	from, _ := slices.BinarySearchFunc(a.log, q.min, func(e event, ms int64) int { return int(e.at.UnixMilli() - ms) })
	to, _ := slices.BinarySearchFunc(a.log, q.max+1, func(e event, ms int64) int { return int(e.at.UnixMilli() - ms) })
	all := slices.Clone(a.log[from:to])
	if q.newest {
		slices.Reverse(all)
	}
	past := 0
	if at, ok := strings.CutPrefix(strings.TrimSpace(q.offset), "past "); ok {
		past, _ = strconv.Atoi(at)
	}
	past = min(past, len(all))
	end := min(past+a.limit, len(all))
	p := answer{next: "null", more: end < len(all), total: strconv.Itoa(len(all))}
	for _, e := range all[past:end] {
		p.items = append(p.items, e.raw)
	}
	if end > past {
		p.next = fmt.Sprintf(`"past %d"`, end)
	}
	return p
}

// requests returns the number of requests so far.
func (a *account) requests() []asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// quote returns a text as JSON.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
