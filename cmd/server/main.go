// Command server collects Duo's telephony log into a Cloud Storage bucket: one
// run for every Pub/Sub message that is pushed to it.
//
//	server         serve, configured by the environment (see README.md)
//	server local   the whole system on this machine, with nothing to set
//	server check   what is wrong before it matters
//	server udm     what Google SecOps makes of records
//	server verify  whether the bucket holds what Duo shows
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is stamped by the build.
var version = "dev"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = 2 // the configuration or the command line is wrong
)

const usage = `usage:
  server         serve, configured by the environment
  server local   the whole system on this machine; server local -h lists its flags
  server check   what is wrong before it matters; server check -h lists its flags
  server udm     what Google SecOps makes of records, in files or on standard input
  server verify  whether the bucket holds what Duo shows; server verify -h lists its flags
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], console{os.LookupEnv, os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// console is what a command gets from outside.
type console struct {
	lookup func(string) (string, bool)
	in     io.Reader
	out    io.Writer
	err    io.Writer
}

func run(ctx context.Context, args []string, con console) int {
	if len(args) == 0 {
		return serveCommand(ctx, con)
	}
	switch args[0] {
	case "local":
		return runCommand(ctx, &localCommand{}, args, con)
	case "check":
		return runCommand(ctx, &checkCommand{}, args, con)
	case "udm":
		return runCommand(ctx, &udmCommand{}, args, con)
	case "verify":
		return runCommand(ctx, &verifyCommand{}, args, con)
	case "-h", "-help", "--help", "help":
		fmt.Fprint(con.out, usage)
		return exitOK
	}
	fmt.Fprintf(con.err, "unknown command %q\n%s", args[0], usage)
	return exitConfig
}

// command is a sub-command: what its flags say, once they are read.
type command interface {
	define(flags *flag.FlagSet)
	accept(args []string) error // what the flags leave over; it finds what no flag can say of itself
	run(ctx context.Context, con console) int
}

// runCommand reads the flags after the command's name, and runs it.
func runCommand(ctx context.Context, c command, args []string, con console) int {
	flags := flag.NewFlagSet("server "+args[0], flag.ContinueOnError)
	flags.SetOutput(con.err)
	c.define(flags)
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil: // Parse has told
		return exitConfig
	}
	if err := c.accept(flags.Args()); err != nil {
		fmt.Fprintln(con.err, err)
		return exitConfig
	}
	return c.run(ctx, con)
}

// unexpected refuses arguments where a command takes none.
func unexpected(args []string) error { return fmt.Errorf("unexpected argument %q", args[0]) }
