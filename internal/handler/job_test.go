package handler

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
)

// In these two tests it is midnight of 2000-01-01, UTC; 180 days before that
// 1999-07-05 began.

func TestDecodeWish(t *testing.T) {
	from, to := time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 12, 2, 0, 0, 0, 0, time.UTC)
	oldest := time.Date(1999, 7, 5, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, body string
		want       collect.Job
	}{
		{"empty", ``, collect.Job{}},
		{"space", " \r\n\t", collect.Job{}},
		{"no wish", ` {} `, collect.Job{}},
		{"all false", `{"dry_run":false,"force":false,"redeliver":false}`, collect.Job{}},
		{"dry run", `{"dry_run":true}`, collect.Job{DryRun: true}},
		{"escaped key", `{"dry\u005frun":true}`, collect.Job{DryRun: true}},
		{"force", `{"force":true}`, collect.Job{Force: true}},
		{"range", `{"from":"1999-12-01T00:00:00Z","to":"1999-12-02T00:00:00Z"}`, collect.Job{Backfill: &store.Backfill{From: from, To: to}}},
		{"range in other zones", `{"from":"1999-12-01T01:00:00+01:00","to":"1999-12-01T19:00:00-05:00"}`, collect.Job{Backfill: &store.Backfill{From: from, To: to}}},
		{"range as old as can be", `{"from":"1999-07-05T00:00:00Z","to":"1999-12-02T00:00:00Z"}`, collect.Job{Backfill: &store.Backfill{From: oldest, To: to}}},
		{"everything", `{"dry_run":true,"force":true,"redeliver":true,"from":"1999-12-01T00:00:00Z","to":"1999-12-02T00:00:00Z"}`,
			collect.Job{DryRun: true, Force: true, Backfill: &store.Backfill{From: from, To: to, Redeliver: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := decodeWish([]byte(tt.body))
				if diff := cmp.Diff(tt.want, got.job()); err != nil || diff != "" || got.log != nil {
					t.Errorf("decodeWish: %v, log %v (-want +got):\n%s", err, got.log, diff)
				}
			})
		})
	}
}

func TestDecodeWishLog(t *testing.T) {
	for _, log := range []string{"activity", ""} {
		got, err := decodeWish(fmt.Appendf(nil, `{"log":%q,"force":true}`, log))
		if err != nil || got.log == nil || *got.log != log || !got.force {
			t.Errorf("decodeWish of log %q = %+v, %v", log, got, err)
		}
	}
}

func TestDecodeWishRefuses(t *testing.T) {
	const takes, more, both = "takes a JSON object with dry_run, force", "more than one JSON value", "both from and to"
	tests := []struct{ name, body, reason string }{
		{"no JSON", `dry_run`, takes},
		{"cut short", `{"dry_run":true`, takes},
		{"array", `[{"dry_run":true}]`, takes},
		{"string", `"dry_run"`, takes},
		{"number", `1`, takes},
		{"misspelt", `{"dryrun":true}`, `"dryrun"`},
		{"unknown", `{"dry_run":true,"stream":"telephony"}`, `"stream"`},
		{"true in quotes", `{"dry_run":"true"}`, takes},
		{"true as a number", `{"force":1}`, takes},
		{"two values", `{"dry_run":true}{"force":true}`, more},
		{"text after", `{"dry_run":true} force`, more},
		{"bracket after", `{"dry_run":true}]`, more},
		{"only from", `{"from":"1999-12-01T00:00:00Z"}`, both},
		{"only to", `{"to":"1999-12-01T00:00:00Z"}`, both},
		{"null", ` null `, "no JSON object"},
		{"dry_run null", `{"dry_run":null}`, "dry_run is neither true nor false"},
		{"force null", `{"force":null}`, "force is neither"},
		{"redeliver null", `{"redeliver":null}`, "redeliver is neither"},
		{"from null", `{"from":null,"to":"1999-12-01T00:00:00Z"}`, "from is no RFC 3339"},
		{"both null", `{"from":null,"to":null}`, "from is no RFC 3339"},
		{"log null", `{"log":null}`, "log is no text"},
		{"log a list", `{"log":["telephony"]}`, "log is no text"},
		{"log a number", `{"log":1}`, "log is no text"},
		{"logs", `{"logs":"telephony"}`, `unknown field "logs"`},
		{"twice", `{"dry_run":true,"dry_run":false}`, `"dry_run" twice`},
		{"twice the same", `{"force":true,"force":true}`, `"force" twice`},
		{"twice, once escaped", `{"dry_run":true,"dry\u005frun":false}`, `"dry_run" twice`},
		{"in capitals", `{"DRY_RUN":true}`, `unknown field "DRY_RUN"`},
		{"in another case", `{"dry_run":true,"Dry_Run":false}`, `unknown field "Dry_Run"`},
		{"comma after", `{"dry_run":true,}`, takes},
		{"no comma", `{"dry_run":true "force":true}`, takes},
		{"object in it", `{"dry_run":{"dry_run":true}}`, takes},
		{"redeliver alone", `{"redeliver":true}`, both},
		{"equal", `{"from":"1999-12-01T00:00:00Z","to":"1999-12-01T01:00:00+01:00"}`, "before to"},
		{"reversed", `{"from":"1999-12-02T00:00:00Z","to":"1999-12-01T00:00:00Z"}`, "before to"},
		{"too old", `{"from":"1999-07-04T23:59:59.999999999Z","to":"1999-12-01T00:00:00Z"}`, "180 days"},
		{"year 0", `{"from":"0000-01-01T00:00:00+01:00","to":"1999-12-01T00:00:00Z"}`, "180 days"},
		{"a date", `{"from":"1999-12-01","to":"1999-12-02T00:00:00Z"}`, "RFC 3339"},
		{"no zone", `{"from":"1999-12-01T00:00:00","to":"1999-12-02T00:00:00Z"}`, "RFC 3339"},
		{"a blank for T", `{"from":"1999-12-01 00:00:00Z","to":"1999-12-02T00:00:00Z"}`, "RFC 3339"},
		{"small t", `{"from":"1999-12-01t00:00:00Z","to":"1999-12-02T00:00:00Z"}`, "capital T"},
		{"small z", `{"from":"1999-12-01T00:00:00z","to":"1999-12-02T00:00:00Z"}`, "capital Z"},
		{"a day that is none", `{"from":"1999-11-31T00:00:00Z","to":"1999-12-02T00:00:00Z"}`, `such as "2026-01-31T08:00:00Z"`},
		{"year 1", `{"from":"0001-01-01T00:00:00Z","to":"1999-12-02T00:00:00Z"}`, "RFC 3339"},
		{"in a millisecond", `{"from":"1999-12-01T00:00:00Z","to":"1999-12-01T00:00:00.000999Z"}`, "by a millisecond"},
		{"milliseconds", `{"from":944006400000,"to":944092800000}`, "RFC 3339"},
		{"empty time", `{"from":"","to":""}`, "RFC 3339"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := decodeWish([]byte(tt.body))
				if err == nil || !strings.Contains(err.Error(), tt.reason) || strings.Contains(err.Error(), "Go ") {
					t.Errorf("decodeWish = %+v, %v, want an error with %q", got, err, tt.reason)
				}
			})
		})
	}
}

// FuzzDecodeWish looks for a body that is let through against the rules: text
// that is no JSON, a wish that nobody knows, a range that is none, too old or
// not in UTC, and a redelivery of no range.
func FuzzDecodeWish(f *testing.F) {
	f.Add([]byte(``))
	f.Add([]byte(`{"dry_run":true,"force":true}`))
	f.Add([]byte(`{"from":"2999-12-01T00:00:00Z","to":"2999-12-02T00:00:00.5+01:00","redeliver":true}`))
	f.Add([]byte(`{"from":"2999-12-01T00:00:00Z","FROM":null,"to":"2999-12-02T00:00:00Z"}`))
	f.Add([]byte(`{"from":"2999-12-01T00:00:00Z","to":"2999-12-01T00:00:00Z"}`))
	f.Add([]byte(`{"from":"1999-12-01T00:00:00Z","to":"2999-12-01T00:00:00Z"}`))
	f.Add([]byte(`{"redeliver":true}`))
	f.Add([]byte(`{"dryrun":true}`))
	f.Add([]byte(`{}{}`))
	f.Add([]byte(`{"log":"telephony"}`))
	known := []string{"dry_run", "force", "redeliver", "log", "from", "to"}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := decodeWish(body)
		if err != nil {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil && strings.TrimSpace(string(body)) != "" {
			t.Errorf("%q was let through: %v", body, err)
		}
		for key, value := range fields {
			if !slices.Contains(known, key) || string(value) == "null" {
				t.Errorf("%q was let through with %q", body, key)
			}
			if key == "redeliver" && string(value) == "true" && len(fields) == 1 && w.job().Backfill == nil {
				t.Errorf("%q was let through without a range", body)
			}
		}
		b := w.job().Backfill
		if b == nil {
			return
		}
		if !b.From.Before(b.To) || time.Since(b.From) > maxBack+time.Minute || b.From.Location() != time.UTC || b.To.Location() != time.UTC {
			t.Errorf("%q was let through as %s to %s", body, b.From, b.To)
		}
	})
}
