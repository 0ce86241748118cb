package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cloud.google.com/go/compute/metadata"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/record"
)

const day = 24 * time.Hour

// config is the environment, read and checked.
type config struct {
	duoIKey, duoHost, duoURL string
	duoSecret                func() (string, error)
	pageInterval             time.Duration
	accounts, accountsFile   string            // DUO_ACCOUNTS; the file is "" without one
	applications             []duo.Application // that the file has
	logs                     []duo.Log         // to collect, in the order of duo.Logs
	concurrency              int
	bucket, prefix, stateKey string // the prefix with {log} and {account} in it, see folder
	project, database        string
	collection               string
	auth                     handler.AuthConfig
	collect                  collect.Config           // of every log, see of
	overlaps                 map[string]time.Duration // by log
	logLevel                 slog.Level
	port                     string
	revision                 string // Cloud Run's name for what it has deployed
	runbook                  string // the address of docs/operations.md; "" where it is not known
}

var (
	bucketNames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)
	// As Firestore takes them: https://docs.cloud.google.com/firestore/native/docs/manage-databases
	databaseNames = regexp.MustCompile(`^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$`)
)

// readConfig returns the configuration, or all faults joined, each with its variable.
func readConfig(e *env) (config, error) {
	var c config
	e.readDuo(&c)
	e.readLogs(&c)
	e.readStorage(&c)
	e.readFirestore(&c)
	e.readAuth(&c)
	e.readCollect(&c)
	e.readService(&c)
	c.revision, _ = e.lookup("K_REVISION")
	return c, e.err()
}

// readDuo reads the way to Duo. An accounts file has the keys itself.
func (e *env) readDuo(c *config) {
	e.readAccounts(c)
	if c.accountsFile == "" {
		e.readApplication(c)
	}
	c.duoURL = e.loopback("DUO_API_URL")
	c.pageInterval = e.duration("PAGE_INTERVAL", "1s", 0, time.Hour)
}

func (e *env) readApplication(c *config) {
	c.duoIKey = e.required("DUO_IKEY", "the integration key of an Admin API application")
	if fault := duo.IKeyFault(c.duoIKey); fault != "" {
		e.fault("DUO_IKEY", "%s", fault)
	}
	host, ok := duo.ParseHost(e.required("DUO_API_HOST", "that application's API hostname, api-….duosecurity.com"))
	if c.duoHost = host; host != "" && !ok { // it is not quoted: it may be the key, in the wrong variable
		e.fault("DUO_API_HOST", "is not of the form api-….duosecurity.com or api-….duofederal.com, without scheme, path or port")
	}
	key, file := e.text("DUO_SKEY", ""), e.text("DUO_SKEY_FILE", "")
	switch {
	case key == "" && file == "":
		e.fault("DUO_SKEY", "is required, or DUO_SKEY_FILE: the secret key of that application")
	case key != "" && file != "":
		e.fault("DUO_SKEY_FILE", "is set beside DUO_SKEY: keep one of them")
	}
	if duo.Masked(key) {
		e.fault("DUO_SKEY", "%v", errMasked)
	}
	c.duoSecret = func() (string, error) { return key, nil }
	if file != "" {
		c.duoSecret = func() (string, error) { return readSecret(file) }
		if _, err := readSecret(file); err != nil {
			e.fault("DUO_SKEY_FILE", "%v", pathless(err))
		}
	}
}

var errMasked = errors.New("is a masked key: copy the key itself from Duo's Admin Panel")

// pathless leaves out a path that may be the secret itself, set where the path of a
// file with it belongs.
func pathless(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && !filepath.IsAbs(p.Path) {
		return fmt.Errorf("the file that it names can't be read: %w", p.Err)
	}
	return err
}

// readSecret returns a file's content without the newline that editors add.
func readSecret(file string) (string, error) {
	b, err := os.ReadFile(file)
	secret := strings.TrimSpace(string(b))
	if err == nil && secret == "" {
		err = fmt.Errorf("%s is empty", file)
	}
	if duo.Masked(secret) {
		err = fmt.Errorf("the content of %s %w", file, errMasked)
	}
	return secret, err
}

func (e *env) readStorage(c *config) {
	c.bucket = e.required("GCS_BUCKET", "the bucket that the SecOps feed reads")
	if c.bucket != "" && !bucketNames.MatchString(c.bucket) {
		e.fault("GCS_BUCKET", "%q is no bucket name; leave out gs:// and any path", c.bucket)
	}
	e.readPrefix(c)
	c.stateKey = e.text("STATE_KEY", "")
	if c.stateKey != "" && len(c.logs) > 0 && !slices.ContainsFunc(c.logs, isDefault) {
		e.fault("STATE_KEY", "is the state of a function that collects %s, and DUO_LOGS does not have that: unset it", defaultLog.Name)
	}
	if c.stateKey != "" && c.accounts != ownAccount {
		e.fault("STATE_KEY", "is the state of a function that collects one account by its own keys, and DUO_ACCOUNTS is not %s: unset it", ownAccount)
	}
	e.notInCloudRun("STORAGE_EMULATOR_HOST")
}

func (e *env) readFirestore(c *config) {
	c.project = cmp.Or(e.text("FIRESTORE_PROJECT", ""), e.text("GOOGLE_CLOUD_PROJECT", ""))
	if c.project == "" {
		c.project = detectProject()
	}
	if c.project == "" {
		e.fault("FIRESTORE_PROJECT", "is required here: there is no metadata server to tell the project")
	}
	if strings.Contains(c.project, "/") {
		e.fault("FIRESTORE_PROJECT", "%q is no project id: leave out projects/ and what follows the id", c.project)
	}
	c.database = e.text("FIRESTORE_DATABASE", "(default)")
	if !databaseNames.MatchString(c.database) {
		e.fault("FIRESTORE_DATABASE", "%q is no name of a database: it is (default), or 4 to 63 small letters, digits and hyphens; leave out projects/…/databases/", c.database)
	}
	c.collection = e.text("FIRESTORE_COLLECTION", "duo-telephony-collector")
	if fault := collectionFault(c.collection); fault != "" {
		e.fault("FIRESTORE_COLLECTION", "%q %s", c.collection, fault)
	}
	e.notInCloudRun("FIRESTORE_EMULATOR_HOST")
}

// collectionFault is why Firestore would not take the name, "" if it would.
// https://docs.cloud.google.com/firestore/native/docs/quotas
func collectionFault(name string) string {
	switch {
	case name == "":
		return "is no name of a collection"
	case strings.Contains(name, "/"):
		return "has a slash: it is the name of one collection, no path"
	case name == "." || name == ".." || strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__"):
		return "is reserved by Firestore: take another name"
	case len(name) > 1500 || !utf8.ValidString(name):
		return "is longer than 1500 bytes or no UTF-8"
	}
	return ""
}

// detectProject asks the metadata server. Where there is one it answers at once.
func detectProject() string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	project, _ := metadata.ProjectIDWithContext(ctx)
	return project
}

func (e *env) readAuth(c *config) {
	c.auth.Mode = handler.Mode(e.choice("AUTH_MODE", string(handler.ModeVerify), string(handler.ModeVerify), string(handler.ModeCloudRunIAM)))
	if service, _ := e.lookup("K_SERVICE"); c.auth.Mode == handler.ModeCloudRunIAM && service == "" {
		e.fault("AUTH_MODE", "cloudrun-iam is for Cloud Run only, where K_SERVICE is set: elsewhere nobody has checked the signature")
	}
	c.auth.Audiences = e.list("PUSH_AUDIENCE", "", "the audience of the push subscription's id tokens")
	for _, audience := range c.auth.Audiences {
		if strings.ContainsFunc(audience, isQuoteOrSpace) {
			e.fault("PUSH_AUDIENCE", "%q has a quote or a blank in it, which an audience has not: set it to exactly what the push subscription has as its audience", audience)
		}
	}
	c.auth.Callers = e.list("ALLOWED_CALLERS", "", "the e-mail addresses of the service accounts and people that may call")
	for _, caller := range c.auth.Callers {
		if !strings.Contains(caller, "@") || strings.ContainsFunc(caller, isQuoteOrSpace) {
			e.fault("ALLOWED_CALLERS", "%q is no e-mail address", caller)
		}
	}
	c.auth.CertsURL = e.loopback("OIDC_CERTS_URL")
}

func isQuoteOrSpace(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Quotation_Mark, r) || r == '`'
}

func (e *env) readCollect(c *config) {
	c.collect = collect.Config{
		Host:      c.duoHost,
		MaxPages:  e.number("MAX_ITERATIONS", 0, 0, 1_000_000),
		Budget:    e.duration("RUN_BUDGET", "9m", time.Second, 599*time.Second),
		Lookback:  e.duration("INITIAL_LOOKBACK", "24h", time.Millisecond, 179*day),
		Delay:     e.duration("INGEST_DELAY", "150s", 2*time.Minute, 179*day),
		MaxWindow: e.duration("MAX_WINDOW", "24h", time.Millisecond, 180*day),
		Phones:    e.readPhones(),
		Enrich:    e.boolean("ENRICH", true),
		Gzip:      e.choice("COMPRESSION", "none", "none", "gzip") == "gzip",
	}
	c.overlaps = e.overlaps()
}

// readPhones returns what becomes of phone numbers. Unlike DUO_SKEY_FILE, the key is
// read once: another one makes other hashes of the same numbers.
func (e *env) readPhones() (phones record.Phones) {
	const name = "PHONES_KEY_FILE"
	mode, file := e.choice("PHONES", "keep", "keep", "mask", "hash"), e.text(name, "")
	var key string
	var err error
	switch {
	case mode == "hash" && file == "":
		err = errors.New("is required by PHONES=hash: " +
			"a file with a random key, such as openssl rand -hex 32 makes")
	case mode == "hash":
		key, err = readSecret(file)
	case file != "":
		e.fault(name, "is set, and only PHONES=hash uses a key: unset it, or set PHONES to hash")
	}
	if err == nil {
		phones, err = record.NewPhones(mode, []byte(key))
	}
	if err != nil {
		e.fault(name, "%v", pathless(err))
	}
	return phones
}

func (e *env) readService(c *config) {
	_ = c.logLevel.UnmarshalText([]byte(e.choice("LOG_LEVEL", "info", "debug", "info", "warn", "error")))
	c.port = e.text("PORT", "8080")
	e.number("PORT", 8080, 1, 65535)
	c.runbook = e.text("RUNBOOK_URL", "")
	u, err := url.Parse(c.runbook)
	if c.runbook != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(c.runbook, "# ")) {
		e.fault("RUNBOOK_URL", "is no https:// or http:// address of docs/operations.md: give all of it, without a user, a blank and a #section, or unset it")
	}
}
