package bench_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
)

// door is a process's way to Duo and to Cloud Storage. Once so many streams have come
// through, it shuts: what is asked then is done, and never answered. So a process can
// be killed when all of its runs are between two transactions. A transaction that
// a kill cuts short leaves its document locked for a minute.
type door struct {
	limit, runs int           // streams that may come through, 0 for all; runs side by side
	full        chan struct{} // closed when all of these wait

	mu         sync.Mutex
	came, held map[string]bool // streams
}

func newDoor(limit, runs int) *door {
	return &door{limit: limit, runs: runs, full: make(chan struct{}), came: map[string]bool{}, held: map[string]bool{}}
}

// before returns the server with the door before it, which answers after that long
// unless the process is to be killed. streamOf names the stream that a request is for;
// where it names none, the request passes.
func (d *door) before(server http.Handler, streamOf func(*http.Request) string, wait time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.limit == 0 {
			time.Sleep(wait)
		}
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		if stream := streamOf(r); stream != "" && d.holds(stream) {
			<-r.Context().Done()
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

func (d *door) holds(stream string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came[stream] = true
	if d.limit == 0 || len(d.came) <= d.limit {
		return false
	}
	before := len(d.held)
	d.held[stream] = true
	if before < d.runs && len(d.held) == d.runs {
		close(d.full)
	}
	return true
}

// askedOf names the stream whose log is read.
func askedOf(r *http.Request) string {
	for _, log := range duo.Logs {
		if log.Path == r.URL.Path {
			return collect.Stream{Log: log.Name, Account: r.Host}.String()
		}
	}
	return ""
}

// uploadOf names the stream whose object is written.
func uploadOf(r *http.Request) string {
	if !strings.HasPrefix(r.URL.Path, "/upload/") {
		return ""
	}
	return streamAt(r.URL.Query().Get("name"))
}

// streamAt names the stream of an object: duo-LOG/HOST/….
func streamAt(object string) string {
	folder, rest, _ := strings.Cut(object, "/")
	host, _, _ := strings.Cut(rest, "/")
	return collect.Stream{Log: strings.TrimPrefix(folder, "duo-"), Account: host}.String()
}
