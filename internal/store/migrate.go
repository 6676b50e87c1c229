package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/gerbang-id/gerbang/migrations"
)

// ErrSchema: the database's schema is not one this binary knows.
var ErrSchema = errors.New("schema does not fit this binary")

// Migrator applies the embedded migrations, one process at a time (session lock).
type Migrator struct {
	db       *sql.DB
	provider *goose.Provider
}

// NewMigrator connects to a database as its owner.
func NewMigrator(dsn string) (*Migrator, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, errors.New("open migrator: DATABASE_URL is not a Postgres URL")
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("open migrator: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("open migrator: %w", err)
	}
	return &Migrator{db: db, provider: p}, nil
}

// Close ends the connection.
func (m *Migrator) Close() error { return m.db.Close() }

// Up applies what is pending and returns the version it ended at.
func (m *Migrator) Up(ctx context.Context) (int64, error) {
	if _, err := m.provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrate up: %w", err)
	}
	return m.provider.GetDBVersion(ctx)
}

// Down takes the newest migration back and returns the version it ended at.
func (m *Migrator) Down(ctx context.Context) (int64, error) {
	if _, err := m.provider.Down(ctx); err != nil {
		return 0, fmt.Errorf("migrate down: %w", err)
	}
	return m.provider.GetDBVersion(ctx)
}

// Versions returns the database's version and the newest this binary brings.
func (m *Migrator) Versions(ctx context.Context) (current, target int64, err error) {
	current, target, err = m.provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	return current, target, nil
}

// Check returns ErrSchema unless the database has every migration this binary
// brings. A newer schema is fine: migrations expand before they contract.
func (m *Migrator) Check(ctx context.Context) error {
	current, target, err := m.Versions(ctx)
	if err != nil {
		return err
	}
	if current < target {
		return fmt.Errorf("%w: it is at version %d, this binary needs %d; run `server migrate up`", ErrSchema, current, target)
	}
	return nil
}
