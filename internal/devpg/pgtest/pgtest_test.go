package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/devpg"
)

func TestMain(m *testing.M) { Main(m) }

var migrations atomic.Int64

var template = Template{Migrate: func(ctx context.Context, url string) error {
	migrations.Add(1)
	return createTable(ctx, url)
}}

func createTable(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE things (name text PRIMARY KEY)")
	return err
}

func count(t *testing.T, pool *pgxpool.Pool, from string, args ...any) int {
	t.Helper()
	var n int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+from, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := template.New(t)
			if n := count(t, db.Pool, "things"); n != 0 {
				t.Errorf("a new database holds %d rows of another test", n)
			}
			if _, err := db.Pool.Exec(t.Context(), "INSERT INTO things VALUES ('same key')"); err != nil {
				t.Error(err)
			}
			conn, err := pgx.Connect(t.Context(), db.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			var n int
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n); err != nil || n != 1 {
				t.Errorf("by its URL the database holds %d rows: %v", n, err)
			}
			if n := migrations.Load(); n != 1 {
				t.Errorf("migrated %d times", n)
			}
		})
	}
}

func TestDatabaseIsDroppedThoughConnected(t *testing.T) {
	t.Parallel()
	var open *pgx.Conn // held here, or the garbage collector would close it
	t.Run("leaves a connection open", func(t *testing.T) {
		db := template.New(t)
		var err error
		if open, err = pgx.Connect(context.Background(), db.URL); err != nil {
			t.Fatal(err)
		}
	})
	defer open.Close(context.Background())
	name := open.Config().Database
	srv, err := server()
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, srv.admin, "pg_database WHERE datname = $1", name); n != 0 {
		t.Errorf("%s is still there", name)
	}
}

func TestFailedMigrationIsReported(t *testing.T) {
	t.Parallel()
	srv, err := server()
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("syntax error in 00001")
	tp := Template{Migrate: func(context.Context, string) error { return broken }}
	for range 2 {
		if _, err := tp.clone(t, srv); !errors.Is(err, broken) {
			t.Errorf("got: %v", err)
		}
	}
}

func TestSharedServer(t *testing.T) {
	t.Parallel()
	private, err := devpg.Start(t.Context(), devpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(private.Stop)
	url := private.URL("postgres")
	host := strings.TrimSuffix(strings.TrimPrefix(url, "postgres://postgres@/postgres?host="), "&port=5432")
	keywords := "host=" + host + " port=5432 user=postgres dbname=postgres"

	ctx := t.Context()
	var runs []*cluster
	for _, base := range []string{url, keywords} {
		c, err := open(ctx, base)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, c)
		tp := Template{Migrate: createTable}
		t.Run("clone", func(t *testing.T) {
			db, err := tp.clone(t, c)
			if err != nil {
				t.Fatal(err)
			}
			if n := count(t, db.Pool, "things"); n != 0 {
				t.Errorf("%d rows", n)
			}
		})
	}

	watch, err := pgxpool.New(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	left := func(c *cluster) int {
		t.Helper()
		return count(t, watch, "pg_database WHERE starts_with(datname, $1)", prefix+c.run)
	}
	if left(runs[0]) != 1 || left(runs[1]) != 1 {
		t.Fatalf("templates: %d of the first run, %d of the second", left(runs[0]), left(runs[1]))
	}

	// The first process dies: its connections close and nothing is cleaned up.
	const dead = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::bigint"
	if _, err := watch.Exec(ctx, dead, lockKey(runs[0].run)&0xffffffff); err != nil {
		t.Fatal(err)
	}
	third, err := open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if left(runs[0]) != 0 || left(runs[1]) != 1 {
		t.Errorf("after the third run began: %d of the dead run's databases, %d of the living one's", left(runs[0]), left(runs[1]))
	}
	third.stop()
	runs[1].stop()
	if n := left(runs[1]); n != 0 {
		t.Errorf("a run that ended well left %d", n)
	}
}

func TestUnreachableSharedServerIsAnError(t *testing.T) {
	t.Parallel()
	if c, err := open(t.Context(), "postgres://postgres@/postgres?host="+t.TempDir()); err == nil {
		c.stop()
		t.Error("it was reached")
	}
}
