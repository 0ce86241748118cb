package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// shutdownTimeout is what Cloud Run leaves between SIGTERM and SIGKILL.
const shutdownTimeout = 10 * time.Second

// gcPercent is Go's GOGC for the service, a quarter of the default, so that what a long
// run has more in memory, mostly what it has seen, does not count twice. A page takes a
// millisecond more than at 50 (internal/bench), and Duo allows one or two a minute.
const gcPercent = 25

const hintCredentials = "run this in the cloud as the service's account, or on a laptop after " +
	"gcloud auth application-default login --impersonate-service-account; -only duo needs no credentials of Google's"

// serveCommand is the service as it runs in Cloud Run.
func serveCommand(ctx context.Context, con console) int {
	if _, set := con.lookup("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	cfg, err := readConfig(&env{lookup: con.lookup})
	log := newLog(con.err, cfg.logLevel)
	if err != nil {
		return reportFaults(ctx, con.err, log, err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+cfg.port)
	if err != nil {
		return reportFaults(ctx, con.err, log, fmt.Errorf("PORT: %w", err))
	}
	routes, err := cloudRoutes(ctx, cfg, log)
	if err != nil {
		return reportFaults(ctx, con.err, log, err)
	}
	log.InfoContext(ctx, "serving", "version", version, "port", cfg.port,
		"bucket", cfg.bucket, "prefix", strings.Join(cfg.folders(), ", "), "accounts", cfg.accounts,
		"project", cfg.project, "database", cfg.database, "auth_mode", string(cfg.auth.Mode))
	if err := serve(ctx, listener, routes, log); err != nil {
		log.ErrorContext(ctx, "serving ended", "error", err)
		return exitFailed
	}
	log.InfoContext(context.WithoutCancel(ctx), "shut down")
	return exitOK
}

// reportFaults writes a line for each fault that keeps the service from starting: to
// the log, or as it is where a person reads it on a terminal.
func reportFaults(ctx context.Context, out io.Writer, log *slog.Logger, err error) int {
	if isTerminal(out) {
		fmt.Fprintln(out, err)
		return exitConfig
	}
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	for _, fault := range faults {
		log.ErrorContext(ctx, "configuration: "+fault.Error())
	}
	return exitConfig
}

// cloudRoutes builds the clients. None connects before the first request.
func cloudRoutes(ctx context.Context, cfg config, log *slog.Logger) (http.Handler, error) {
	bucket, err := openBucket(ctx, cfg)
	if err != nil {
		return nil, err
	}
	auth, err := handler.NewAuth(cfg.auth)
	if err != nil {
		return nil, err
	}
	source := newSource(cfg, newStore(cfg), bucket, log, func(c *collect.Collector) {
		if cfg.stateKey != "" && isDefault(*c.Log) {
			c.FirstMark = func(ctx context.Context) (time.Time, error) { return importState(ctx, bucket, cfg.stateKey) }
		}
	})
	return handler.New(handler.Config{Streams: source, Auth: auth, Log: log, Version: version, Revision: cfg.revision, Runbook: cfg.runbook}), nil
}

// openBucket returns the bucket, whose prefix is yet to be said: it is a log's.
func openBucket(ctx context.Context, cfg config) (*writer.GCS, error) {
	client, err := storage.NewClient(ctx, storage.WithJSONReads())
	if err != nil {
		return nil, fmt.Errorf("credentials for Cloud Storage: %w", err)
	}
	return writer.NewGCS(client, cfg.bucket, ""), nil
}

func newStore(cfg config) *store.Store {
	var opts []option.ClientOption
	for _, o := range store.DialOptions() {
		opts = append(opts, option.WithGRPCDialOption(o))
	}
	return store.NewFirestore(func(ctx context.Context) (*firestore.Client, error) {
		client, err := firestore.NewClientWithDatabase(ctx, cfg.project, cfg.database, opts...)
		if err != nil {
			return nil, &store.SetupError{Reason: fmt.Errorf("credentials for Firestore: %w", err), Hint: hintCredentials}
		}
		return client, nil
	}, cfg.collection)
}

// importState reads where the older function's state.json says that it stopped.
func importState(ctx context.Context, bucket *writer.GCS, key string) (time.Time, error) {
	raw, err := bucket.Read(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, fmt.Errorf("%w: there is no object %s in the bucket: correct it, or unset it to start INITIAL_LOOKBACK ago", collect.ErrImport, key)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading STATE_KEY %s: %w", key, err)
	}
	return collect.ImportState(raw, time.Now())
}

// serve answers requests until ctx ends. Then the runs in progress, whose
// contexts end with it, have shutdownTimeout to commit and to answer. The server's
// own errors, mostly about connections, go to log.
func serve(ctx context.Context, listener net.Listener, routes http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // of the whole request; an answer may take RUN_BUDGET
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		ended <- srv.Shutdown(late)
	})
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}
