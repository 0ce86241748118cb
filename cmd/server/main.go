// Command server collects Duo's telephony log into a Cloud Storage bucket, with one
// run per pushed Pub/Sub message.
//
//	server         serve, configured by the environment (see README.md)
//	server local   run the whole system on this machine, with nothing to set
//	server check   find out what is wrong before it matters
//	server udm     show what Google SecOps makes of records
//	server verify  compare the bucket with what Duo shows
//	server page    show a deployed service's status page in a browser
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

// version is set by the build.
var version = "dev"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = 2 // the configuration or the command line is wrong
)

const usage = `usage:
  server         serve, configured by the environment
  server local   run the whole system on this machine; server local -h lists its flags
  server check   find out what is wrong before it matters; server check -h lists its flags
  server udm     show what Google SecOps makes of records, in files or on standard input
  server verify  compare the bucket with what Duo shows; server verify -h lists its flags
  server page    show a deployed service's status page in a browser; server page -h lists its flags
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], console{os.LookupEnv, os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// console is a command's access to the outside.
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
	case "page":
		return runCommand(ctx, &pageCommand{}, args, con)
	case "-h", "-help", "--help", "help":
		fmt.Fprint(con.out, usage)
		return exitOK
	}
	fmt.Fprintf(con.err, "unknown command %q\n%s", args[0], usage)
	return exitConfig
}

// command is a sub-command with its flags.
type command interface {
	define(flags *flag.FlagSet)
	accept(args []string) error // checks the flags together, and the arguments after them
	run(ctx context.Context, con console) int
}

// runCommand parses the flags after the command's name and runs the command.
func runCommand(ctx context.Context, c command, args []string, con console) int {
	flags := flag.NewFlagSet("server "+args[0], flag.ContinueOnError)
	flags.SetOutput(con.err)
	c.define(flags)
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil: // Parse has written it to con.err
		return exitConfig
	}
	if err := c.accept(flags.Args()); err != nil {
		fmt.Fprintln(con.err, err)
		return exitConfig
	}
	return c.run(ctx, con)
}

// unexpected refuses arguments of a command that takes none.
func unexpected(args []string) error { return fmt.Errorf("unexpected argument %q", args[0]) }
