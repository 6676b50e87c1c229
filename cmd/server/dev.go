package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"

	"github.com/gerbang-id/gerbang/internal/devpg"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

type devCommand struct {
	Addr        address `env:"GERBANG_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"where the service listens"`
	SandboxAddr address `env:"GERBANG_SANDBOX_ADDR" default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"where the sandbox listens"`
	Dir         string  `env:"GERBANG_DEV_DIR" default:".gerbang" type:"path" placeholder:"DIR" help:"where the database and the keys are kept"`

	workSettings
	logSettings `set:"log_format=text"`
}

// Check implements checker.
func (c *devCommand) Check() []error {
	c.workSettings = c.workSettings.complete()
	return c.workSettings.faults()
}

// devDatabase is the database's name in the private Postgres.
const devDatabase = "gerbang"

// Run runs Postgres, the sandbox and the service until ctx ends.
func (c *devCommand) Run(ctx context.Context, t terminal) error {
	log := c.logger(t.err)
	// The doors first: a port that is taken is told before anything starts.
	front, err := listen(ctx, c.Addr, "--addr")
	if err != nil {
		return err
	}
	defer front.Close()
	back, err := listen(ctx, c.SandboxAddr, "--sandbox-addr")
	if err != nil {
		return err
	}
	defer back.Close()
	//nolint:gosec // G301: the user Postgres runs as under root passes through; the keys have 0600
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("make the directory for development: %w", err)
	}
	postgres, err := devpg.Start(ctx, devpg.Options{Dir: filepath.Join(c.Dir, "postgres"), Log: log})
	if err != nil {
		return err
	}
	defer postgres.Stop()
	if err := postgres.CreateDatabase(ctx, devDatabase); err != nil {
		return err
	}
	databaseURL := postgres.URL(devDatabase)
	if err := migrateUp(ctx, databaseURL); err != nil {
		return err
	}
	masterKey, err := devMasterKey(filepath.Join(c.Dir, "master.key"))
	if err != nil {
		return err
	}
	s, err := newService(ctx, serviceConfig{
		databaseURL: databaseURL, masterKey: masterKey, vendors: sandboxVendors("http://" + back.Addr().String()),
		work: c.workSettings, log: log,
	})
	if err != nil {
		return err
	}
	keys, err := devKeys(ctx, s.store, filepath.Join(c.Dir, "keys.json"))
	if err != nil {
		s.store.Close()
		return err
	}
	if err := c.welcome(t, front, back, databaseURL, keys); err != nil {
		s.store.Close()
		return err
	}
	return runDev(ctx, s, front, back, postgres, log)
}

// runDev serves until ctx ends or Postgres does. The sandbox outlives the
// service, whose last steps may need it.
func runDev(ctx context.Context, s *service, front, back net.Listener, postgres *devpg.Server, log *slog.Logger) error {
	vendorsCtx, vendorsGone := context.WithCancel(context.WithoutCancel(ctx))
	defer vendorsGone()
	var sandboxErr error
	var sandboxes sync.WaitGroup
	sandboxes.Go(func() { sandboxErr = serveSandbox(vendorsCtx, back, sandbox.Options{}, log) })

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-postgres.Done():
			stop(errPostgresEnded)
		case <-ctx.Done():
		}
	}()
	err := s.serve(ctx, front)
	if errors.Is(context.Cause(ctx), errPostgresEnded) {
		err = errors.Join(errPostgresEnded, err)
	}
	vendorsGone()
	sandboxes.Wait()
	return errors.Join(err, sandboxErr)
}

var errPostgresEnded = errors.New("postgres ended by itself; its log is beside its data")

// sandboxVendors are the settings that reach a sandbox at base.
func sandboxVendors(base string) vendorSettings {
	d := sandbox.DefaultDukcapil
	return vendorSettings{
		IdentityURL: baseURL(base + "/identity"), IdentityKey: pii.NewSecret(sandbox.DefaultIdentityKey),
		AMLURL: baseURL(base + "/aml"), AMLKey: pii.NewSecret(sandbox.DefaultAMLKey),
		FraudURL: baseURL(base + "/anti-fraud"), FraudKey: pii.NewSecret(sandbox.DefaultAntiFraudKey),
		DukcapilURL: baseURL(base), DukcapilCustomerID: d.CustomerID, DukcapilUserID: pii.NewSecret(d.UserID),
		DukcapilPassword: pii.NewSecret(d.Password), DukcapilIPUser: d.IPUser,
	}
}

// migrateUp applies what is pending.
func migrateUp(ctx context.Context, databaseURL string) error {
	m, err := store.NewMigrator(databaseURL)
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = m.Up(ctx)
	return err
}

// welcome says where everything is. It goes to standard output, the log to
// standard error.
func (c *devCommand) welcome(t terminal, front, back net.Listener, databaseURL string, keys map[string]string) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nservice\thttp://%s\n", front.Addr())
	fmt.Fprintf(w, "docs\thttp://%s/docs\n", front.Addr())
	fmt.Fprintf(w, "sandbox\thttp://%s\n", back.Addr())
	fmt.Fprintf(w, "database\t%s\n", databaseURL)
	fmt.Fprintf(w, "\nKeys of client %q, also in %s:\n", devClient, filepath.Join(c.Dir, "keys.json"))
	for _, role := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", role, keys[role], devSubjects[role])
	}
	fmt.Fprintln(w, "\nCtrl-C ends everything; the data stays.")
	return w.Flush()
}
