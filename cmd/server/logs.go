package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"duo-telephony-collector/internal/collect"
	"duo-telephony-collector/internal/duo"
)

// maxPrefix leaves room in an object's name, in bytes, for what follows the prefix.
const maxPrefix = 900

// defaultLog is what is collected where nothing else is set. It is the one that
// STATE_KEY is about: the older function knew no other.
var defaultLog = duo.Logs[0]

func isDefault(l duo.Log) bool { return l.Name == defaultLog.Name }

// folder is the prefix of a log's objects of an account, "" for the application's own.
func (c config) folder(l duo.Log, account string) string {
	prefix := strings.ReplaceAll(c.prefix, logPart, l.Name)
	switch {
	case strings.Contains(prefix, accountPart):
		return strings.ReplaceAll(prefix, accountPart, cmp.Or(account, c.duoHost))
	case account == "":
		return prefix
	}
	return strings.TrimPrefix(prefix+"/"+account, "/")
}

// folders are where feeds find the objects: a folder for each log and, where the
// prefix says so, for each account. Child accounts are not known yet.
func (c config) folders() []string {
	accounts := c.known()
	switch {
	case !strings.Contains(c.prefix, accountPart):
		accounts = []duo.Account{{}}
	case c.accounts == childAccounts:
		accounts = []duo.Account{{Host: accountPart}}
	}
	var all []string
	for _, l := range c.logs {
		for _, a := range accounts {
			all = append(all, c.folder(l, a.Host))
		}
	}
	return all
}

// known are the accounts that the configuration tells of, the application's own as the zero one.
func (c config) known() []duo.Account {
	switch {
	case c.accounts == childAccounts:
		return nil
	case c.accountsFile == "":
		return []duo.Account{{}}
	}
	var all []duo.Account
	for _, a := range c.applications {
		all = append(all, a.Account)
	}
	return all
}

// streams are what the documents of all logs are named, as far as it is known.
func (c config) streams() []string {
	var all []string
	for _, a := range c.known() {
		for _, l := range c.logs {
			all = append(all, c.of(&l, a).Live().String())
		}
	}
	return all
}

func (c config) logNames() []string {
	var all []string
	for _, l := range c.logs {
		all = append(all, l.Name)
	}
	return all
}

// of is how to collect a log of an account.
func (c config) of(l *duo.Log, a duo.Account) collect.Config {
	of := c.collect
	of.Log, of.Overlap, of.Account = l, c.overlaps[l.Name], a
	of.Host = cmp.Or(a.Host, of.Host)
	return of
}

func (e *env) readLogs(c *config) {
	const name, every = "DUO_LOGS", "all"
	named := map[string]bool{}
	for _, v := range e.list(name, defaultLog.Name, "the logs to collect, or "+every) {
		v = strings.ToLower(v)
		if named[v] {
			e.fault(name, "%q is there twice", v)
		}
		named[v] = true
	}
	if named[every] && len(named) > 1 {
		e.fault(name, "%s stands beside a name: keep one of them", every)
	}
	var known []string
	for _, l := range duo.Logs {
		if named[every] || named[l.Name] {
			c.logs = append(c.logs, l)
		}
		known = append(known, l.Name)
	}
	for _, v := range slices.Sorted(maps.Keys(named)) {
		if v != every && !slices.Contains(known, v) {
			e.fault(name, "%q is no log that can be collected: set it to some of %s, or to %s", v, strings.Join(known, ", "), every)
		}
	}
	c.concurrency = e.number("CONCURRENCY", 8, 1, 64)
}

// What is replaced in the prefix, by a log's name and by an account's API hostname.
const (
	logPart     = "{log}"
	accountPart = "{account}"
)

// sampleHost is a host as long as they are, for accounts that are not known yet.
const sampleHost = "api-00000000.duosecurity.com"

func (e *env) readPrefix(c *config) {
	const name = "GCS_PREFIX"
	c.prefix = strings.Trim(e.text(name, "duo-"+logPart), "/")
	if strings.ContainsAny(strings.NewReplacer(logPart, "", accountPart, "").Replace(c.prefix), "{}") {
		e.fault(name, "%q has braces around something else than log or account: %s and %s are all that is replaced", c.prefix, logPart, accountPart)
		return
	}
	if len(c.logs) > 1 && !strings.Contains(c.prefix, logPart) {
		e.fault(name, "%q would mix the logs, and a SecOps feed reads a folder as one log: put %s into it, such as duo-%s", c.prefix, logPart, logPart)
		return
	}
	for _, l := range c.logs {
		folder := c.folder(l, "")
		if strings.Contains(c.prefix, accountPart) || c.accounts != ownAccount {
			folder = c.folder(l, sampleHost)
		}
		if fault := prefixFault(folder); fault != "" {
			e.fault(name, "%q %s", folder, fault)
			return
		}
	}
}

// prefixFault is why no objects should go there, "" if they may. Some of it Cloud
// Storage refuses, some of it means something else to those who read the bucket:
// https://docs.cloud.google.com/storage/docs/objects#naming
func prefixFault(prefix string) string {
	folders := strings.Split(prefix, "/")
	switch {
	case prefix == "":
		return ""
	case strings.HasPrefix(prefix, "gs://"):
		return "begins with gs://: it is a folder in GCS_BUCKET, without the bucket"
	case slices.Contains(folders, ""):
		return "has an empty folder name, which SecOps feeds can't read"
	case slices.Contains(folders, "."), slices.Contains(folders, ".."):
		return `has a folder "." or "..", which Cloud Storage takes for names and other programs leave out: write the folder that is meant`
	case !utf8.ValidString(prefix):
		return "is no UTF-8"
	case strings.ContainsFunc(prefix, unicode.IsControl):
		return "has a control character such as a newline in it"
	case strings.ContainsAny(prefix, "#?*[]"):
		return "has one of # ? * [ ], which gcloud and others read as patterns or versions"
	case strings.HasPrefix(prefix+"/", ".well-known/acme-challenge/"):
		return "is reserved by Cloud Storage: take another folder"
	case len(prefix) > maxPrefix:
		return fmt.Sprintf("is longer than %d bytes, and Cloud Storage takes object names of 1024", maxPrefix)
	}
	return ""
}

// overlaps returns how far back the windows of each log reach: OVERLAP_<LOG>,
// else OVERLAP, else what the log has of its own.
func (e *env) overlaps() map[string]time.Duration {
	const name, most = "OVERLAP", 179 * day
	var common time.Duration
	text := e.text(name, "")
	_, set := e.lookup(name)
	if set {
		common = e.parseDuration(name, text, 0, most)
	}
	overlaps := map[string]time.Duration{}
	for _, l := range duo.Logs {
		fallback := l.Overlap
		if set {
			fallback = common
		}
		own := name + "_" + strings.ToUpper(strings.ReplaceAll(l.Name, "-", "_"))
		overlaps[l.Name] = e.duration(own, short(fallback), 0, most)
	}
	return overlaps
}

// short writes a duration without its zero units: 10m, not 10m0s.
func short(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}
