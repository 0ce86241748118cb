package duosim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Fault answers one request in the simulator's place; next is the simulator.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Pass is no fault.
func Pass(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }

// Status answers with a JSON body; with 200 it is any page.
func Status(status int, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { reply(w, status, body) }
}

// Refuse answers with one of Duo's codes and the status that belongs to it.
func Refuse(code int, message string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		refuse(w, &refusal{code: code, message: message})
	}
}

// RateLimited answers 429, with Retry-After where after is not 0.
func RateLimited(after time.Duration) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if after > 0 {
			w.Header().Set("Retry-After", seconds(after))
		}
		refuse(w, &refusal{code: 42901, message: "Too Many Requests"})
	}
}

// HTML answers as a proxy or a load balancer does.
func HTML(status int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		io.WriteString(w, "<html><body><h1>"+http.StatusText(status)+"</h1></body></html>")
	}
}

// Redirect sends the client elsewhere.
func Redirect(url string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, url, http.StatusFound)
	}
}

// Reset ends the connection after the first line of the answer. Without that
// line net/http's client would quietly send the request once more.
func Reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	conn.Close()
}

// Truncate ends the connection in the middle of the right answer.
func Truncate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(halfWriter{w}, r)
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// halfWriter keeps the second half of every write back.
type halfWriter struct{ http.ResponseWriter }

func (w halfWriter) Write(b []byte) (int, error) { return w.ResponseWriter.Write(b[:len(b)/2]) }

// Hang answers nothing until the client gives up.
func Hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// Endless sends a page that has no end until the client gives up.
func Endless(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, err := fmt.Fprintf(w, `{"stat":"OK","response":{%q:[0`, listAt(r.URL.Path))
	for more := strings.Repeat(",0", 1<<15); err == nil; {
		_, err = io.WriteString(w, more)
	}
}
