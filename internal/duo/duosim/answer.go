package duosim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const logPath = "/admin/v2/logs/telephony"

// refusal is an answer with stat FAIL. The first three digits of its code are
// its HTTP status.
type refusal struct {
	code            int
	message, detail string
}

func invalid(detail string) *refusal {
	return &refusal{40002, "Invalid request parameters", detail}
}

// answer is what Duo does.
func (s *Sim) answer(w http.ResponseWriter, r *http.Request) {
	body, refused := s.respond(w.Header(), r)
	if refused != nil {
		refuse(w, refused)
		return
	}
	reply(w, http.StatusOK, body)
}

// respond returns the page that a request selects. The records go out byte
// for byte as they are, spaces too.
func (s *Sim) respond(h http.Header, r *http.Request) (string, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	q, refused := s.admit(h, r, now)
	if refused != nil {
		return "", refused
	}
	p := s.page(q, now)
	items := make([][]byte, len(p.records))
	for i, r := range p.records {
		items[i] = s.show(r)
	}
	metadata := `,"metadata":` + s.metadata(q, p, now)
	within, beside := metadata, metadata
	switch s.cfg.Metadata {
	case InResponse:
		beside = ""
	case Beside:
		within = ""
	}
	return fmt.Sprintf(`{"stat":"OK","response":{"items":[%s]%s}%s}`, bytes.Join(items, []byte(",")), within, beside), nil
}

// admit checks a request in Duo's order, and returns what it asks for.
func (s *Sim) admit(h http.Header, r *http.Request, now time.Time) (query, *refusal) {
	if r.URL.Path != logPath {
		return query{}, &refusal{code: 40401, message: "Resource not found"}
	}
	if r.Method != http.MethodGet {
		return query{}, &refusal{code: 40501, message: "Method not allowed"}
	}
	if refused := s.authenticate(r, now); refused != nil {
		return query{}, refused
	}
	if wait := s.limit(now); wait > 0 {
		if s.cfg.RetryAfter {
			h.Set("Retry-After", seconds(wait))
		}
		return query{}, &refusal{code: 42901, message: "Too Many Requests"}
	}
	return s.parse(r.URL.Query(), now)
}

// limit returns how long a request comes too early, or counts it.
func (s *Sim) limit(now time.Time) time.Duration {
	if s.cfg.RateLimit == 0 {
		return 0
	}
	s.admitted = slices.DeleteFunc(s.admitted, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(s.admitted) >= s.cfg.RateLimit {
		return s.admitted[0].Add(time.Minute).Sub(now)
	}
	s.admitted = append(s.admitted, now)
	return 0
}

// parse checks the parameters as Duo does, with its words where they are known.
func (s *Sim) parse(params url.Values, now time.Time) (query, *refusal) {
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
	q, refused := s.parsePaging(q, params, now)
	if s.cfg.ExclusiveMin {
		q.min++
	}
	if s.cfg.ExclusiveMax {
		q.max--
	}
	return q, refused
}

func (s *Sim) parsePaging(q query, params url.Values, now time.Time) (query, *refusal) {
	switch params.Get("sort") {
	case "ts:asc":
	case "ts:desc", "":
		q.desc = true
	default:
		return q, invalid("'sort' must be ts:asc or ts:desc")
	}
	q.limit = 100
	if value := params.Get("limit"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return q, invalid("'limit' must be a positive number")
		}
		q.limit = min(n, 1000)
	}
	if value := params.Get("next_offset"); value != "" {
		after, ok := readOffset(value)
		if q.after = after; !ok || !s.knows(q.after, now) || s.chance(s.cfg.RefusedOneIn) {
			return q, invalid("'next_offset' is invalid")
		}
	}
	return q, nil
}

var thirteenDigits = regexp.MustCompile(`^[0-9]{13}$`)

// millis reads a time as Duo takes it, which refuses seconds by their length.
func millis(s string) (int64, bool) {
	if !thirteenDigits.MatchString(s) {
		return 0, false
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	return ms, err == nil
}

func refuse(w http.ResponseWriter, r *refusal) {
	body, err := json.Marshal(struct {
		Stat    string `json:"stat"`
		Code    int    `json:"code"`
		Message string `json:"message"`
		Detail  string `json:"message_detail,omitempty"`
	}{"FAIL", r.code, r.message, r.detail})
	if err != nil {
		panic(err) // unreachable: strings and an int
	}
	reply(w, r.code/100, string(body))
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// seconds writes a wait as Retry-After does, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
