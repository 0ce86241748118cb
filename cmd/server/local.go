package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// localCommand is the whole system on one machine: a directory is the bucket, a bbolt
// file the store, and a clock pushes what Pub/Sub would push to the routes that run in
// Cloud Run. Duo is simulated unless the environment names a real application.
type localCommand struct {
	dir   string
	logs  string
	addr  string
	every time.Duration
	once  bool
}

func (c *localCommand) define(flags *flag.FlagSet) {
	flags.StringVar(&c.dir, "dir", "./data", "keep objects in `DIR`/bucket and the state in DIR/state.db")
	flags.StringVar(&c.logs, "logs", "", "collect these `LOGS`, comma-separated, or all (default DUO_LOGS, or telephony)")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on this loopback `ADDRESS`")
	flags.DurationVar(&c.every, "every", 15*time.Second, "push a message every `DURATION`")
	flags.BoolVar(&c.once, "once", false, "push one message, print the report as JSON and exit")
}

func (c *localCommand) accept(args []string) error {
	switch {
	case len(args) > 0:
		return unexpected(args)
	case c.every <= 0:
		return errors.New("-every must be positive")
	}
	return loopbackOnly(c.addr)
}

// loopbackOnly refuses an address at which others could connect.
func loopbackOnly(addr string) error {
	if host, _, err := net.SplitHostPort(addr); err != nil || !isLoopback(host) {
		return fmt.Errorf("-addr %q is no loopback address such as 127.0.0.1:8080; nobody is asked for a token here", addr)
	}
	return nil
}

func (c *localCommand) run(ctx context.Context, con console) int {
	l, err := startLocal(ctx, *c, con)
	if err != nil {
		return con.exit(exitConfig, err)
	}
	if c.once {
		return l.pushOnce(ctx)
	}
	return l.forever(ctx)
}

// local is a system that is listening.
type local struct {
	localCommand
	con      console
	cfg      config
	source   string // which Duo it is
	listener net.Listener
	routes   http.Handler
	log      *slog.Logger
	shown    *progress
}

func startLocal(ctx context.Context, c localCommand, con console) (*local, error) {
	l := &local{localCommand: c, con: con, shown: newProgress(con.err)}
	lookup, simulated := localEnvironment(con.lookup, c.logs)
	var err error
	if l.cfg, err = readConfig(&env{lookup: lookup}); err != nil {
		return nil, err
	}
	if l.source = simulated; simulated == "" { // an accounts file has hosts of its own
		l.source = strings.TrimSuffix("the real Duo at "+l.cfg.duoHost, " at ")
	} else if err := startSimulator(ctx, &l.cfg); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "bucket"), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for objects: %w: choose another one with -dir", err)
	}
	if c.once { // no other program needs to find it
		l.addr = "127.0.0.1:0"
	}
	if l.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr); err != nil {
		return nil, fmt.Errorf("%w: choose another address with -addr", err)
	}
	hidden := dull
	if l.shown.named = l.several(); !l.shown.named {
		hidden = append(hidden, "stream")
	}
	l.log = slog.New(newConsoleLog(l.shown, l.cfg.logLevel, hidden))
	source := newSource(l.cfg, store.NewBolt(filepath.Join(c.dir, "state.db"), nil), writer.NewDir(c.dir, ""), l.log,
		func(c *collect.Collector) { c.Progress = l.shown.show })
	routes := handler.New(handler.Config{Streams: source, Log: l.log, Version: version, Runbook: l.cfg.runbook})
	l.routes = ownHost(l.listener.Addr().String(), http.NewCrossOriginProtection().Handler(routes)) // there is no id token
	return l, nil
}

// several reports whether there can be more than one stream.
func (l *local) several() bool { return len(l.cfg.logs) > 1 || l.cfg.accounts != ownAccount }

// localEnvironment is the outer one with a Duo, see withDuo, and with these logs if
// they are named. What only the cloud needs is made up; an older function's state,
// which is there, is left out.
func localEnvironment(outer lookup, logs string) (_ lookup, simulated string) {
	set := map[string]string{
		"GCS_BUCKET": "local", "FIRESTORE_PROJECT": "local", "AUTH_MODE": "verify", "STATE_KEY": "",
		"PUSH_AUDIENCE": "local", "ALLOWED_CALLERS": "local@localhost", "PORT": "8080",
	}
	if logs != "" {
		set["DUO_LOGS"] = logs
	}
	return withDuo(overlaid(outer, set))
}

func overlaid(beneath lookup, set map[string]string) lookup {
	return func(name string) (string, bool) {
		if v, ok := set[name]; ok {
			return v, true
		}
		return beneath(name)
	}
}

func (l *local) pushOnce(ctx context.Context) int {
	fmt.Fprintf(l.con.err, "Collecting %sfrom %s.\n", l.what(), l.source)
	ended := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { ended <- serve(serving, l.listener, l.routes, l.log) }()
	status, report, err := l.push(1)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return l.con.exit(exitFailed, err)
	}
	l.con.out.Write(report)
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
		if _, _, err := l.push(n); err != nil && ctx.Err() == nil {
			fmt.Fprintln(l.con.err, err)
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return l.con.exit(exitFailed, err)
		}
	}
}

// push delivers a message as Pub/Sub does, and returns the answer.
func (l *local) push(n int) (int, []byte, error) {
	l.shown.begin()
	defer l.shown.end()
	body := fmt.Sprintf(`{"message":{"data":"e30=","attributes":{},"messageId":"%d","publishTime":%q},
		"subscription":"projects/local/subscriptions/local"}`, n, time.Now().UTC().Format(time.RFC3339Nano))
	// Without a context: the server that the run is in tells it to stop, not its client.
	to := fmt.Sprintf("http://%s/", l.listener.Addr())
	resp, err := http.Post(to, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("pushing a message: %w", err)
	}
	defer resp.Body.Close()
	report, err := io.ReadAll(resp.Body)
	return resp.StatusCode, report, err
}

// what names the logs, where there are several. It ends in a blank then.
func (l *local) what() string {
	if len(l.cfg.logs) == 1 {
		return ""
	}
	return strings.Join(l.cfg.logNames(), ", ") + " "
}

func (l *local) welcome() {
	dir := filepath.Join(l.dir, "bucket")
	objects, one := dir, ""
	if l.several() {
		objects = filepath.Join(dir, strings.Join(l.cfg.folders(), "\n            "+dir+string(filepath.Separator)))
	}
	if len(l.cfg.logs) > 1 {
		one = fmt.Sprintf("\n  one log   curl -X POST http://%s/run -d '{\"log\":\"%s\"}'", l.listener.Addr(), l.cfg.logs[1].Name)
	}
	fmt.Fprintf(l.con.err, `Collecting %sfrom %s, a push every %v. Stop with Ctrl-C.

  objects   %s
  state     %s
  run now   curl -X POST http://%s/run%s
  count     curl -X POST http://%s/run -d '{"dry_run":true}'
  page      http://%s/
  status    curl http://%s/status
  look      find %s -name '*.ndjson*' | sort | tail -1 | xargs head -3

`, l.what(), l.source, l.every, objects, filepath.Join(l.dir, "state.db"), l.listener.Addr(), one, l.listener.Addr(), l.listener.Addr(), l.listener.Addr(), dir)
}
