package collect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/store"
)

func TestImportState(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	mark := now.Add(-time.Hour).UnixMilli()
	for _, good := range []string{
		fmt.Sprintf(`{"last_timestamp_ms": %d, "last_offset": null}`, mark),
		fmt.Sprintf(`{"last_offset":"1,x","last_timestamp_ms":%d,"more":[]}`, mark),
		fmt.Sprintf(`{"last_timestamp_ms": %d.0}`, mark),
		fmt.Sprintf(`{"last_timestamp_ms": %d.000}`, mark),
		fmt.Sprintf(`{"last_timestamp_ms": %de3}`, mark/1000),
		fmt.Sprintf(`{"last_timestamp_ms": %d.%012dE+12}`, mark/1e12, mark%1e12),
		fmt.Sprintf("\xef\xbb\xbf{\"last_timestamp_ms\": %d}\r\n", mark),
	} {
		if got, err := collect.ImportState([]byte(good), now); err != nil || got.UnixMilli() != mark {
			t.Errorf("%s: %s, %v", good, got, err)
		}
	}
	for _, bad := range []string{
		``, `{}`, `null`, `[]`, `{"last_timestamp_ms":null}`, `{"last_timestamp_ms":"1666714065304"}`, `{"last_timestamp_ms":0}`,
		`{"last_timestamp_ms":1666714065}`, `{"last_timestamp_ms":1666714065304.5}`, `{"last_timestamp_ms":-1}`, `{"last_timestamp_ms":1e30}`,
		`{"last_timestamp_ms":1e999999999}`, `{"last_timestamp_ms":1e-999999999}`,
		`{"last_timestamp_ms":1e300}`, `{"last_timestamp_ms":-1666714065304.0}`,
		`{"last_timestamp_ms":"1666714065304.0"}`, `{"last_timestamp_ms":1666714065.304}`, `{"last_timestamp_ms":9007199254740993.0}`, `{"last_timestamp_ms":true}`, `{"last_timestamp_ms":{}}`, `{"last_timestamp_ms":NaN}`,
		"\xef\xbb\xbf", "\xef\xbb\xbf\xef\xbb\xbf{\"last_timestamp_ms\":1666714065304}", " \xef\xbb\xbf{\"last_timestamp_ms\":1666714065304}",
		"\xff\xfe{\x00}\x00", `{"last_timestamp_ms":1666714065304}{}`,
		fmt.Sprintf(`{"last_timestamp_ms":%d}`, now.Add(time.Second).UnixMilli()), `<html>`, `{"last_offset":"1666714065304,x"}`,
	} {
		if got, err := collect.ImportState([]byte(bad), now); !errors.Is(err, collect.ErrImport) || !got.IsZero() {
			t.Errorf("%s: %s, %v", bad, got, err)
		}
	}
}

// TestFirstMark takes over an older collector's watermark, once.
func TestFirstMark(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	mark, asked := w.start.Add(-40*time.Minute), 0
	var failure error
	w.config.FirstMark = func(context.Context) (time.Time, error) { asked++; return mark, failure }
	w.sim.Add(w.spread(60, w.start.Add(-time.Hour), time.Minute)...)

	failure = collect.ErrImport
	r := w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Failed || !r.Act || len(w.sim.Requests()) != 0 || !w.state().Cursor.Watermark.IsZero() {
		t.Errorf("with an unreadable state the run is %s, act %v, after %d requests", r.Outcome, r.Act, len(w.sim.Requests()))
	}
	failure = nil
	r = w.collector().Run(t.Context(), collect.Job{})
	if r.Outcome != collect.Complete || !r.Window.From.Equal(mark) || r.Records != 38 {
		t.Errorf("%s from %s with %d records, want 38 from %s", r.Outcome, r.Window.From, r.Records, mark)
	}
	failure = collect.ErrImport
	w.pass(time.Minute)
	if r := w.collector().Run(t.Context(), collect.Job{}); r.Outcome != collect.Complete || asked != 2 {
		t.Errorf("with a cursor the state is asked for again: %s, %d times", r.Outcome, asked)
	}
}

// TestFirstMarkNotAsked has another run end without a page after this one has looked
// whether the start is open, and before it has the lease: it begins nowhere else.
func TestFirstMarkNotAsked(t *testing.T) {
	t.Parallel()
	w := embedded(t)
	mark := w.start.Add(-40 * time.Hour)
	w.config.FirstMark = func(context.Context) (time.Time, error) { return mark, nil }
	w.sim.Add(w.spread(60, w.start.Add(-39*time.Hour), time.Minute)...)
	w.sim.Script(duosim.Refuse(40301, "Access forbidden"))
	w.run(collect.Job{})
	c := w.collector()
	c.Store = heldThen{w.store}
	if r := c.Run(t.Context(), collect.Job{}); r.Outcome != collect.Busy || !w.state().Cursor.Watermark.Equal(mark) {
		t.Errorf("%s, the watermark is %s: %s", r.Outcome, w.state().Cursor.Watermark, r.Reason)
	}
	if r := w.complete(); r.Records != 60 {
		t.Errorf("%d of 60 records", r.Records)
	}
}

// heldThen is a store whose lease is held when it is looked at, and free then.
type heldThen struct{ collect.Store }

func (h heldThen) Load(ctx context.Context, stream string) (store.State, error) {
	s, err := h.Store.Load(ctx, stream)
	s.Lease.Holder = "another run"
	return s, err
}

func FuzzImportState(f *testing.F) {
	f.Add([]byte(`{"last_timestamp_ms":1666714065304}`))
	f.Add([]byte(`{"last_timestamp_ms":"x"}`))
	f.Add([]byte("\xef\xbb\xbf{\"last_timestamp_ms\":1.666714065304e12}"))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw []byte) {
		mark, err := collect.ImportState(raw, now)
		if err == nil && (mark.After(now) || mark.Year() < 2015) {
			t.Errorf("%q gives %s", raw, mark)
		}
		if err != nil && !errors.Is(err, collect.ErrImport) {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
