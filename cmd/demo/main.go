// Command demo drives invented customers down every path of the state machine,
// against a fresh stack, and shows what becomes of them: `make demo`.
//
// It is a black box driver: it builds the server's binary, runs it as two
// processes on a throwaway Postgres, with the vendors' sandbox in its own
// process, and does the rest over HTTP, as frontends, analysts and operators
// would. It may import internal/devpg and internal/sandbox, which are the
// machines around the service; of the service itself it knows nothing but the
// command line, the environment and openapi.yaml.
//
// It exits 0 only if every customer went exactly the way the cast says, the
// sandbox saw no breach of the vendors' contracts and nothing was done twice.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the whole program; its error says why the exit code is not 0.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	server := flags.String("server", "", "`path` of a built server; empty: build one")
	limit := flags.Duration("timeout", 90*time.Second, "how long everything but the build may take")
	latency := flags.Duration("latency", 100*time.Millisecond, "how long every call to a vendor takes")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // the flag set has said what is wrong
	}
	dir, err := os.MkdirTemp("", "gerbang-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if *server == "" {
		fmt.Fprintln(out, "building the server")
		if *server, err = build(ctx, dir); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("not done after %v", *limit))
	defer cancel()
	fmt.Fprintln(out, "starting Postgres, the vendors' sandbox and two servers")
	s, err := start(ctx, *server, dir, *latency)
	if err != nil {
		return fmt.Errorf("start the stack: %w", err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return perform(ctx, s, out)
}

// perform sends the whole cast through the stack at once and judges the result.
func perform(ctx context.Context, s *stack, out io.Writer) error {
	customers := make([]*customer, len(cast))
	for i, r := range cast {
		customers[i] = newCustomer(s, r, i)
	}
	p := newProgress(out, customers)
	var all sync.WaitGroup
	for _, c := range customers {
		all.Go(func() {
			c.live(ctx, func() { p.changed(c) })
			p.changed(c)
		})
	}
	all.Wait()
	p.close()
	table(out, customers)
	return judge(ctx, s, out, customers)
}

// judge says whether all went well; what did not, it explains.
func judge(ctx context.Context, s *stack, out io.Writer, customers []*customer) error {
	failed := 0
	for _, c := range customers {
		if c.err != nil {
			failed++
			explain(ctx, s, out, c)
		}
	}
	did := s.vendors.Effects()
	calls := 0
	for _, n := range did.Totals {
		calls += n
	}
	fmt.Fprintf(out, "\nThe sandbox counts %d effects at the vendors, %d done twice, %d violations of the contracts.\n",
		calls, len(did.DoneTwice), len(did.Violations))
	for _, d := range did.DoneTwice {
		fmt.Fprintf(out, "  done twice: %+v\n", d)
	}
	for _, v := range did.Violations {
		fmt.Fprintf(out, "  violation: %+v\n", v)
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d customers did not end as they should", failed, len(customers))
	case len(did.DoneTwice) > 0 || len(did.Violations) > 0:
		return errors.New("the sandbox holds something against us")
	}
	fmt.Fprintf(out, "All %d customers ended as they should.\n", len(customers))
	return nil
}

// explain prints what the service itself says about a customer who went
// astray, and what its log does.
func explain(ctx context.Context, s *stack, out io.Writer, c *customer) {
	fmt.Fprintf(out, "\n%s (%s): %v\n", c.name, c.what, c.err)
	if c.id == "" {
		fmt.Fprint(out, s.servers[0].tail(""))
		return
	}
	// The run's own time may be over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var explanation json.RawMessage
	if err := c.do(ctx, request{key: s.keys.operator, path: "/onboardings/" + c.id + "/explanation", into: &explanation}); err != nil {
		fmt.Fprintln(out, "  no explanation:", err)
	} else {
		fmt.Fprintf(out, "  explanation: %s\n", explanation)
	}
	for _, server := range s.servers {
		fmt.Fprint(out, server.tail(c.id))
	}
}
