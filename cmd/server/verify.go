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
	"time"

	"duo-telephony-collector/internal/audit"
	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// verifyFlags are the flags of server verify.
type verifyFlags struct {
	from, to time.Time
	json     bool
	dir      string
}

// verifyCommand compares the bucket with Duo, and changes neither.
func verifyCommand(ctx context.Context, args []string, con console) int {
	f, err := parseVerify(args, con.err)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitConfig
	}
	shown := newProgress(con.err)
	log := slog.New(newConsoleLog(shown, slog.LevelInfo))
	collector, err := f.collector(ctx, con, log)
	if err != nil {
		return reportFaults(ctx, log, err)
	}
	report, err := audit.Run(ctx, collector, f.from, f.to, shown.show)
	shown.end()
	if err != nil {
		fmt.Fprintf(con.err, "nothing is verified: %v\n", err)
		return exitFailed
	}
	if err := f.write(con.out, report); err != nil {
		fmt.Fprintf(con.err, "writing the report: %v\n", err)
		return exitFailed
	}
	if !report.Exact() {
		return exitFailed
	}
	return exitOK
}

func parseVerify(args []string, out io.Writer) (verifyFlags, error) {
	var f verifyFlags
	flags := flag.NewFlagSet("server verify", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Func("from", "compare records from this RFC 3339 `TIME` on", instant(&f.from))
	flags.Func("to", "compare records before this RFC 3339 `TIME`", instant(&f.to))
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.StringVar(&f.dir, "dir", "", "compare what server local keeps in `DIR`, not the cloud's bucket")
	if err := flags.Parse(args); err != nil {
		return f, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case f.from.IsZero() || f.to.IsZero():
		err = errors.New("-from and -to are required, such as -from 2026-01-02T00:00:00Z -to 2026-01-03T00:00:00Z")
	case !f.from.Before(f.to):
		err = errors.New("-from must be before -to")
	}
	if err != nil {
		fmt.Fprintln(out, err)
	}
	return f, err
}

func instant(t *time.Time) func(string) error {
	return func(s string) (err error) {
		if *t, err = time.Parse(time.RFC3339, s); err != nil {
			err = errors.New("no RFC 3339 time such as 2026-01-02T15:04:05Z")
		}
		return err
	}
}

// collector returns what the audit is made with. Who may call the service is
// of no interest to it.
func (f verifyFlags) collector(ctx context.Context, con console, log *slog.Logger) (*collect.Collector, error) {
	lookup := con.lookup
	if f.dir != "" {
		if _, err := os.Stat(filepath.Join(f.dir, "bucket")); err != nil {
			return nil, fmt.Errorf("-dir: %w: name the directory of server local", err)
		}
		l := &local{con: con}
		var err error
		if lookup, err = l.environment(ctx); err != nil {
			return nil, err
		}
		if l.simulated {
			fmt.Fprintln(con.err, "comparing with a simulated Duo (set DUO_IKEY, DUO_SKEY and DUO_API_HOST for the real one)")
		}
	}
	var cfg config
	e := &env{lookup: lookup}
	e.readDuo(&cfg)
	e.readStorage(&cfg)
	e.readFirestore(&cfg)
	e.readCollect(&cfg)
	if err := e.err(); err != nil {
		return nil, err
	}
	if f.dir != "" {
		return newCollector(cfg, store.NewBolt(filepath.Join(f.dir, "state.db"), nil), writer.NewDir(f.dir, cfg.prefix), log), nil
	}
	bucket, err := openBucket(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return newCollector(cfg, newStore(cfg), bucket, log), nil
}

// write prints the report, as text or as one line of JSON.
func (f verifyFlags) write(out io.Writer, r audit.Report) error {
	if !f.json {
		_, err := io.WriteString(out, auditText(r, f.call(r)))
		return err
	}
	return json.NewEncoder(out).Encode(struct {
		Exact bool `json:"exact"`
		audit.Report
		Call string `json:"call"`
	}{r.Exact(), r, f.call(r)})
}

// call is how to have the service collect what is missing, "" if nothing is.
func (f verifyFlags) call(r audit.Report) string {
	if r.Backfill == nil {
		return ""
	}
	to := `"$URL/run" -H "Authorization: Bearer $TOKEN"`
	if f.dir != "" {
		to = "http://127.0.0.1:8080/run"
	}
	return fmt.Sprintf(`curl -X POST %s -d '{"from":"%s","to":"%s"}'`, to,
		r.Backfill.From.Format(time.RFC3339Nano), r.Backfill.To.Format(time.RFC3339Nano))
}
