package main

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"slices"

	"duo-telephony-collector/internal/handler"
)

// newLog returns a logger that writes one JSON object a line with the names
// that Cloud Logging knows, see
// https://docs.cloud.google.com/logging/docs/structured-logging
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(traced{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudNames})})
}

func cloudNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		a.Key = "severity"
		if level, ok := a.Value.Any().(slog.Level); ok && level == slog.LevelWarn {
			a.Value = slog.StringValue("WARNING")
		}
	}
	return a
}

// traced adds the trace of the request that a line belongs to: the bare id,
// which LogEntry.trace prefers to the longer form that names the project.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if id := handler.TraceID(ctx); id != "" {
		r.AddAttrs(slog.String("logging.googleapis.com/trace", id))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }
func (t traced) WithGroup(name string) slog.Handler       { return traced{t.Handler.WithGroup(name)} }

// newConsoleLog writes lines for a person: the time, the message and what is
// worth knowing, without what is zero, empty or of no use to the eye.
func newConsoleLog(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: forPeople})
}

var dull = []string{"outcome", "run_id", "stream", "caller", "trigger", "message_id", "token", "started_at", "duration_ms",
	"duo_requests", "overlap_seconds", "window_from", "window_to", "watermark"}

func forPeople(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().Format("15:04:05"))
	case a.Key == slog.LevelKey && a.Value.String() == "INFO", slices.Contains(dull, a.Key), isZero(a.Value.Any()):
		return slog.Attr{}
	}
	return a
}

func isZero(v any) bool {
	if list, ok := v.([]string); ok {
		return len(list) == 0
	}
	return reflect.ValueOf(v).IsZero()
}
