// Package handler is the service's HTTP side: it lets the right callers in,
// turns a Pub/Sub delivery or a manual request into a run, and a run's outcome
// into a status that Pub/Sub and people understand.
package handler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/go-chi/chi/v5"

	"duo-telephony-collector/internal/collect"
)

// maxBody bounds a request's body, in bytes. A push is below 1 KiB.
const maxBody = 1 << 20

// Source knows the streams; *collect.Streams is one.
type Source interface {
	// Now returns the streams of this moment, one at least.
	Now(ctx context.Context) (*collect.Streams, error)
}

// Config is what the routes need.
type Config struct {
	Streams  Source
	Auth     *Auth // who may call; nil, which is for loopback alone, lets everybody in
	Log      *slog.Logger
	Version  string
	Revision string // Cloud Run's name for what it has deployed; empty elsewhere
	Runbook  string // the address of docs/operations.md, "" where it is not known
}

// New returns the service's routes:
//
//	POST /        a Pub/Sub push: a run
//	POST /run     the same by hand, with wishes
//	GET  /        where the streams stand, for people
//	GET  /status  the same for programs
//	GET  /health  200 to anyone
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, failed: failures{of: map[string]*collect.Report{}}}
	r := chi.NewRouter()
	r.Use(withTrace, s.recoverPanic)
	r.NotFound(s.route(func(http.ResponseWriter, *http.Request) error {
		return &httpError{http.StatusNotFound, "no such path: POST / or /run, GET /, /status or /health"}
	}))
	r.MethodNotAllowed(s.route(func(w http.ResponseWriter, req *http.Request) error {
		// chi names them only in its own answer, and HTTP wants them in each.
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if r.Match(chi.NewRouteContext(), method, req.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		return &httpError{http.StatusMethodNotAllowed, "this path does not take that method"}
	}))
	r.Get("/health", s.route(s.health))
	r.Group(func(r chi.Router) {
		r.Use(s.authenticate)
		r.Post("/", s.route(s.push))
		r.Post("/run", s.route(s.manual))
		r.Get("/", s.route(s.page))
		r.Get("/status", s.route(s.status))
	})
	return r
}

type server struct {
	Config
	failed failures
}

// httpError is a refusal whose text the client may read.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

// errorStatus maps every error of a handler to its status and to what the
// client is told. What is not meant for the client stays in the log.
func errorStatus(err error) (int, string) {
	if refused, ok := errors.AsType[*Refused](err); ok {
		return refused.Status, http.StatusText(refused.Status)
	}
	if own, ok := errors.AsType[*httpError](err); ok {
		return own.status, own.text
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", large.Limit)
	}
	return http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)
}

// runStatus maps a run's outcome to a status. To Pub/Sub only 200 acknowledges
// a delivery; a busy service has, because another run does the work.
func runStatus(r collect.Report, manual bool) int {
	switch {
	case r.Outcome == collect.Busy && manual:
		return http.StatusConflict
	case r.Outcome != collect.Failed:
		return http.StatusOK
	case r.Act:
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// route writes and logs the error that a handler returns.
func (s *server) route(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		status, text := errorStatus(err)
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		s.logRefusal(r, status, err)
		writeJSON(w, status, map[string]string{"error": text})
	}
}

func (s *server) logRefusal(r *http.Request, status int, err error) {
	s.Log.Log(r.Context(), level(status), "request refused",
		"http_status", status, "method", r.Method, "path", r.URL.Path, "error", err)
}

// writeJSON answers. An error means that the client is gone, and is ignored.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// recoverPanic answers a panic with 500 and one log line, whose stack_trace is
// what a panic prints: Error Reporting reads no other form.
func (s *server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				of, ok := p.(*collect.Panic) // a run's
				if !ok {
					of = &collect.Panic{Value: fmt.Sprint(p), Stack: string(debug.Stack())}
				}
				s.Log.ErrorContext(r.Context(), "panic", "error", of.Value, "stack_trace", "panic: "+of.Value+"\n\n"+of.Stack)
				writeJSON(w, http.StatusInternalServerError, map[string]string{"error": http.StatusText(http.StatusInternalServerError)})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

type callerKey struct{}

// authenticate lets a request through that carries a good id token.
func (s *server) authenticate(next http.Handler) http.Handler {
	return s.route(func(w http.ResponseWriter, r *http.Request) error {
		caller := "local"
		if s.Auth != nil {
			var err error
			if caller, err = s.Auth.Caller(r); err != nil {
				return err
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
		return nil
	})
}

// health answers as soon as the service serves. It asks nobody.
func (s *server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": s.Version})
	return nil
}

func (s *server) push(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	p, err := decodePush(body)
	if err != nil {
		return &httpError{http.StatusBadRequest, cmp.Or(misdirected(r.Header), err.Error())}
	}
	streams, err := s.chosen(r.Context(), p.Log, p.Account)
	if err != nil {
		return err
	}
	reports := s.run(r.Context(), streams, collect.Job{},
		"trigger", "push", "message_id", p.MessageID, "delivery_attempt", p.DeliveryAttempt)
	answer(w, reports, false)
	return nil
}

func (s *server) manual(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return &httpError{http.StatusBadRequest, "a query after the path is not read: put what is wanted into the body; " + wishes}
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	wish, err := decodeWish(body)
	if err != nil {
		return &httpError{http.StatusBadRequest, err.Error()}
	}
	streams, err := s.chosen(r.Context(), wish.log, wish.account)
	if err != nil {
		return err
	}
	job := wish.job()
	if job.Backfill != nil && len(streams.Collectors) > 1 {
		return tooMany(streams)
	}
	reports := s.run(r.Context(), streams, job, "trigger", "manual")
	if first := reports.Runs[0]; reports.Total == 1 && errors.Is(first.Err, collect.ErrUnsettled) {
		return &httpError{http.StatusBadRequest, first.Reason}
	}
	answer(w, reports, true)
	return nil
}

// run runs the streams and writes a line for each run, with what triggered it.
func (s *server) run(ctx context.Context, of *collect.Streams, job collect.Job, by ...any) collect.Reports {
	caller, _ := ctx.Value(callerKey{}).(string)
	by = append([]any{"caller", caller, "dry_run", job.DryRun}, by...)
	return of.Run(ctx, job, func(c *collect.Collector, r *collect.Report) {
		if errors.Is(r.Err, collect.ErrUnsettled) {
			return // no run was begun: the refusal is logged
		}
		if !job.DryRun {
			s.failed.remember(ctx, c, r)
		}
		s.logRun(ctx, *r, by)
	})
}

// logRun writes a run's line. Error Reporting groups failures by this function's name.
func (s *server) logRun(ctx context.Context, r collect.Report, by []any) {
	s.Log.Log(ctx, level(runStatus(r, false)), "run "+r.Outcome, append(fieldsOf(r), by...)...)
}

// answer writes the report of one run, or those of several with the worst outcome.
// Where these are not all it counts all.
func answer(w http.ResponseWriter, reports collect.Reports, manual bool) {
	worst := collect.Worst(reports.Runs)
	if reports.Total == 1 {
		writeJSON(w, runStatus(worst, manual), worst)
		return
	}
	all := struct {
		Outcome   string           `json:"outcome"`
		Runs      []collect.Report `json:"runs"`
		Total     int              `json:"runs_total,omitempty"`
		ByOutcome map[string]int   `json:"by_outcome,omitempty"`
	}{Outcome: worst.Outcome, Runs: reports.Runs}
	if reports.Total > len(reports.Runs) {
		all.Total, all.ByOutcome = reports.Total, reports.ByOutcome
	}
	writeJSON(w, runStatus(worst, manual), all)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); err != nil && !large {
		return nil, &httpError{http.StatusBadRequest, "the body ended early"}
	}
	return body, err
}
