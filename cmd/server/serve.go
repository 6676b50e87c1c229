package main

import (
	"context"
	"errors"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

type serveCommand struct {
	Addr      address    `env:"GERBANG_ADDR" default:":8080" placeholder:"HOST:PORT" help:"where to listen"`
	MasterKey pii.Secret `need:"" env:"GERBANG_MASTER_KEY" placeholder:"BASE64" help:"32 bytes in base64 (openssl rand -base64 32), which seal all personal data"`

	databaseSettings
	vendorSettings
	workSettings
	logSettings
}

// notice is how long requests are still taken after /readyz turned 503, so that
// whoever sends them has seen it.
const notice = time.Second

// Check implements checker.
func (c *serveCommand) Check() []error {
	c.workSettings = c.workSettings.complete()
	wrong := append(c.vendorSettings.faults(), c.workSettings.faults()...)
	if !c.MasterKey.IsZero() {
		if _, err := keyring(c.MasterKey); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, t terminal) error {
	log := c.logger(t.err)
	schema, err := checkSchema(ctx, c.DatabaseURL.Reveal())
	if err != nil {
		return err
	}
	listener, err := listen(ctx, c.Addr, "GERBANG_ADDR (--addr)")
	if err != nil {
		return err
	}
	s, err := newService(ctx, serviceConfig{
		databaseURL: c.DatabaseURL.Reveal(), masterKey: c.MasterKey,
		vendors: c.vendorSettings, work: c.workSettings, notice: notice, log: log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("serving", "addr", listener.Addr().String(), "version", version(), "schema", schema,
		"policy", s.policy.version, "dukcapil", s.policy.products.Dukcapil, "anti_fraud", s.policy.products.AntiFraud)
	return s.serve(ctx, listener)
}

// checkSchema refuses a database this binary does not know, and returns its
// schema's version.
func checkSchema(ctx context.Context, databaseURL string) (int64, error) {
	m, err := store.NewMigrator(databaseURL)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if err := m.Check(ctx); err != nil {
		return 0, err
	}
	current, _, err := m.Versions(ctx)
	return current, err
}
