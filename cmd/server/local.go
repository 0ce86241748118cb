package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// localFlags are the flags of server local.
type localFlags struct {
	dir   string
	addr  string
	every time.Duration
	once  bool
}

// localCommand is the whole system on one machine: a directory is the bucket,
// a bbolt file the store, and a clock pushes what Pub/Sub would push to the
// same routes that run in Cloud Run. Duo is simulated unless the environment
// names a real application.
func localCommand(ctx context.Context, args []string, con console) int {
	f, err := parseLocal(args, con.err)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitConfig
	}
	l, err := startLocal(ctx, f, con)
	if err != nil {
		fmt.Fprintln(con.err, err)
		return exitConfig
	}
	if f.once {
		return l.once(ctx, con.out)
	}
	return l.forever(ctx)
}

func parseLocal(args []string, out io.Writer) (localFlags, error) {
	var f localFlags
	flags := flag.NewFlagSet("server local", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&f.dir, "dir", "./data", "keep objects in `DIR`/bucket and the state in DIR/state.db")
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "listen on this loopback `ADDRESS`")
	flags.DurationVar(&f.every, "every", 15*time.Second, "push a message every `DURATION`")
	flags.BoolVar(&f.once, "once", false, "push one message, print the report as JSON and exit")
	if err := flags.Parse(args); err != nil {
		return f, err
	}
	host, _, err := net.SplitHostPort(f.addr)
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err != nil || !isLoopback(host):
		err = fmt.Errorf("-addr %q is no loopback address such as 127.0.0.1:8080; nobody is asked for a token here", f.addr)
	case f.every <= 0:
		err = errors.New("-every must be positive")
	}
	if err != nil {
		fmt.Fprintln(out, err)
	}
	return f, err
}

// local is a system that is listening.
type local struct {
	localFlags
	con       console
	cfg       config
	simulated bool
	listener  net.Listener
	routes    http.Handler
	log       *slog.Logger
	shown     *progress
}

func startLocal(ctx context.Context, f localFlags, con console) (*local, error) {
	l := &local{localFlags: f, con: con, shown: newProgress(con.err)}
	lookup, err := l.environment(ctx)
	if err != nil {
		return nil, err
	}
	if l.cfg, err = readConfig(&env{lookup: lookup}); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(f.dir, "bucket"), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for objects: %w: choose another one with -dir", err)
	}
	if f.once { // no other program needs to find it
		l.addr = "127.0.0.1:0"
	}
	if l.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr); err != nil {
		return nil, fmt.Errorf("%w: choose another address with -addr", err)
	}
	l.log = slog.New(newConsoleLog(l.shown, l.cfg.logLevel))
	c := newCollector(l.cfg, store.NewBolt(filepath.Join(f.dir, "state.db"), nil), writer.NewDir(f.dir, l.cfg.prefix), l.log)
	c.Progress = l.shown.show
	l.routes = handler.New(handler.Config{Collector: c, Log: l.log, Version: version})
	return l, nil
}

// environment is the real one, with what only the cloud needs made up, and Duo
// too unless all of it is set.
func (l *local) environment(ctx context.Context) (func(string) (string, bool), error) {
	made := map[string]string{
		"GCS_BUCKET": "local", "FIRESTORE_PROJECT": "local", "AUTH_MODE": "verify",
		"PUSH_AUDIENCE": "local", "ALLOWED_CALLERS": "local@localhost", "PORT": "8080",
	}
	_, key := l.con.lookup("DUO_SKEY")
	_, file := l.con.lookup("DUO_SKEY_FILE")
	_, ikey := l.con.lookup("DUO_IKEY")
	_, host := l.con.lookup("DUO_API_HOST")
	if l.simulated = !ikey || !host || !key && !file; l.simulated {
		url, err := startSimulator(ctx)
		if err != nil {
			return nil, err
		}
		made["DUO_IKEY"], made["DUO_SKEY"], made["DUO_API_HOST"], made["DUO_API_URL"] = simulator.IKey, simulator.SKey, simulator.Host, url
	}
	return func(name string) (string, bool) {
		if v, ok := made[name]; ok {
			return v, true
		}
		return l.con.lookup(name)
	}, nil
}

// simulator is a small company's Duo account: a record every 90 seconds on
// average, of which one in 40 appears four minutes late. The records depend on
// their time alone, so a later process sees the same ones.
var simulator = duosim.Config{
	IKey: "DISIMULATEDACCOUNT00", SKey: "simulated-secret-key", Host: "api-simulated.duosecurity.com",
	Generate: duosim.Generator{Seed: 1, PerHour: 40, LateOneIn: 40, LateBy: 4 * time.Minute},
}

func startSimulator(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting the Duo simulator: %w", err)
	}
	go serve(context.WithoutCancel(ctx), listener, duosim.New(simulator), slog.Default()) // ends with the process
	return "http://" + listener.Addr().String(), nil
}

// once pushes one message and prints the report.
func (l *local) once(ctx context.Context, out io.Writer) int {
	ended := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { ended <- serve(serving, l.listener, l.routes, l.log) }()
	status, report, err := l.push(ctx, 1)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		fmt.Fprintln(l.con.err, err)
		return exitFailed
	}
	out.Write(report)
	if status != http.StatusOK {
		return exitFailed
	}
	return exitOK
}

// forever pushes a message now and then until ctx ends.
func (l *local) forever(ctx context.Context) int {
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l.listener, l.routes, l.log) }()
	l.welcome()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, _, err := l.push(ctx, n); err != nil && ctx.Err() == nil {
			fmt.Fprintln(l.con.err, err)
		}
		select {
		case <-tick.C:
		case err := <-ended:
			if err != nil {
				fmt.Fprintln(l.con.err, err)
				return exitFailed
			}
			return exitOK
		}
	}
}

// push delivers a message as Pub/Sub does, and returns the answer.
func (l *local) push(ctx context.Context, n int) (int, []byte, error) {
	l.shown.begin()
	defer l.shown.end()
	body, err := json.Marshal(map[string]any{
		"message": map[string]any{
			"data": []byte(`{}`), "attributes": map[string]string{},
			"messageId": fmt.Sprint(n), "publishTime": time.Now().UTC().Format(time.RFC3339Nano),
		},
		"subscription": "projects/local/subscriptions/local",
	})
	if err != nil {
		return 0, nil, err
	}
	// The run is told to stop by the server that it runs in, not by its client.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, "http://"+l.listener.Addr().String()+"/", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("pushing a message: %w", err)
	}
	defer resp.Body.Close()
	report, err := io.ReadAll(resp.Body)
	return resp.StatusCode, report, err
}

// welcome tells a person what is where.
func (l *local) welcome() {
	source := "the real Duo at " + l.cfg.duoHost
	if l.simulated {
		source = "a simulated Duo (set DUO_IKEY, DUO_SKEY and DUO_API_HOST for the real one)"
	}
	dir := filepath.Join(l.dir, "bucket")
	fmt.Fprintf(l.con.err, `Collecting from %s, a push every %v. Stop with Ctrl-C.

  objects   %s
  state     %s
  run now   curl -X POST http://%s/run
  count     curl -X POST http://%s/run -d '{"dry_run":true}'
  page      http://%s/
  status    curl http://%s/status
  look      find %s -name '*.ndjson*' | sort | tail -1 | xargs head -3

`, source, l.every, dir, filepath.Join(l.dir, "state.db"), l.listener.Addr(), l.listener.Addr(), l.listener.Addr(), l.listener.Addr(), dir)
}
