package main

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"slices"

	"duo-telephony-collector/internal/handler"
)

// newLog returns a logger that writes one JSON object per line, with the field
// names of https://docs.cloud.google.com/logging/docs/structured-logging
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(cloudLines{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudNames})})
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

// cloudLines adds the request's trace to a line, as the bare id, which LogEntry.trace
// prefers to the longer form with the project, and to errors what Error Reporting
// needs. Don't use it with groups: these fields must be at the top level.
type cloudLines struct{ slog.Handler }

func (c cloudLines) Handle(ctx context.Context, r slog.Record) error {
	if id := handler.TraceID(ctx); id != "" {
		r.AddAttrs(slog.String("logging.googleapis.com/trace", id))
	}
	if r.Level >= slog.LevelError {
		r.AddAttrs(errorEvent(r)...)
	}
	return c.Handler.Handle(ctx, r)
}

func (c cloudLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return cloudLines{c.Handler.WithAttrs(attrs)}
}

func (c cloudLines) WithGroup(name string) slog.Handler { return cloudLines{c.Handler.WithGroup(name)} }

// errorEvent returns the fields that make a line an error event, see
// https://docs.cloud.google.com/error-reporting/docs/formatting-error-messages
// Events are grouped by stack_trace or, without one, by where they were logged.
func errorEvent(r slog.Record) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("@type", "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"),
		slog.Group("serviceContext", "service", "duo-telephony-collector", "version", version),
	}
	traced := false
	r.Attrs(func(a slog.Attr) bool {
		traced = a.Key == "stack_trace"
		return !traced
	})
	if at := r.Source(); !traced && at != nil {
		location := slog.Group("reportLocation", "filePath", at.File, "lineNumber", at.Line, "functionName", at.Function)
		attrs = append(attrs, slog.Attr{Key: "context", Value: slog.GroupValue(location)})
	}
	return attrs
}

// newConsoleLog writes lines for a person: the time, the message and what is
// worth knowing, without what is zero, empty or hidden.
func newConsoleLog(w io.Writer, level slog.Level, hidden []string) slog.Handler {
	forPeople := func(_ []string, a slog.Attr) slog.Attr {
		switch {
		case a.Key == slog.TimeKey:
			return slog.String(a.Key, a.Value.Time().Format("15:04:05"))
		case a.Key == slog.LevelKey && a.Value.String() == "INFO", slices.Contains(hidden, a.Key), isZero(a.Value.Any()):
			return slog.Attr{}
		}
		return a
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: forPeople})
}

// dull is what is of no use to the eye.
var dull = []string{"outcome", "run_id", "caller", "trigger", "message_id", "token", "started_at", "duration_ms",
	"duo_requests", "overlap_seconds", "window_from", "window_to", "watermark"}

func isZero(v any) bool {
	if list, ok := v.([]string); ok {
		return len(list) == 0
	}
	return reflect.ValueOf(v).IsZero()
}
