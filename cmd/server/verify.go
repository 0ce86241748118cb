package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"duo-telephony-collector/internal/audit"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// verifyCommand compares the bucket with Duo. It changes neither.
type verifyCommand struct {
	log      string
	account  string
	from, to time.Time
	json     bool
	dir      string
}

func (c *verifyCommand) define(flags *flag.FlagSet) {
	flags.StringVar(&c.log, "log", "", "compare this `LOG` of those in DUO_LOGS; with one there it may be left out")
	flags.StringVar(&c.account, "account", "", "compare this `ACCOUNT`, by its API hostname, id or name; where DUO_ACCOUNTS is own it may be left out")
	flags.Func("from", "compare records from this RFC 3339 `TIME` on", instant(&c.from))
	flags.Func("to", "compare records before this RFC 3339 `TIME`", instant(&c.to))
	flags.BoolVar(&c.json, "json", false, "print the report as JSON")
	flags.StringVar(&c.dir, "dir", "", "compare what server local keeps in `DIR`, not the cloud's bucket")
}

func (c *verifyCommand) accept(args []string) error {
	switch _, known := duo.LogNamed(c.log); {
	case len(args) > 0:
		return unexpected(args)
	case c.log != "" && !known:
		return fmt.Errorf("-log %q is no log of those that can be collected: DUO_LOGS names some", c.log)
	case c.from.IsZero() || c.to.IsZero():
		return errors.New("-from and -to are required, such as -from 2026-01-02T00:00:00Z -to 2026-01-03T00:00:00Z")
	case !c.from.Before(c.to):
		return errors.New("-from must be before -to")
	}
	return nil
}

func (c *verifyCommand) run(ctx context.Context, con console) int {
	shown := newProgress(con.err)
	log := slog.New(newConsoleLog(shown, slog.LevelInfo, dull))
	collector, err := c.collector(ctx, con, log)
	if err != nil {
		return reportFaults(ctx, con.err, log, err)
	}
	report, err := audit.Run(ctx, collector, c.from, c.to, shown.show)
	shown.end()
	if err != nil {
		return con.exit(exitFailed, fmt.Errorf("verifying failed: %w", err))
	}
	if err := c.write(con.out, report); err != nil {
		return con.exit(exitFailed, fmt.Errorf("writing the report: %w", err))
	}
	if !report.Exact() {
		return exitFailed
	}
	return exitOK
}

func instant(t *time.Time) func(string) error {
	return func(s string) (err error) {
		if *t, err = time.Parse(time.RFC3339, s); err != nil {
			err = errors.New("no RFC 3339 time such as 2026-01-02T15:04:05Z")
		}
		return err
	}
}

// collector returns the audit's collector, with the settings that the bucket was filled
// with: the service's own, or those of server local, whose simulated Duo has the same
// records when it is started again. Who may call the service does not matter.
func (c *verifyCommand) collector(ctx context.Context, con console, log *slog.Logger) (*collect.Collector, error) {
	lookup, simulated := con.lookup, ""
	if c.dir != "" {
		if _, err := os.Stat(filepath.Join(c.dir, "bucket")); err != nil {
			return nil, fmt.Errorf("-dir: %w: name the directory of server local", err)
		}
		lookup, simulated = localEnvironment(con.lookup, c.log) // whatever logs the directory has
	}
	var cfg config
	e := &env{lookup: lookup}
	e.readDuo(&cfg)
	e.readLogs(&cfg)
	e.readStorage(&cfg)
	e.readFirestore(&cfg)
	e.readCollect(&cfg)
	if err := e.err(); err != nil {
		return nil, err
	}
	if simulated != "" {
		fmt.Fprintln(con.err, "comparing with "+simulated)
		if err := startSimulator(ctx, &cfg); err != nil {
			return nil, err
		}
	}
	source, err := c.source(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	streams, err := source.Now(ctx)
	if err != nil {
		return nil, err
	}
	return c.chosen(cfg, streams)
}

// chosen returns the one stream that the flags name.
func (c *verifyCommand) chosen(cfg config, streams *collect.Streams) (*collect.Collector, error) {
	var log, account *string
	if c.log != "" || len(cfg.logs) > 1 {
		log = &c.log
	}
	if c.account != "" || cfg.accounts != ownAccount {
		account = &c.account
	}
	only := streams.Only(log, account)
	switch {
	case streams.Only(log, nil) == nil:
		return nil, fmt.Errorf("-log must name one of DUO_LOGS: %s", strings.Join(cfg.logNames(), ", "))
	case only == nil:
		return nil, fmt.Errorf("-account must name one of the accounts, by its API hostname, id or name; GET /status has them")
	case len(only.Collectors) > 1:
		return nil, fmt.Errorf("-account: several accounts are called %q: name the API hostname of one", c.account)
	}
	return only.Collectors[0], only.Collectors[0].Fault
}

// source knows the streams that wrote to the bucket.
func (c *verifyCommand) source(ctx context.Context, cfg config, log *slog.Logger) (handler.Source, error) {
	if c.dir != "" {
		return newSource(cfg, store.NewBolt(filepath.Join(c.dir, "state.db"), nil), writer.NewDir(c.dir, ""), log, nil), nil
	}
	bucket, err := openBucket(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return newSource(cfg, newStore(cfg), bucket, log, nil), nil
}

func (c *verifyCommand) write(out io.Writer, r audit.Report) error {
	if !c.json {
		_, err := io.WriteString(out, auditText(r, c.call(r)))
		return err
	}
	return json.NewEncoder(out).Encode(struct {
		Exact bool `json:"exact"`
		audit.Report
		Call string `json:"call"`
	}{r.Exact(), r, c.call(r)})
}

// call is the command that collects what is missing, "" if nothing is.
func (c *verifyCommand) call(r audit.Report) string {
	if r.Backfill == nil {
		return ""
	}
	to := `"$URL/run" -H "Authorization: Bearer $TOKEN"`
	if c.dir != "" {
		to = "http://127.0.0.1:8080/run"
	}
	wish, _ := json.Marshal(struct {
		Log     string `json:"log,omitempty"`
		Account string `json:"account,omitempty"`
		store.Span
	}{c.log, r.Account, *r.Backfill})
	return fmt.Sprintf("curl -X POST %s -d '%s'", to, wish)
}
