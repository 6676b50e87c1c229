package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

type sandboxCommand struct {
	Addr    address       `env:"GERBANG_SANDBOX_ADDR" default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"where to listen"`
	Latency time.Duration `env:"GERBANG_SANDBOX_LATENCY" placeholder:"200ms" help:"how long every call takes"`
	logSettings
}

// Run plays the vendors until ctx ends.
func (c *sandboxCommand) Run(ctx context.Context, t terminal) error {
	l, err := listen(ctx, c.Addr, "GERBANG_SANDBOX_ADDR (--addr)")
	if err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	v := sandboxVendors(base)
	fmt.Fprintf(t.out, "# the sandbox is at %s; a service reaches it with\n", base)
	for _, x := range [][2]string{
		{"GERBANG_QE_IDENTITY_URL", string(v.IdentityURL)}, {"GERBANG_QE_IDENTITY_KEY", sandbox.DefaultIdentityKey},
		{"GERBANG_QE_AML_URL", string(v.AMLURL)}, {"GERBANG_QE_AML_KEY", sandbox.DefaultAMLKey},
		{"GERBANG_QE_FRAUD_URL", string(v.FraudURL)}, {"GERBANG_QE_FRAUD_KEY", sandbox.DefaultAntiFraudKey},
		{"GERBANG_DUKCAPIL_URL", string(v.DukcapilURL)},
		{"GERBANG_DUKCAPIL_CUSTOMER_ID", sandbox.DefaultDukcapil.CustomerID},
		{"GERBANG_DUKCAPIL_USER_ID", sandbox.DefaultDukcapil.UserID},
		{"GERBANG_DUKCAPIL_PASSWORD", sandbox.DefaultDukcapil.Password},
		{"GERBANG_DUKCAPIL_IP_USER", sandbox.DefaultDukcapil.IPUser},
	} {
		fmt.Fprintf(t.out, "export %s=%s\n", x[0], x[1])
	}
	return serveSandbox(ctx, l, sandbox.Options{Latency: c.Latency}, c.logger(t.err))
}

// sandboxClosing bounds the end of a sandbox, whose hanging calls end at once.
const sandboxClosing = 5 * time.Second

// serveSandbox serves the vendors on l until ctx ends.
func serveSandbox(ctx context.Context, l net.Listener, o sandbox.Options, log *slog.Logger) error {
	vendors := sandbox.New(o)
	server := newHTTPServer(vendors, log)
	server.WriteTimeout = 0 // a fault may hang for as long as it likes
	door := newDoor(server, l)
	failed := make(chan error, 1)
	go func() { failed <- door.serve() }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the sandbox: %w", err)
	case <-ctx.Done():
	}
	vendors.Close()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), sandboxClosing)
	defer cancel()
	return door.close(bounded, 0)
}
