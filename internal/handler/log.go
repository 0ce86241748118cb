package handler

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"duo-telephony-collector/internal/collect"
)

type traceKey struct{}

// TraceID returns the id of the trace that the request of ctx belongs to, ""
// if there is none.
func TraceID(ctx context.Context) string {
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

// withTrace takes the trace from the header that Cloud Run sets: W3C's
// traceparent (VERSION-TRACE-SPAN-FLAGS) or the older X-Cloud-Trace-Context
// (TRACE/SPAN;o=1).
func withTrace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := ""
		if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) >= 4 {
			id = parts[1]
		}
		if id == "" {
			id, _, _ = strings.Cut(r.Header.Get("X-Cloud-Trace-Context"), "/")
		}
		if !isTraceID(id) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), traceKey{}, id)))
	})
}

// isTraceID keeps what a stranger may put into the log to 32 hex digits.
func isTraceID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// runLevel is ERROR only if a person must act.
func runLevel(r collect.Report) slog.Level {
	switch {
	case r.Outcome != collect.Failed:
		return slog.LevelInfo
	case r.Act:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// reportAttrs is the whole report, flat, under the names of its JSON.
func reportAttrs(r collect.Report) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("outcome", r.Outcome),
		slog.String("run_id", r.ID),
		slog.String("stream", r.Stream),
		slog.String("reason", r.Reason),
		slog.Bool("act", r.Act),
		slog.Int("pages", r.Pages),
		slog.Int("records", r.Records),
		slog.Int("duplicates", r.Duplicates),
		slog.Int("late", r.Late),
		slog.Any("objects", r.Objects),
		slog.Int64("lag_seconds", r.LagSeconds),
		slog.Int64("duration_ms", r.DurationMS),
		slog.Int("duo_requests", r.Requests),
		slog.Int("retries", r.Retries),
		slog.Int64("overlap_seconds", r.OverlapSeconds),
		slog.Int64("token", r.Token),
		slog.Time("started_at", r.StartedAt),
	}
	if r.Window != nil {
		attrs = append(attrs, slog.Time("window_from", r.Window.From), slog.Time("window_to", r.Window.To))
	}
	if r.Watermark != nil {
		attrs = append(attrs, slog.Time("watermark", *r.Watermark))
	}
	if r.Gap != nil {
		attrs = append(attrs, slog.Time("gap_from", r.Gap.From), slog.Time("gap_to", r.Gap.To), slog.Int("gap_missing", r.Gap.Missing))
	}
	return attrs
}
