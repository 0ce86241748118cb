package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"duo-telephony-collector/internal/handler"
)

// traced logs the trace of a request, as the server's own log does.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("trace", handler.TraceID(ctx)))
	return h.Handler.Handle(ctx, r)
}

// logBuffer keeps the log, a line of JSON for each record.
type logBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{} // holds one after a write
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.written <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lines returns the lines whose message starts with these words.
func (l *logBuffer) lines(t *testing.T, words string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if msg, _ := line["msg"].(string); strings.HasPrefix(msg, words) {
			out = append(out, line)
		}
	}
	return out
}

// await returns the next line whose message starts with these words, of a
// request whose end nothing else shows.
func (l *logBuffer) await(t *testing.T, words string) map[string]any {
	t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		select {
		case <-deadline:
			t.Fatalf("no line %q in the log", words)
		case <-l.written:
		}
		if lines := l.lines(t, words); len(lines) > 0 {
			return lines[0]
		}
	}
}

func (l *logBuffer) last(t *testing.T) map[string]any {
	t.Helper()
	lines := l.lines(t, "")
	if len(lines) == 0 {
		t.Fatal("nothing is logged")
	}
	return lines[len(lines)-1]
}

// secrets are the phone numbers and records of the simulator, id tokens and the
// secret key.
var secrets = regexp.MustCompile(`\+1\d{9}|telephony_id|eyJ|` + secret)

func checkSecrets(t *testing.T, what, text string) {
	t.Helper()
	if found := secrets.FindString(text); found != "" {
		t.Errorf("%s holds %q: %s", what, found, text)
	}
}
