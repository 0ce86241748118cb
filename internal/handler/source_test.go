package handler_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
)

// unlisted is a source that knows no streams.
type unlisted struct{ error }

func (u unlisted) Now(context.Context) (*collect.Streams, error) { return nil, u.error }

// TestUnlisted has nobody know the streams: every request says why, and the log is an
// error where a person must act.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		level  string
	}{
		"for now":           {&duo.Error{Status: 502, Temporary: true, Hint: "see Duo's status"}, http.StatusServiceUnavailable, "WARN"},
		"away":              {errors.New("no route to Duo"), http.StatusServiceUnavailable, "WARN"},
		"a person must act": {&duo.Error{Status: 403, Hint: "check the keys"}, http.StatusInternalServerError, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			log := slog.New(slog.NewJSONHandler(w.log, nil))
			w.url = start(t, handler.New(handler.Config{Streams: unlisted{tt.err}, Log: log}))
			for path, body := range map[string]string{"/": push, "/run": ""} {
				a := w.send(http.MethodPost, path, body, nil)
				if a.StatusCode != tt.status {
					t.Errorf("POST %s = %d, want %d", path, a.StatusCode, tt.status)
				}
				checkError(t, a, tt.err.Error())
			}
			if lines := w.log.lines(t, "request refused"); len(lines) != 2 || lines[0]["level"] != tt.level {
				t.Errorf("logged %v", lines)
			}
			a := w.send(http.MethodGet, "/status", "", nil)
			if a.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status = %d, want 503", a.StatusCode)
			}
			checkError(t, a, tt.err.Error())
			if body := w.page(http.StatusServiceUnavailable, nil); !strings.Contains(body, "can’t be read") || !strings.Contains(body, "a-managed-provider") {
				t.Errorf("the page says %s", seen(body))
			}
		})
	}
}
