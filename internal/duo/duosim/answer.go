package duosim

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// refusal is an answer with stat FAIL. Its code begins with its HTTP status.
type refusal struct {
	code            int
	message, detail string
}

func invalid(detail string) *refusal {
	return &refusal{40002, "Invalid request parameters", detail}
}

// answer is what Duo does.
func (s *Sim) answer(w http.ResponseWriter, r *http.Request) {
	now := s.cfg.Now()
	var body string
	l, refused := s.admit(r, now)
	switch {
	case refused != nil:
	case l == nil:
		body = s.accounts()
	default:
		body, refused = l.respond(w.Header(), r.URL.Query(), now)
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	reply(w, http.StatusOK, body)
}

// admit checks all but a log's parameters, and returns the log; nil is the list.
func (s *Sim) admit(r *http.Request, now time.Time) (*Log, *refusal) {
	l, method := s.logAt(r.URL.Path), http.MethodGet
	if r.URL.Path == accountsPath {
		method = http.MethodPost
	} else if l == nil {
		return nil, &refusal{code: 40401, message: "Resource not found"}
	}
	if r.Method != method {
		return nil, &refusal{code: 40501, message: "Method not allowed"}
	}
	if refused := s.authenticate(r, now); refused != nil {
		return nil, refused
	}
	return l, s.permit(l, r.URL.Query()["account_id"])
}

// respond returns the page that a request selects. The records go out byte
// for byte as they are, spaces too.
func (l *Log) respond(h http.Header, params url.Values, now time.Time) (string, *refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.tooEarly(now); wait > 0 {
		if l.sim.cfg.RetryAfter {
			h.Set("Retry-After", seconds(wait))
		}
		return "", &refusal{code: 42901, message: "Too Many Requests"}
	}
	q, refused := l.parse(params, now)
	if refused != nil {
		return "", refused
	}
	p := l.page(q, now)
	records := make([][]byte, len(p.records))
	for i, r := range p.records {
		records[i] = l.show(r)
	}
	metadata := `,"metadata":` + l.metadata(q, p, now)
	within, beside := metadata, metadata
	switch l.manners.Metadata {
	case InResponse:
		beside = ""
	case Beside:
		within = ""
	}
	return fmt.Sprintf(`{"stat":"OK","response":{%q:[%s]%s}%s}`, l.list, bytes.Join(records, []byte(",")), within, beside), nil
}

// tooEarly returns how long a request comes too early, or counts it.
func (l *Log) tooEarly(now time.Time) time.Duration {
	most := l.sim.cfg.RateLimit
	if most == 0 {
		return 0
	}
	l.admitted = slices.DeleteFunc(l.admitted, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(l.admitted) >= most {
		return l.admitted[0].Add(time.Minute).Sub(now)
	}
	l.admitted = append(l.admitted, now)
	return 0
}

// parse checks the parameters as Duo does, with its words where they are known.
func (l *Log) parse(params url.Values, now time.Time) (query, *refusal) {
	var q query
	for _, bound := range []struct {
		name string
		ms   *int64
	}{{"mintime", &q.min}, {"maxtime", &q.max}} {
		value := params.Get(bound.name)
		if value == "" {
			return q, &refusal{40001, "Missing required request parameters", bound.name}
		}
		ms, ok := millis(value)
		if !ok {
			return q, invalid("'" + bound.name + "' must be a timestamp in milliseconds")
		}
		*bound.ms = ms
	}
	if q.max <= q.min {
		return q, invalid("'maxtime' must be strictly greater than 'mintime'")
	}
	if q.min < now.Add(-Retention).UnixMilli() {
		return q, invalid("mintime must be within the past 180 days")
	}
	q, refused := l.parsePaging(q, params, now)
	if l.manners.ExclusiveMin {
		q.min++
	}
	if l.manners.ExclusiveMax {
		q.max--
	}
	return q, refused
}

func (l *Log) parsePaging(q query, params url.Values, now time.Time) (query, *refusal) {
	var refused *refusal
	if q.desc, refused = l.parseSort(params.Get("sort")); refused != nil {
		return q, refused
	}
	q.limit = l.limit
	if value := params.Get("limit"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return q, invalid("'limit' must be a positive number")
		}
		q.limit = min(n, l.most)
	}
	if value := params.Get(l.param); value != "" {
		after, ok := l.readOffset(value)
		if q.after = &after; !ok || !l.knows(after, now) || l.chance(l.manners.RefusedOneIn) {
			return q, invalid("'" + l.param + "' is invalid")
		}
	}
	return q, nil
}

// parseSort reports whether a page shows the newest records first. A log that
// counts has an order of its own.
func (l *Log) parseSort(value string) (desc bool, refused *refusal) {
	switch {
	case l.counts && value != "" && l.manners.RefuseSort:
		return false, invalid("'sort' is not supported")
	case l.counts:
		return l.manners.Order == NewestFirst, nil
	case value == "ts:asc":
		return false, nil
	case value == "ts:desc", value == "":
		return true, nil
	}
	return false, invalid("'sort' must be ts:asc or ts:desc")
}

// millis reads a time as Duo takes it: 13 digits, so that seconds are refused.
func millis(s string) (int64, bool) {
	ms, err := strconv.ParseUint(s, 10, 63)
	return int64(ms), err == nil && len(s) == 13
}

func refuse(w http.ResponseWriter, r *refusal) {
	reply(w, r.code/100, string(marshal(struct {
		Stat    string `json:"stat"`
		Code    int    `json:"code"`
		Message string `json:"message"`
		Detail  string `json:"message_detail,omitempty"`
	}{"FAIL", r.code, r.message, r.detail})))
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// seconds writes a wait as Retry-After does, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
