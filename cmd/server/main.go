// Command server is Gerbang's one binary: the service, its database's
// migrations, its keys, and the vendors' sandbox.
//
// It wires and configures, nothing else: every package may be imported here,
// and nothing may import this one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/gerbang-id/gerbang/internal/api"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done
	exitUsage  = 2 // it was asked for wrongly: a flag or a setting
)

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the service on the database of DATABASE_URL."`
	Dev     devCommand     `cmd:"" help:"Run everything on this machine: a private Postgres, the sandbox, the service."`
	Migrate migrateCommand `cmd:"" help:"Change or show the database's schema."`
	Keys    keysCommand    `cmd:"" help:"Manage API keys."`
	Sandbox sandboxCommand `cmd:"" help:"Run the vendors' sandbox alone."`
	Diagram diagramCommand `cmd:"" help:"Print docs/states.md, the picture of the state machine."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// terminal is where a command writes: results to out, everything else to err.
type terminal struct{ out, err io.Writer }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program. It ends when its command has, or when ctx does, and
// returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var (
		cli    commands
		found  = newFaults()
		helped = -1
	)
	options := append(found.options(),
		kong.Name("server"),
		kong.Description("Gerbang takes a customer from a filled-in form to a decision."),
		kong.Writers(stdout, stderr),
		kong.Vars{"log_format": "json", "roles": strings.Join(api.Roles(), ",")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { helped = code }), // called by --help alone
	)
	parser, err := kong.New(&cli, options...)
	if err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if helped >= 0 {
		return helped
	}
	if err != nil {
		fmt.Fprintln(stderr, "server:", scrub(err, args))
		fmt.Fprintln(stderr, "see: server --help")
		return exitUsage
	}
	if err := found.check(parsed); err != nil {
		return report(stderr, err)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(stderr, parsed.Run(terminal{stdout, stderr}))
}

// report prints an error, configuration faults one a line.
func report(stderr io.Writer, err error) int {
	var wrong *configError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "server: the configuration is wrong:")
		for line := range strings.Lines(wrong.Error()) {
			fmt.Fprintln(stderr, "  "+strings.TrimRight(line, "\n"))
		}
		return exitUsage
	default:
		fmt.Fprintln(stderr, "server:", err)
		return exitFailed
	}
}

// plain is what a flag or a command looks like, and no key or password does.
var plain = regexp.MustCompile(`^-{0,2}[a-z][a-z-]{0,30}$`)

// scrub takes out of a usage error what may be a secret whose flag got lost:
// the parser quotes what it does not understand.
func scrub(err error, args []string) string {
	text := err.Error()
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		for _, part := range []string{arg, name, value} {
			if part != "" && !plain.MatchString(part) {
				text = strings.ReplaceAll(text, part, "[redacted]")
			}
		}
	}
	return text
}
