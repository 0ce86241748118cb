package handler

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"duo-telephony-collector/internal/collect"
)

type traceKey struct{}

// TraceID returns the id of the trace that the request of ctx belongs to, if any.
func TraceID(ctx context.Context) string {
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

// withTrace takes the trace from the header that Cloud Run sets: W3C's traceparent
// (VERSION-TRACE-SPAN-FLAGS) or the older X-Cloud-Trace-Context (TRACE/SPAN;o=1).
func withTrace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := ""
		if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) >= 4 {
			id = parts[1]
		}
		if id == "" {
			id, _, _ = strings.Cut(r.Header.Get("X-Cloud-Trace-Context"), "/")
		}
		if len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" { // nothing else gets into the log
			r = r.WithContext(context.WithValue(r.Context(), traceKey{}, id))
		}
		next.ServeHTTP(w, r)
	})
}

// level is ERROR only if a person must act.
func level(status int) slog.Level {
	switch status {
	case http.StatusOK:
		return slog.LevelInfo
	case http.StatusInternalServerError:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// fieldsOf is the whole report, flat, under the names of its JSON.
func fieldsOf(r collect.Report) []any {
	fields := []any{
		"outcome", r.Outcome, "run_id", r.ID, "stream", r.Stream, "reason", r.Reason, "act", r.Act,
		"pages", r.Pages, "records", r.Records, "duplicates", r.Duplicates, "late", r.Late,
		"objects", r.Objects, "duration_ms", r.DurationMS,
		"duo_requests", r.Requests, "retries", r.Retries, "overlap_seconds", r.OverlapSeconds,
		"token", r.Token, "started_at", r.StartedAt,
	}
	if r.Window != nil {
		fields = append(fields, "window_from", r.Window.From, "window_to", r.Window.To)
	}
	if r.Watermark != nil {
		fields = append(fields, "watermark", *r.Watermark, "lag_seconds", *r.LagSeconds)
	}
	if r.Gap != nil {
		fields = append(fields, "gap_from", r.Gap.From, "gap_to", r.Gap.To, "gap_missing", r.Gap.Missing)
	}
	return fields
}
