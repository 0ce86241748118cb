// Command server collects Duo's logs into a Cloud Storage bucket, with one run of each
// log per pushed Pub/Sub message. What else it can do is in [usage].
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
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
	lookup lookup
	in     io.Reader
	out    io.Writer
	err    io.Writer
}

// exit ends a command, with the code if there is an error to tell.
func (con console) exit(code int, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(con.err, err)
	return code
}

func run(ctx context.Context, args []string, con console) int {
	if len(args) == 0 {
		return serveCommand(ctx, con)
	}
	if slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		fmt.Fprint(con.out, usage)
		return exitOK
	}
	commands := map[string]command{
		"local": &localCommand{}, "check": &checkCommand{}, "udm": &udmCommand{}, "verify": &verifyCommand{},
		"page": &pageCommand{},
	}
	if c, known := commands[args[0]]; known {
		return runCommand(ctx, c, args, con)
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
		return con.exit(exitConfig, err)
	}
	return c.run(ctx, con)
}

// unexpected refuses arguments of a command that takes none.
func unexpected(args []string) error { return fmt.Errorf("unexpected argument %q", args[0]) }
