package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"duo-telephony-collector/internal/check"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/writer"
)

// checkCommand finds out what would keep the service from working.
type checkCommand struct {
	json bool
	only string
}

func (c *checkCommand) define(flags *flag.FlagSet) {
	flags.BoolVar(&c.json, "json", false, "print one JSON document")
	flags.StringVar(&c.only, "only", "", "check only `WHAT`: duo, which needs only the DUO_ variables")
}

func (c *checkCommand) accept(args []string) error {
	switch {
	case len(args) > 0:
		return unexpected(args)
	case c.only != "" && c.only != "duo":
		return fmt.Errorf("-only %q is not duo", c.only)
	}
	return nil
}

func (c *checkCommand) run(ctx context.Context, con console) int {
	findings := check.Run(ctx, c.checks(&env{lookup: con.lookup}))
	write := check.WriteText
	if c.json {
		write = check.WriteJSON
	}
	if err := write(con.out, findings); err != nil {
		return con.exit(exitFailed, err)
	}
	if check.Failed(findings) {
		return exitFailed
	}
	return exitOK
}

// checks returns a check of the configuration, and one for whatever is sound in it.
func (c *checkCommand) checks(e *env) []check.Check {
	var cfg config
	var checks []check.Check
	sound := func(read func(*config)) bool {
		before := len(e.faults)
		read(&cfg)
		return len(e.faults) == before
	}
	account, logs := sound(e.readDuo), sound(e.readLogs)
	if account && logs {
		checks = append(checks, duoCheck(cfg))
	}
	if c.only == "" {
		storage, documents := sound(e.readStorage) && logs, sound(e.readFirestore) && logs
		checks = append(checks, cloudChecks(cfg, storage, documents)...)
		if sound(e.readAuth) {
			iam := cfg.auth.Mode == handler.ModeCloudRunIAM
			checks = append(checks, check.Auth{CloudRunIAM: iam, Audiences: cfg.auth.Audiences, Callers: cfg.auth.Callers}.Check)
		}
		if sound(e.readCollect) {
			checks = append(checks, check.Budget(cfg.collect.Budget))
		}
		e.readService(&cfg)
	}
	return append([]check.Check{check.Configuration(e.faults)}, checks...)
}

// duoCheck asks for the logs of the application's account, or of the first of several.
func duoCheck(cfg config) check.Check {
	client := newDuo(cfg, slog.New(slog.DiscardHandler))
	of := check.Duo{Client: client, Logs: cfg.logs, Host: cfg.duoHost, Secret: cfg.duoSecret}
	switch {
	case cfg.accounts == childAccounts:
		return check.Children{Duo: of}.Check
	case cfg.accountsFile != "":
		first := cfg.applications[0]
		of.Client, of.Host, of.Secret = client.Application(first, cfg.accountsFile), first.Host, first.Secret
		return check.Applications{Duo: of, Accounts: len(cfg.applications), File: cfg.accountsFile}.Check
	}
	return of.Check
}

// cloudChecks are the checks of Google Cloud, for whatever is configured soundly.
func cloudChecks(cfg config, storage, documents bool) []check.Check {
	open := func(ctx context.Context) (*writer.GCS, error) {
		bucket, err := openBucket(ctx, cfg)
		if err != nil {
			return nil, &writer.SetupError{Reason: err.Error(), Hint: hintCredentials}
		}
		return bucket, nil
	}
	bucket := check.Bucket{Open: open, Name: cfg.bucket, Prefixes: cfg.folders()}
	var checks []check.Check
	if storage {
		checks = append(checks, bucket.Check)
	}
	if !documents {
		return checks
	}
	firestore := check.Firestore{Store: newStore(cfg), Project: cfg.project, Database: cfg.database, Streams: cfg.logNames(), Account: cfg.duoHost}
	if cfg.accountsFile != "" {
		firestore.Streams, firestore.Account = cfg.streams()[:len(cfg.logs)], cfg.applications[0].Host // the first account's
	}
	checks = append(checks, firestore.Check)
	if !storage || cfg.stateKey == "" {
		return checks
	}
	firstMark := func(ctx context.Context) (time.Time, error) {
		bucket, err := open(ctx)
		if err != nil {
			return time.Time{}, err
		}
		return importState(ctx, bucket, cfg.stateKey)
	}
	return append(checks, check.StateKey{Key: cfg.stateKey, Bucket: bucket, Firestore: firestore, Stream: cfg.of(&defaultLog, duo.Account{}).Live().String(), FirstMark: firstMark}.Check)
}
