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

	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/store"
	"duo-telephony-collector/internal/writer"
)

// localCommand is the whole system on one machine: a directory is the bucket,
// a bbolt file the store, and a clock pushes what Pub/Sub would push to the
// same routes that run in Cloud Run. Duo is simulated unless the environment
// names a real application.
type localCommand struct {
	dir   string
	addr  string
	every time.Duration
	once  bool
}

func (c *localCommand) define(flags *flag.FlagSet) {
	flags.StringVar(&c.dir, "dir", "./data", "keep objects in `DIR`/bucket and the state in DIR/state.db")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on this loopback `ADDRESS`")
	flags.DurationVar(&c.every, "every", 15*time.Second, "push a message every `DURATION`")
	flags.BoolVar(&c.once, "once", false, "push one message, print the report as JSON and exit")
}

func (c *localCommand) accept(args []string) error {
	host, _, err := net.SplitHostPort(c.addr)
	switch {
	case len(args) > 0:
		return unexpected(args)
	case err != nil || !isLoopback(host):
		return fmt.Errorf("-addr %q is no loopback address such as 127.0.0.1:8080; nobody is asked for a token here", c.addr)
	case c.every <= 0:
		return errors.New("-every must be positive")
	}
	return nil
}

func (c *localCommand) run(ctx context.Context, con console) int {
	l, err := startLocal(ctx, *c, con)
	if err != nil {
		fmt.Fprintln(con.err, err)
		return exitConfig
	}
	if c.once {
		return l.pushOnce(ctx)
	}
	return l.forever(ctx)
}

// local is a system that is listening.
type local struct {
	localCommand
	con       console
	cfg       config
	simulated bool
	listener  net.Listener
	routes    http.Handler
	log       *slog.Logger
	shown     *progress
}

func startLocal(ctx context.Context, c localCommand, con console) (*local, error) {
	l := &local{localCommand: c, con: con, shown: newProgress(con.err), simulated: !namesDuo(con.lookup)}
	lookup := localEnvironment(con.lookup)
	var err error
	if l.simulated {
		if lookup, err = simulateDuo(ctx, lookup); err != nil {
			return nil, err
		}
	}
	if l.cfg, err = readConfig(&env{lookup: lookup}); err != nil {
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
	l.log = slog.New(newConsoleLog(l.shown, l.cfg.logLevel))
	collector := newCollector(l.cfg, store.NewBolt(filepath.Join(c.dir, "state.db"), nil), writer.NewDir(c.dir, l.cfg.prefix), l.log)
	collector.Progress = l.shown.show
	l.routes = handler.New(handler.Config{Collector: collector, Log: l.log, Version: version})
	return l, nil
}

// localEnvironment is the real one, with what only the cloud needs made up.
func localEnvironment(lookup func(string) (string, bool)) func(string) (string, bool) {
	return overlaid(lookup, map[string]string{
		"GCS_BUCKET": "local", "FIRESTORE_PROJECT": "local", "AUTH_MODE": "verify",
		"PUSH_AUDIENCE": "local", "ALLOWED_CALLERS": "local@localhost", "PORT": "8080",
	})
}

// overlaid is lookup with some variables set.
func overlaid(lookup func(string) (string, bool), set map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := set[name]; ok {
			return v, true
		}
		return lookup(name)
	}
}

// pushOnce pushes one message and prints the report.
func (l *local) pushOnce(ctx context.Context) int {
	ended := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { ended <- serve(serving, l.listener, l.routes, l.log) }()
	status, report, err := l.push(ctx, 1)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		fmt.Fprintln(l.con.err, err)
		return exitFailed
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
