package main

import (
	"context"
	"fmt"

	"github.com/gerbang-id/gerbang/internal/store"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Apply every migration that is pending."`
	Down   migrateDownCommand   `cmd:"" help:"Take the newest migration back, with the data it holds."`
	Status migrateStatusCommand `cmd:"" help:"Show the schema's version and the one this binary needs."`
}

type (
	migrateUpCommand     struct{ databaseSettings }
	migrateDownCommand   struct{ databaseSettings }
	migrateStatusCommand struct{ databaseSettings }
)

// Run applies what is pending.
func (c *migrateUpCommand) Run(ctx context.Context, t terminal) error {
	return c.move(ctx, t, (*store.Migrator).Up)
}

// Run takes one migration back.
func (c *migrateDownCommand) Run(ctx context.Context, t terminal) error {
	return c.move(ctx, t, (*store.Migrator).Down)
}

// Run shows both versions.
func (c *migrateStatusCommand) Run(ctx context.Context, t terminal) error {
	m, err := store.NewMigrator(c.DatabaseURL.Reveal())
	if err != nil {
		return err
	}
	defer m.Close()
	current, target, err := m.Versions(ctx)
	if err != nil {
		return err
	}
	state := "up to date"
	switch {
	case current < target:
		state = "behind: run `server migrate up`"
	case current > target:
		state = "ahead: a newer binary migrated it"
	}
	fmt.Fprintf(t.out, "schema %d, this binary %d: %s\n", current, target, state)
	return nil
}

// move migrates and says from where to where.
func (s databaseSettings) move(ctx context.Context, t terminal, apply func(*store.Migrator, context.Context) (int64, error)) error {
	m, err := store.NewMigrator(s.DatabaseURL.Reveal())
	if err != nil {
		return err
	}
	defer m.Close()
	before, _, err := m.Versions(ctx)
	if err != nil {
		return err
	}
	after, err := apply(m, ctx)
	if err != nil {
		return err
	}
	if before == after {
		fmt.Fprintf(t.out, "schema %d: nothing to do\n", after)
		return nil
	}
	fmt.Fprintf(t.out, "schema %d -> %d\n", before, after)
	return nil
}
