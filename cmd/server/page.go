package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/idtoken"
)

// pageCommand shows a deployed service's status page in a browser, which has no
// id token to send: it adds one to what the browser asks for. gcloud run services
// proxy can't take its place: its token is for gcloud's own audience and, of an
// impersonated account, without an e-mail address; with --token it ends within the
// hour, stands in the list of processes, and lets any web site POST.
type pageCommand struct {
	url     string // of the service, and the audience of its id tokens
	account string
	addr    string
}

func (c *pageCommand) define(flags *flag.FlagSet) {
	flags.StringVar(&c.url, "url", "", "show the service at this `URL`, which is an audience that it accepts")
	flags.StringVar(&c.account, "account", "", "call it as this service `ACCOUNT`, by its e-mail address")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:0", "listen on this loopback `ADDRESS`; port 0 is a free one")
}

func (c *pageCommand) accept(args []string) error {
	c.url = strings.TrimSuffix(c.url, "/")
	to, urlErr := url.Parse(c.url)
	switch {
	case len(args) > 0:
		return unexpected(args)
	case c.url == "" || c.account == "":
		return errors.New("-url and -account are required: terraform -chdir=deploy/terraform output -raw page prints the whole command")
	case urlErr != nil || c.url != to.Scheme+"://"+to.Host || to.Scheme != "https" && (to.Scheme != "http" || !isLoopback(to.Hostname())):
		return fmt.Errorf("-url %q is no https:// address without a path", c.url)
	}
	return loopbackOnly(c.addr)
}

func (c *pageCommand) run(ctx context.Context, con console) int {
	token := &gcloudToken{account: c.account, audience: c.url}
	if _, err := token.get(ctx); err != nil {
		return con.exit(exitFailed, err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return con.exit(exitConfig, fmt.Errorf("%w: choose another address with -addr", err))
	}
	fmt.Fprintf(con.err, "The status page of %s is at\n\n  http://%s/\n\nStop with Ctrl-C.\n", c.url, listener.Addr())
	log := slog.New(newConsoleLog(con.err, slog.LevelInfo, nil))
	return con.exit(exitFailed, serve(ctx, listener, c.routes(listener.Addr().String(), token), log))
}

// routes passes on what only reads.
func (c *pageCommand) routes(address string, token *gcloudToken) http.Handler {
	mux := http.NewServeMux()
	for _, route := range []string{"GET /{$}", "GET /status"} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			if err := c.pass(w, r, token); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		})
	}
	return ownHost(address, mux)
}

// ownHost serves who asks for the address by its own name: a web site can point its
// name here, and would then be let in.
func ownHost(address string, routes http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != address && r.Host != net.JoinHostPort("localhost", port) {
			http.Error(w, "ask for http://"+address+"/", http.StatusMisdirectedRequest)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// pass asks the service for the same path and query, without the browser's
// headers: they may have a cookie of another service on this machine. A refusal,
// which tells a stranger nothing, becomes what to do.
func (c *pageCommand) pass(w http.ResponseWriter, r *http.Request, token *gcloudToken) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, c.url+r.URL.RequestURI(), nil)
	if err != nil {
		return err
	}
	bearer, err := token.get(r.Context())
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("the service refused the id token: -url must be in its PUSH_AUDIENCE: %s; its log has the reason", c.url)
	case http.StatusForbidden:
		return fmt.Errorf("the service refused the caller: -account must be in its ALLOWED_CALLERS: %s; its log has the reason", c.account)
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // an error means that the browser is gone
	return nil
}

// gcloudToken is an id token of an impersonated service account.
type gcloudToken struct {
	account, audience string

	mu      sync.Mutex
	token   string
	expires time.Time
}

// get returns the token, a new one if it expires within five minutes. An error
// holds what gcloud says of it, never what it prints.
func (g *gcloudToken) get(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Until(g.expires) > 5*time.Minute {
		return g.token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "gcloud", "auth", "print-identity-token", "--include-email",
		"--audiences="+g.audience, "--impersonate-service-account="+g.account)
	cmd.Stderr, cmd.WaitDelay = &said, time.Second // it may leave children behind that hold the output
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("there is no gcloud on the PATH, which makes the id tokens: install the Google Cloud CLI: %w", err)
	case err != nil:
		return "", fmt.Errorf("gcloud makes no id token for %s: %w: log in with gcloud auth login as one of Terraform's operators. It says:\n%s",
			g.account, err, said.String())
	}
	token := strings.TrimSpace(string(out))
	payload, err := idtoken.ParsePayload(token)
	if err != nil {
		return "", errors.New("what gcloud auth print-identity-token prints is no id token: update gcloud")
	}
	g.token, g.expires = token, time.Unix(payload.Expires, 0)
	return token, nil
}
