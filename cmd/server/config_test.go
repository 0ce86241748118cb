package main

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/record"
)

// required is the smallest configuration that is good.
func required() map[string]string {
	return map[string]string{
		"DUO_IKEY": "DIWJ8X6AEYOR5OMC6TQ1", "DUO_SKEY": captured.secret("Jl0fuYB9pxvZ3tQrN1cKsW7oHdGm4EaXi2TbR8yL"), "DUO_API_HOST": "api-12345678.duosecurity.com",
		"GCS_BUCKET": "bucket", "FIRESTORE_PROJECT": "project",
		"PUSH_AUDIENCE": "https://a.example", "ALLOWED_CALLERS": "a@b.example",
	}
}

// with reads the configuration with these variables changed.
func with(changes map[string]string) (config, error) {
	vars := required()
	maps.Copy(vars, changes)
	return readConfig(&env{lookup: lookupIn(vars)})
}

func lookupIn(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestConfigDefaults(t *testing.T) {
	got, err := with(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := got.duoSecret()
	if err != nil || secret != required()["DUO_SKEY"] {
		t.Errorf("the secret key is another one, or %v", err)
	}
	got.duoSecret = nil
	want := config{
		duoIKey: "DIWJ8X6AEYOR5OMC6TQ1", duoHost: "api-12345678.duosecurity.com", pageInterval: time.Second, accounts: "own",
		logs: duo.Logs[:1], concurrency: 8,
		bucket: "bucket", prefix: "duo-{log}",
		project: "project", database: "(default)", collection: "duo-telephony-collector",
		auth:     handler.AuthConfig{Mode: handler.ModeVerify, Audiences: []string{"https://a.example"}, Callers: []string{"a@b.example"}},
		logLevel: slog.LevelInfo, port: "8080",
		collect: collect.Config{
			Host: "api-12345678.duosecurity.com", Enrich: true, Budget: 9 * time.Minute,
			Lookback: 24 * time.Hour, Delay: 150 * time.Second, MaxWindow: 24 * time.Hour,
		},
		overlaps: map[string]time.Duration{"telephony": 10 * time.Minute, "authentication": 3 * time.Hour, "activity": time.Hour, "trust-monitor": day},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(config{}), cmpopts.IgnoreTypes(record.Phones{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if one := got.of(&defaultLog, duo.Account{}); one.Log.Name != "telephony" || one.Overlap != 10*time.Minute || !slices.Equal(got.folders(), []string{"duo-telephony"}) {
		t.Errorf("it collects %s into %v, overlap %v", one.Log.Name, got.folders(), one.Overlap)
	}
}

// masked is what the configuration makes of a phone number.
func masked(c config) any {
	line := c.collect.Phones.Apply([]byte(`{"phone":"+17345550100"}`), defaultLog)
	return strings.TrimSuffix(strings.TrimPrefix(string(line), `{"phone":"`), `"}`)
}

func TestConfigLogs(t *testing.T) {
	all := []string{"telephony", "authentication", "activity", "trust-monitor"}
	for set, want := range map[string][]string{
		"all": all, "ALL": all, " all ,": all,
		"telephony":                all[:1],
		"authentication":           all[1:2],
		"Trust-Monitor, telephony": {"telephony", "trust-monitor"},
		"activity,authentication,": {"authentication", "activity"},
	} {
		c, err := with(map[string]string{"DUO_LOGS": set})
		if err != nil || !slices.Equal(c.logNames(), want) || !slices.Equal(c.streams(), want) {
			t.Errorf("DUO_LOGS=%s: %v, documents %v, %v, want %v", set, c.logNames(), c.streams(), err, want)
		}
	}
}

// Two logs never have one folder, whatever the prefix.
func TestConfigFolders(t *testing.T) {
	for prefix, want := range map[string]string{
		"{log}": "telephony", "/{log}/": "telephony", "a/{log}/b": "a/telephony/b", "{log}{log}": "telephonytelephony", "x/{log}/{log}": "x/telephony/telephony",
	} {
		c, err := with(map[string]string{"DUO_LOGS": "all", "GCS_PREFIX": prefix})
		if err != nil {
			t.Errorf("%s: %v", prefix, err)
			continue
		}
		folders := c.folders()
		if folders[0] != want || len(slices.Compact(slices.Sorted(slices.Values(folders)))) != len(duo.Logs) {
			t.Errorf("%s: the folders are %v", prefix, folders)
		}
	}
}

// A log's own variable wins over OVERLAP, and that over what the log has.
func TestConfigOverlap(t *testing.T) {
	for _, test := range []struct{ set, want string }{
		{"", "10m0s 3h0m0s 1h0m0s 24h0m0s"},
		{"OVERLAP=5m", "5m0s 5m0s 5m0s 5m0s"},
		{"OVERLAP_TRUST_MONITOR=2h", "10m0s 3h0m0s 1h0m0s 2h0m0s"},
		{"OVERLAP=90m1.5s OVERLAP_AUTHENTICATION=0", "1h30m1.5s 0s 1h30m1.5s 1h30m1.5s"},
	} {
		c, err := with(assigned("DUO_LOGS=all " + test.set))
		var got []string
		for _, l := range c.logs {
			got = append(got, c.of(&l, duo.Account{}).Overlap.String())
		}
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, %v, want %s", test.set, got, err, test.want)
		}
	}
	if _, err := with(map[string]string{"OVERLAP_ACTIVITY": "2h"}); err != nil {
		t.Errorf("of a log that is not collected: %v", err)
	}
}

// All that is good differs from the default, and arrives.
func TestConfigGood(t *testing.T) {
	skey := filepath.Join(t.TempDir(), "skey")
	if err := os.WriteFile(skey, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, value string
		got         func(config) any
		want        any
	}{
		{"DUO_API_HOST", "API-1.DuoFederal.com", func(c config) any { return c.duoHost }, "api-1.duofederal.com"},
		{"DUO_API_HOST", "API-1.DuoFederal.com", func(c config) any { return c.collect.Host }, "api-1.duofederal.com"},
		{"DUO_IKEY", "di-unusual_1", func(c config) any { return c.duoIKey }, "di-unusual_1"},
		{"DUO_IKEY", "DISI", func(c config) any { return c.duoIKey }, "DISI"},
		{"DUO_API_URL", "http://127.0.0.1:99/", func(c config) any { return c.duoURL }, "http://127.0.0.1:99"},
		{"PAGE_INTERVAL", "0s", func(c config) any { return c.pageInterval }, time.Duration(0)},
		{"GCS_PREFIX", "/a/b/", func(c config) any { return c.prefix }, "a/b"},
		{"GCS_PREFIX", "", func(c config) any { return c.prefix }, ""},
		{"GCS_PREFIX", "/", func(c config) any { return c.prefix }, ""},
		{"GCS_PREFIX", "..a/b./.well-known/ü 1", func(c config) any { return c.prefix }, "..a/b./.well-known/ü 1"},
		{"STATE_KEY", "state.json", func(c config) any { return c.stateKey }, "state.json"},
		{"FIRESTORE_PROJECT", " other ", func(c config) any { return c.project }, "other"},
		{"FIRESTORE_DATABASE", "records", func(c config) any { return c.database }, "records"},
		{"FIRESTORE_COLLECTION", "c", func(c config) any { return c.collection }, "c"},
		{"PUSH_AUDIENCE", "a, b,,", func(c config) any { return strings.Join(c.auth.Audiences, "|") }, "a|b"},
		{"ALLOWED_CALLERS", "a@b,c@d", func(c config) any { return strings.Join(c.auth.Callers, "|") }, "a@b|c@d"},
		{"OIDC_CERTS_URL", "http://[::1]:1/certs", func(c config) any { return c.auth.CertsURL }, "http://[::1]:1/certs"},
		{"MAX_ITERATIONS", "3", func(c config) any { return c.collect.MaxPages }, 3},
		{"RUN_BUDGET", "599s", func(c config) any { return c.collect.Budget }, 599 * time.Second},
		{"INITIAL_LOOKBACK", "4296h", func(c config) any { return c.collect.Lookback }, 179 * day},
		{"INGEST_DELAY", "120s", func(c config) any { return c.collect.Delay }, 2 * time.Minute},
		{"OVERLAP", "0", func(c config) any { return c.of(&defaultLog, duo.Account{}).Overlap }, time.Duration(0)},
		{"CONCURRENCY", "64", func(c config) any { return c.concurrency }, 64},
		{"MAX_WINDOW", "1h", func(c config) any { return c.collect.MaxWindow }, time.Hour},
		{"ENRICH", "false", func(c config) any { return c.collect.Enrich }, false},
		{"ENRICH", "No", func(c config) any { return c.collect.Enrich }, false},
		{"ENRICH", "off", func(c config) any { return c.collect.Enrich }, false},
		{"ENRICH", "0", func(c config) any { return c.collect.Enrich }, false},
		{"ENRICH", "FALSE", func(c config) any { return c.collect.Enrich }, false},
		{"ENRICH", "yes", func(c config) any { return c.collect.Enrich }, true},
		{"ENRICH", "ON", func(c config) any { return c.collect.Enrich }, true},
		{"ENRICH", "1", func(c config) any { return c.collect.Enrich }, true},
		{"ENRICH", "True", func(c config) any { return c.collect.Enrich }, true},
		{"PHONES", "keep", masked, "+17345550100"},
		{"PHONES", "Mask", masked, "+xxxxxxx0100"},
		{"COMPRESSION", "gzip", func(c config) any { return c.collect.Gzip }, true},
		{"COMPRESSION", "GZIP", func(c config) any { return c.collect.Gzip }, true},
		{"COMPRESSION", "None", func(c config) any { return c.collect.Gzip }, false},
		{"LOG_LEVEL", "warn", func(c config) any { return c.logLevel }, slog.LevelWarn},
		{"LOG_LEVEL", "DEBUG", func(c config) any { return c.logLevel }, slog.LevelDebug},
		{"LOG_LEVEL", "Error", func(c config) any { return c.logLevel }, slog.LevelError},
		{"PORT", "65535", func(c config) any { return c.port }, "65535"},
		{"RUNBOOK_URL", "https://git.example/duo/blob/main/docs/operations.md?plain=1", func(c config) any { return c.runbook }, "https://git.example/duo/blob/main/docs/operations.md?plain=1"},
		{"RUNBOOK_URL", " http://wiki:8080/operations ", func(c config) any { return c.runbook }, "http://wiki:8080/operations"},
		{"RUNBOOK_URL", "", func(c config) any { return c.runbook }, ""},
	} {
		c, err := with(map[string]string{test.name: test.value})
		if err != nil || test.got(c) != test.want {
			t.Errorf("%s=%q: %v, %v, want %v", test.name, test.value, test.got(c), err, test.want)
		}
	}
	c, err := with(map[string]string{"DUO_SKEY": "", "DUO_SKEY_FILE": skey, "K_SERVICE": "s", "AUTH_MODE": "cloudrun-iam"})
	if err != nil || c.auth.Mode != handler.ModeCloudRunIAM {
		t.Fatalf("mode %s, %v", c.auth.Mode, err)
	}
	if secret, err := c.duoSecret(); secret != "from a file" || err != nil {
		t.Errorf("the secret key is not the file's, or %v", err)
	}
}

func TestConfigProject(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits a second for the metadata server")
	}
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1") // nobody there
	c, err := with(map[string]string{"FIRESTORE_PROJECT": "", "GOOGLE_CLOUD_PROJECT": "google's"})
	if err != nil || c.project != "google's" {
		t.Errorf("project %q, %v", c.project, err)
	}
	if _, err := with(map[string]string{"FIRESTORE_PROJECT": ""}); err == nil || !strings.HasPrefix(err.Error(), "FIRESTORE_PROJECT: is required here") {
		t.Errorf("without any project: %v", err)
	}
}

func TestConfigBad(t *testing.T) {
	skey, empty := filepath.Join(t.TempDir(), "skey"), filepath.Join(t.TempDir(), "empty")
	masked := filepath.Join(t.TempDir(), "masked")
	if err := errors.Join(os.WriteFile(skey, []byte("k"), 0o600), os.WriteFile(empty, []byte("\n"), 0o600), os.WriteFile(masked, []byte("••••••••\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ assignments, want string }{
		{"DUO_IKEY=", "DUO_IKEY: is required"},
		{`DUO_IKEY="DIWJ8X6AEYOR5OMC6TQ1"`, "DUO_IKEY: has quotes"},
		{"DUO_IKEY=DIWJ8X6AEYOR5OMC6TQ1:key", "DUO_IKEY: has a colon"},
		{"DUO_IKEY=SIWJ8X6AEYOR5OMC6TQ1", "DUO_IKEY: begins with SI"},
		{"DUO_IKEY=********", "DUO_IKEY: is a masked key"},
		{"DUO_SKEY=********", "DUO_SKEY: is a masked key"},
		{"DUO_SKEY= DUO_SKEY_FILE=" + masked, "DUO_SKEY_FILE: the content of " + masked + " is a masked key"},
		{"DUO_API_HOST=", "DUO_API_HOST: is required"},
		{"DUO_API_HOST=https://api-1.duosecurity.com", "DUO_API_HOST: "},
		{"DUO_API_HOST=api-1.duosecurity.com/x", "DUO_API_HOST: "},
		{"DUO_API_HOST=api-1.duosecurity.com:443", "DUO_API_HOST: "},
		{"DUO_API_HOST=api-1.duosecurity.com.evil.example", "DUO_API_HOST: "},
		{"DUO_SKEY=", "DUO_SKEY: is required, or DUO_SKEY_FILE"},
		{"DUO_SKEY_FILE=" + skey, "DUO_SKEY_FILE: is set beside DUO_SKEY"},
		{"DUO_SKEY= DUO_SKEY_FILE=/nowhere", "DUO_SKEY_FILE: open /nowhere"},
		{"DUO_SKEY= DUO_SKEY_FILE=Jl0fuYB9pxvZ3tQrN1cK", "DUO_SKEY_FILE: the file that it names can't be read: no such file"},
		{"DUO_API_HOST=Jl0fuYB9pxvZ3tQrN1cK", "DUO_API_HOST: is not of the form"},
		{"PHONES=hash PHONES_KEY_FILE=Jl0fuYB9pxvZ3tQrN1cK", "PHONES_KEY_FILE: the file that it names can't be read: no such file"},
		{"DUO_SKEY= DUO_SKEY_FILE=" + empty, "DUO_SKEY_FILE: " + empty + " is empty"},
		{"DUO_API_URL=https://127.0.0.1", "DUO_API_URL: "},
		{"DUO_API_URL=http://duo.example", "DUO_API_URL: "},
		{"DUO_API_URL=http://u:p@127.0.0.1", "DUO_API_URL: "},
		{"PAGE_INTERVAL=1", "PAGE_INTERVAL: "},
		{"PAGE_INTERVAL=-1s", "PAGE_INTERVAL: "},
		{"GCS_BUCKET=", "GCS_BUCKET: is required"},
		{"GCS_BUCKET=gs://bucket", "GCS_BUCKET: "},
		{"GCS_PREFIX=a//b", "GCS_PREFIX: "},
		{"GCS_PREFIX=a{b}", `GCS_PREFIX: "a{b}" has braces around something else`},
		{"GCS_PREFIX={host}/{log}", `GCS_PREFIX: "{host}/{log}" has braces around something else than log or account`},
		{"GCS_PREFIX={Log}", `GCS_PREFIX: "{Log}" has braces`},
		{"GCS_PREFIX=a{log", `GCS_PREFIX: "a{log" has braces`},
		{"DUO_LOGS=all GCS_PREFIX=duo", `GCS_PREFIX: "duo" would mix the logs, and a SecOps feed reads a folder as one log: put {log} into it, such as duo-{log}`},
		{"DUO_LOGS=telephony,activity GCS_PREFIX=", `GCS_PREFIX: "" would mix the logs`},
		{"DUO_LOGS=all GCS_PREFIX=a//{log}", `GCS_PREFIX: "a//telephony" has an empty folder`},
		{"DUO_LOGS=all GCS_PREFIX=" + strings.Repeat("p", 890) + "{log}", `GCS_PREFIX: "ppp`},
		{"DUO_LOGS=", "DUO_LOGS: is required: the logs to collect, or all"},
		{"DUO_LOGS=,", "DUO_LOGS: is required"},
		{"DUO_LOGS=telephony,telephony", `DUO_LOGS: "telephony" is there twice`},
		{"DUO_LOGS=all,all", `DUO_LOGS: "all" is there twice`},
		{"DUO_LOGS=all,activity", "DUO_LOGS: all stands beside a name"},
		{"DUO_LOGS=telephony,administrator", `DUO_LOGS: "administrator" is no log that can be collected: set it to some of telephony, authentication, activity, trust-monitor, or to all`},
		{"DUO_LOGS=trust_monitor", `DUO_LOGS: "trust_monitor" is no log`},
		{"DUO_LOGS=activity STATE_KEY=s", "STATE_KEY: is the state of a function that collects telephony, and DUO_LOGS does not have that"},
		{"DUO_LOGS=no STATE_KEY=s", "DUO_LOGS: "},
		{"CONCURRENCY=0", "CONCURRENCY: "},
		{"CONCURRENCY=65", "CONCURRENCY: "},
		{"DUO_LOGS=all OVERLAP=much", `OVERLAP: "much" is no duration`},
		{"OVERLAP=", "OVERLAP: "},
		{"OVERLAP_TRUST_MONITOR=much", "OVERLAP_TRUST_MONITOR: "},
		{"FIRESTORE_COLLECTION=", "FIRESTORE_COLLECTION: "},
		{"FIRESTORE_COLLECTION=a/b", "FIRESTORE_COLLECTION: "},
		{"FIRESTORE_COLLECTION=__x__", `FIRESTORE_COLLECTION: "__x__" is reserved`},
		{"FIRESTORE_COLLECTION=.", `FIRESTORE_COLLECTION: "." is reserved`},
		{"FIRESTORE_COLLECTION=..", `FIRESTORE_COLLECTION: ".." is reserved`},
		{"FIRESTORE_COLLECTION=" + strings.Repeat("c", 1501), "FIRESTORE_COLLECTION: "},
		{"FIRESTORE_DATABASE=projects/p/databases/d", "FIRESTORE_DATABASE: "},
		{"FIRESTORE_DATABASE=(Default)", "FIRESTORE_DATABASE: "},
		{"FIRESTORE_DATABASE=db", "FIRESTORE_DATABASE: "},
		{"FIRESTORE_DATABASE=", "FIRESTORE_DATABASE: "},
		{"FIRESTORE_PROJECT=projects/p", "FIRESTORE_PROJECT: "},
		{"AUTH_MODE=none", "AUTH_MODE: "},
		{"AUTH_MODE=cloudrun-iam", "AUTH_MODE: cloudrun-iam is for Cloud Run only"},
		{"PUSH_AUDIENCE=,", "PUSH_AUDIENCE: is required"},
		{"ALLOWED_CALLERS=", "ALLOWED_CALLERS: is required"},
		{"ALLOWED_CALLERS=allUsers", "ALLOWED_CALLERS: "},
		{`ALLOWED_CALLERS="a@b"`, "ALLOWED_CALLERS: "},
		{"OIDC_CERTS_URL=http://example.com", "OIDC_CERTS_URL: "},
		{"MAX_ITERATIONS=-1", "MAX_ITERATIONS: "},
		{"RUN_BUDGET=10m", "RUN_BUDGET: "},
		{"RUN_BUDGET=", "RUN_BUDGET: "},
		{"INITIAL_LOOKBACK=180d", "INITIAL_LOOKBACK: "},
		{"INITIAL_LOOKBACK=4320h", "INITIAL_LOOKBACK: "},
		{"INGEST_DELAY=119s", "INGEST_DELAY: "},
		{"OVERLAP=1.5ms", "OVERLAP: 1.5ms is no whole number"},
		{"MAX_WINDOW=0s", "MAX_WINDOW: "},
		{"ENRICH=perhaps", "ENRICH: "},
		{"COMPRESSION=zstd", "COMPRESSION: "},
		{"PHONES=hide", "PHONES: "},
		{"PHONES=hash", "PHONES_KEY_FILE: is required by PHONES=hash"},
		{"PHONES=hash PHONES_KEY_FILE=testdata/missing", "PHONES_KEY_FILE: "},
		{"PHONES=mask PHONES_KEY_FILE=testdata/missing", "PHONES_KEY_FILE: is set, and only PHONES=hash"},
		{"ENRICH=", "ENRICH: "},
		{"LOG_LEVEL=INFORMATION", "LOG_LEVEL: "},
		{"PORT=http", "PORT: "},
		{"PORT=0", "PORT: "},
		{"RUNBOOK_URL=docs/operations.md", "RUNBOOK_URL: is no https:// or http:// address of docs/operations.md: give all of it"},
		{"RUNBOOK_URL=https://git.example/operations.md#lag", "RUNBOOK_URL: "},
		{"RUNBOOK_URL=https://git.example/operations.md#", "RUNBOOK_URL: "},
		{"RUNBOOK_URL=https://ann:secret@git.example/operations.md", "RUNBOOK_URL: is no https:// or"},
		{"RUNBOOK_URL=javascript:alert(1)", "RUNBOOK_URL: "},
		{"RUNBOOK_URL=https:///operations.md", "RUNBOOK_URL: "},
		{"RUNBOOK_URL=//git.example/operations.md", "RUNBOOK_URL: "},
		{"RUNBOOK_URL=https://git.example/%zz", "RUNBOOK_URL: "},
		{"K_SERVICE=s DUO_API_URL=http://127.0.0.1", "DUO_API_URL: must not be set in Cloud Run"},
		{"K_SERVICE=s OIDC_CERTS_URL=http://127.0.0.1", "OIDC_CERTS_URL: must not be set in Cloud Run"},
		{"K_SERVICE=s STORAGE_EMULATOR_HOST=127.0.0.1", "STORAGE_EMULATOR_HOST: must not be set in Cloud Run"},
		{"K_SERVICE=s FIRESTORE_EMULATOR_HOST=127.0.0.1", "FIRESTORE_EMULATOR_HOST: must not be set in Cloud Run"},
	} {
		_, err := with(assigned(test.assignments))
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want one fault: %s", test.assignments, err, test.want)
		}
	}
}

// What can't be written into one word of TestConfigBad.
func TestConfigBadText(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"GCS_PREFIX", "./x", `GCS_PREFIX: "./x" has a folder "." or ".."`},
		{"GCS_PREFIX", "a/../b", `GCS_PREFIX: "a/../b" has a folder "." or ".."`},
		{"GCS_PREFIX", ".", `GCS_PREFIX: "." has a folder "." or ".."`},
		{"GCS_PREFIX", "/../", `GCS_PREFIX: ".." has a folder "." or ".."`},
		{"GCS_PREFIX", "a/.", `GCS_PREFIX: "a/." has a folder "." or ".."`},
		{"GCS_PREFIX", "gs://bucket/a", `GCS_PREFIX: "gs://bucket/a" begins with gs://`},
		{"GCS_PREFIX", "a///b", `GCS_PREFIX: "a///b" has an empty folder name`},
		{"GCS_PREFIX", "a#b", `GCS_PREFIX: "a#b" has one of # ? * [ ]`},
		{"GCS_PREFIX", "a?b", `GCS_PREFIX: "a?b" has one of # ? * [ ]`},
		{"GCS_PREFIX", "a/*", `GCS_PREFIX: "a/*" has one of # ? * [ ]`},
		{"GCS_PREFIX", "a[0]", `GCS_PREFIX: "a[0]" has one of # ? * [ ]`},
		{"GCS_PREFIX", "a\nb", `GCS_PREFIX: "a\nb" has a control character`},
		{"GCS_PREFIX", "a\rb", `GCS_PREFIX: "a\rb" has a control character`},
		{"GCS_PREFIX", "a\x7fb", `GCS_PREFIX: "a\x7fb" has a control character`},
		{"GCS_PREFIX", "a\xffb", `GCS_PREFIX: "a\xffb" is no UTF-8`},
		{"GCS_PREFIX", ".well-known/acme-challenge", `GCS_PREFIX: ".well-known/acme-challenge" is reserved`},
		{"GCS_PREFIX", "/.well-known/acme-challenge/x/", `GCS_PREFIX: ".well-known/acme-challenge/x" is reserved`},
		{"GCS_PREFIX", strings.Repeat("p", 901), `GCS_PREFIX: "ppp`},
		{"PUSH_AUDIENCE", `"https://a.example"`, `PUSH_AUDIENCE: "\"https://a.example\"" has a quote or a blank`},
		{"PUSH_AUDIENCE", `'name'`, `PUSH_AUDIENCE: "'name'" has a quote or a blank`},
		{"PUSH_AUDIENCE", "good, two words", `PUSH_AUDIENCE: "two words" has a quote or a blank`},
		{"PUSH_AUDIENCE", "a\tb", `PUSH_AUDIENCE: "a\tb" has a quote or a blank`},
		{"PUSH_AUDIENCE", "a\u00a0b", `PUSH_AUDIENCE: "a\u00a0b" has a quote or a blank`},
		{"PUSH_AUDIENCE", "“a”", `PUSH_AUDIENCE: "“a”" has a quote or a blank`},
	} {
		_, err := with(map[string]string{test.name: test.value})
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s=%q: %v, want one fault: %s", test.name, test.value, err, test.want)
		}
	}
}

func assigned(text string) map[string]string {
	vars := map[string]string{}
	for assignment := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(assignment, "=")
		vars[name] = value
	}
	return vars
}

// A process with nothing but faults reports each in a line of its own and does
// not listen.
func TestConfigAllFaultsAtOnce(t *testing.T) {
	port := freePort(t)
	p := launch(t, map[string]string{
		"PORT": port, "GCE_METADATA_HOST": "127.0.0.1:1", "K_SERVICE": "s", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
		"DUO_SKEY": captured.secret("q8RzV0tKcY5nWb3XhM7eJdL2aPfU9sGiT6oC1mZk"), "DUO_SKEY_FILE": "/nowhere", "GCS_PREFIX": "a//b", "RUN_BUDGET": "1h", "LOG_LEVEL": "loud",
	})
	if code := p.wait(); code != exitConfig {
		t.Errorf("exit code %d", code)
	}
	if p.hasLogged(`"message":"serving"`) || p.out.String() != "" {
		t.Errorf("it served before it ended, or wrote to standard output: %s", p.out)
	}
	var named []string
	for line := range bytes.Lines([]byte(p.log.String())) {
		m := regexp.MustCompile(`^{"time":"[^"]+","severity":"ERROR","message":"configuration: ([A-Z_]+): .+}\n$`).FindSubmatch(line)
		if m == nil {
			t.Fatalf("a line that names no variable: %s", line)
		}
		named = append(named, string(m[1]))
	}
	want := []string{"ALLOWED_CALLERS", "DUO_API_HOST", "DUO_IKEY", "DUO_SKEY_FILE", "DUO_SKEY_FILE", "FIRESTORE_EMULATOR_HOST",
		"FIRESTORE_PROJECT", "GCS_BUCKET", "GCS_PREFIX", "LOG_LEVEL", "PUSH_AUDIENCE", "RUN_BUDGET"}
	if slices.Sort(named); !slices.Equal(named, want) {
		t.Errorf("faults of\n%v, want\n%v", named, want)
	}
}

// A person who starts it on a terminal reads the faults as text.
func TestConfigFaultsOnTerminal(t *testing.T) {
	script, err := exec.LookPath("script") // gives a process a terminal
	if err != nil || testing.Short() {
		t.Skip("it starts a process, with script of util-linux")
	}
	cmd := exec.CommandContext(t.Context(), script, "-qec", os.Args[0], os.DevNull)
	cmd.Env = []string{asServer + "=1", "GOCOVERDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh"}
	for name, value := range required() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "OVERLAP=much", "LOG_LEVEL=loud")
	out := captured.buffer(t.Name())
	cmd.Stdout, cmd.Stderr = out, out
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Run()
	want := regexp.MustCompile(`^OVERLAP: "much" is no .+\r\nLOG_LEVEL: "loud" is none of .+\r\n$`)
	if cmd.ProcessState.ExitCode() != exitConfig || !want.MatchString(out.String()) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// A port that is taken is a fault of the configuration too.
func TestConfigPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	vars := required()
	vars["PORT"] = port
	p := launch(t, vars)
	if code := p.wait(); code != exitConfig || !p.hasLogged("configuration: PORT: listen tcp :"+port) {
		t.Errorf("exit code %d:\n%s", code, p.log)
	}
}
