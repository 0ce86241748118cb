package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/handler"
	"duo-telephony-collector/internal/writer"
)

// What DUO_ACCOUNTS can be beside an accounts file.
const (
	ownAccount    = "own"
	childAccounts = "children"
)

const (
	// listEvery is how often Duo is asked for the child accounts, and
	// listAgain when it is asked once more after it could not be. Without a list
	// that is listSoon: then requests that wait for each other share the answer.
	listEvery = 10 * time.Minute
	listAgain = time.Minute
	listSoon  = 5 * time.Second
	// listTimeout is how long a request waits for the list.
	listTimeout = 20 * time.Second
)

func (e *env) readAccounts(c *config) {
	const name = "DUO_ACCOUNTS"
	c.accounts = cmp.Or(e.text(name, ownAccount), ownAccount)
	for _, word := range []string{ownAccount, childAccounts} {
		if strings.EqualFold(c.accounts, word) {
			c.accounts = word
			return
		}
	}
	c.accountsFile = c.accounts
	var err error
	if c.applications, err = duo.ReadAccounts(c.accountsFile); err != nil {
		e.fault(name, "it is neither %s nor %s, so it names an accounts file: %w", ownAccount, childAccounts, pathless(err))
	}
}

// placed is a bucket that leads to its places: of logs, accounts and earlier settings.
type placed[B any] interface {
	collect.Bucket
	At(writer.Place) B
}

// newSource returns the streams of each log of each account, which share the
// connections. with, unless it is nil, completes each collector.
func newSource[B placed[B]](cfg config, s collect.Store, b B, log *slog.Logger, with func(*collect.Collector)) handler.Source {
	at := func(p writer.Place) collect.Bucket { return b.At(p) }
	of := func(client *duo.Client, a duo.Account) []*collect.Collector {
		var collectors []*collect.Collector
		for i := range cfg.logs {
			l, place := &cfg.logs[i], b.Place()
			place.Prefix = cfg.folder(*l, a.Host)
			c := &collect.Collector{
				Duo: client, Store: s, Bucket: b.At(place), Logger: log, Config: cfg.of(l, a), At: at,
			}
			if with != nil {
				with(c)
			}
			collectors = append(collectors, c)
		}
		return collectors
	}
	client := newDuo(cfg, log)
	if cfg.accounts == childAccounts {
		return &children{client: client, list: client.Children, of: of, concurrency: cfg.concurrency, log: log}
	}
	streams := &collect.Streams{Concurrency: cfg.concurrency}
	if cfg.accountsFile == "" {
		streams.Collectors = of(client, duo.Account{})
	}
	for _, a := range cfg.applications {
		streams.Collectors = append(streams.Collectors, of(client.Application(a, cfg.accountsFile), a.Account)...)
	}
	return streams
}

// newDuo returns the client of the application that the environment names. Where that
// is none it leads to those of the accounts file.
func newDuo(cfg config, log *slog.Logger) *duo.Client {
	return duo.New(duo.Config{
		IKey: cfg.duoIKey, Secret: cfg.duoSecret, Host: cfg.duoHost, URL: cfg.duoURL, Interval: cfg.pageInterval, Log: log,
	})
}

// children are the streams of the accounts that Duo lists below the application's.
type children struct {
	client      *duo.Client
	list        func(context.Context) ([]duo.Account, error) // the client's
	of          func(*duo.Client, duo.Account) []*collect.Collector
	concurrency int
	log         *slog.Logger

	mu      sync.Mutex
	again   time.Time        // when to list them once more
	streams *collect.Streams // nil before the first list
	err     error            // why there is none
	names   map[string]string
}

// errNone: an account does not lose all of its children at once: this is not believed.
var errNone = &duo.Error{
	Err:  errors.New("no account is listed below the one that the keys belong to"),
	Hint: "see in its Admin Panel whether it has child accounts; set DUO_ACCOUNTS to own to collect its own logs, with an Admin API application's keys",
}

// Now lists the accounts now and then. An unreadable or empty list changes nothing.
func (c *children) Now(ctx context.Context) (*collect.Streams, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.again) {
		return c.streams, c.err
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout) // others wait for it, too
	defer cancel()
	accounts, err := c.list(bounded)
	if err == nil && len(accounts) == 0 {
		err = errNone
	}
	switch {
	case err == nil:
		c.replace(ctx, accounts)
	case c.streams == nil:
		c.again, c.err = time.Now().Add(listSoon), fmt.Errorf("the child accounts can't be listed: %w", err)
	default:
		c.again = time.Now().Add(listAgain)
		c.log.WarnContext(ctx, "the child accounts can't be listed, those listed before are collected", "error", err)
	}
	return c.streams, c.err
}

// replace makes the streams of a new list, and tells what is new in it.
func (c *children) replace(ctx context.Context, accounts []duo.Account) {
	streams, names := &collect.Streams{Concurrency: c.concurrency}, map[string]string{}
	for _, a := range accounts {
		collectors, host := c.child(a, names)
		streams.Collectors = append(streams.Collectors, collectors...)
		names[host] = a.Name
		if _, known := c.names[host]; !known && c.streams != nil {
			c.log.InfoContext(ctx, "account added", "account", host, "name", a.Name)
		}
	}
	for host, name := range c.names {
		if _, listed := names[host]; !listed {
			c.log.WarnContext(ctx, "account no longer listed: it is not collected any more, and goes on where it stands if it is listed again", "account", host, "name", name)
		}
	}
	c.streams, c.err, c.names, c.again = streams, nil, names, time.Now().Add(listEvery)
}

// unnameable is what the name of a document can't have.
var unnameable = regexp.MustCompile(`[^0-9A-Za-z]`)

// child returns the streams of an account, and the host that names them. If the
// account can't be asked, all of its runs fail.
func (c *children) child(a duo.Account, others map[string]string) ([]*collect.Collector, string) {
	client, err := c.client.Child(a)
	if host, ok := duo.ParseHost(a.Host); err == nil && ok {
		a.Host = host
		if other, twice := others[host]; twice {
			err = &duo.Error{Err: fmt.Errorf("the account is listed with the API hostname %s, as %q is", host, other), Hint: "ask Duo Support which of them has it"}
		}
	}
	if err == nil {
		return c.of(client, a), a.Host
	}
	name := unnameable.ReplaceAllString(cmp.Or(a.ID, a.Host, a.Name), "-")
	a.Host = "unusable-" + name[:min(len(name), 64)]
	collectors := c.of(c.client, a)
	for _, one := range collectors {
		one.Fault = err
	}
	return collectors, a.Host
}
