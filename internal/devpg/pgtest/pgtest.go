// Package pgtest gives every test a database of its own on a real Postgres: a
// clone of a template that was migrated once for the test process.
//
//	var template = pgtest.Template{Migrate: migrations.Up}
//
//	func TestMain(m *testing.M) { pgtest.Main(m) } // optional
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		db := template.New(t)
//		// db.Pool, or db.URL for what opens its own connections
//	}
//
// The server is a throwaway one of package devpg, started at the first use, and
// gone with the test process. Where GERBANG_TEST_DATABASE_URL holds a
// superuser's URL of a running server, that one is used, and any number of test
// processes share it. A test without Postgres fails; it does not skip.
//
// It imports devpg alone and knows no schema: the caller brings the migration.
package pgtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// cleanupTimeout bounds what a test does after its own context has ended.
const cleanupTimeout = 20 * time.Second

// Template is a database to clone. Make it once per test package, as a
// package-level variable; it must not be copied.
type Template struct {
	// Migrate brings the empty database at url to the state each test starts
	// from, and closes its connections. Nil leaves the database empty.
	Migrate func(ctx context.Context, url string) error

	once sync.Once
	name string
	err  error
}

// DB is one test's database. Both members lead to the same one; it is dropped
// when the test and its subtests have ended.
type DB struct {
	URL  string
	Pool *pgxpool.Pool
}

// New clones the template. It may be called from parallel tests, and more than
// once in one test. It fails the test if there is no Postgres, or if the
// migration failed.
func (tp *Template) New(t testing.TB) *DB {
	t.Helper()
	srv, err := server()
	if err != nil {
		t.Fatalf("no Postgres to test on: %v", err)
	}
	db, err := tp.clone(t, srv)
	if err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	return db
}

func (tp *Template) clone(t testing.TB, srv *cluster) (*DB, error) {
	ctx := t.Context()
	tp.once.Do(func() { tp.name, tp.err = srv.createTemplate(ctx, tp.Migrate) })
	if tp.err != nil {
		return nil, tp.err
	}
	name := srv.newName()
	// Measured on an empty schema, in memory with fsync off: copying files takes
	// 4 ms (13 with four at a time), the default, writing the copy to the WAL, 10
	// (42).
	if err := srv.exec(ctx, "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, tp.name); err != nil {
		return nil, err
	}
	url, err := srv.url(name)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		closePool(ctx, t, pool)
		if err := srv.exec(ctx, "DROP DATABASE %s WITH (FORCE)", name); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return &DB{URL: url, Pool: pool}, nil
}

// closePool names the fault that pool.Close would answer by hanging.
func closePool(ctx context.Context, t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
		t.Errorf("the test ended without releasing %d connection(s) of its pool", pool.Stat().AcquiredConns())
	}
}

// Main runs the tests and then ends what they shared. Without it the server
// ends with the process all the same, and what a process left on a shared server
// is removed by the next one.
func Main(m *testing.M) {
	m.Run() // TestMain's caller exits with its code
	shutdown()
}
