package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/devpg"
)

// URLVariable names the environment variable with the URL of a server to use
// instead of starting one; its user must be a superuser.
const URLVariable = "GERBANG_TEST_DATABASE_URL"

// prefix begins the name of every database made here, the run's id follows.
const prefix = "gerbang_test_"

// cluster is the server the tests of this process work on.
type cluster struct {
	base  string // URL of the maintenance database
	admin *pgxpool.Pool
	run   string // tells this process's databases from others' on a shared server
	made  atomic.Int64
	stop  func()
}

var (
	mu      sync.Mutex
	started *cluster
	failed  error
)

// server starts or reaches the server at the first call. A failure is final:
// each further test would only wait for the same one.
func server() (*cluster, error) {
	mu.Lock()
	defer mu.Unlock()
	if started == nil && failed == nil {
		started, failed = open(context.Background(), os.Getenv(URLVariable))
	}
	return started, failed
}

func shutdown() {
	mu.Lock()
	defer mu.Unlock()
	if started != nil {
		started.stop()
	}
}

func open(ctx context.Context, sharedURL string) (*cluster, error) {
	if sharedURL != "" {
		return join(ctx, sharedURL)
	}
	private, err := devpg.Start(ctx, devpg.Options{})
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, private.URL("postgres"))
	if err != nil {
		private.Stop()
		return nil, err
	}
	c.stop = func() {
		c.admin.Close()
		private.Stop()
	}
	return c, nil
}

func connect(ctx context.Context, base string) (*cluster, error) {
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails
	admin, err := pgxpool.New(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	return &cluster{base: base, admin: admin, run: hex.EncodeToString(id)}, nil
}

// join uses a server that outlives this process. A test process may end without
// any chance to clean up, so each holds an advisory lock of its run for as long
// as it lives, and removes the databases of runs whose lock is free.
func join(ctx context.Context, sharedURL string) (*cluster, error) {
	c, err := connect(ctx, sharedURL)
	if err != nil {
		return nil, err
	}
	life, err := c.admin.Acquire(ctx)
	if err != nil {
		c.admin.Close()
		return nil, fmt.Errorf("reach the server of %s: %w", URLVariable, err)
	}
	c.stop = func() {
		_ = c.dropRun(context.Background(), c.run) // else the next process does
		life.Release()
		c.admin.Close()
	}
	if _, err := life.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey(c.run)); err != nil {
		c.stop()
		return nil, fmt.Errorf("mark this run as alive: %w", err)
	}
	if err := c.sweep(ctx, life.Conn()); err != nil {
		c.stop()
		return nil, fmt.Errorf("remove what dead runs left: %w", err)
	}
	return c, nil
}

// lockKey puts a run's id into a range of advisory locks of our own.
func lockKey(run string) int64 {
	const ours = int64(0x67657262) << 32 // "gerb"
	id, _ := strconv.ParseUint(run, 16, 32)
	return ours | int64(id)
}

func (c *cluster) sweep(ctx context.Context, conn *pgx.Conn) error {
	names, err := c.databases(ctx, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		run, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
		if run == c.run {
			continue
		}
		var dead bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey(run)).Scan(&dead); err != nil {
			return err
		}
		if !dead {
			continue
		}
		err := c.exec(ctx, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name)
		if _, unlockErr := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", lockKey(run)); err == nil {
			err = unlockErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) dropRun(ctx context.Context, run string) error {
	names, err := c.databases(ctx, prefix+run)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.exec(ctx, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) databases(ctx context.Context, prefix string) ([]string, error) {
	rows, err := c.admin.Query(ctx, "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)", prefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// createTemplate makes a migrated database and closes it to connections: a
// single open one would make every clone fail.
func (c *cluster) createTemplate(ctx context.Context, migrate func(context.Context, string) error) (string, error) {
	name := c.newName()
	// template0, because somebody may be connected to template1.
	if err := c.exec(ctx, "CREATE DATABASE %s TEMPLATE template0 STRATEGY file_copy", name); err != nil {
		return "", err
	}
	if migrate != nil {
		url, err := c.url(name)
		if err != nil {
			return "", err
		}
		if err := migrate(ctx, url); err != nil {
			return "", fmt.Errorf("migrate the template: %w", err)
		}
	}
	if err := c.exec(ctx, "ALTER DATABASE %s ALLOW_CONNECTIONS false", name); err != nil {
		return "", err
	}
	_, err := c.admin.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
	if err != nil {
		return "", fmt.Errorf("close the template to connections: %w", err)
	}
	return name, nil
}

func (c *cluster) newName() string {
	return prefix + c.run + "_" + strconv.FormatInt(c.made.Add(1), 10)
}

// exec runs a statement whose %s are names of databases.
func (c *cluster) exec(ctx context.Context, statement string, names ...string) error {
	quoted := make([]any, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	if _, err := c.admin.Exec(ctx, fmt.Sprintf(statement, quoted...)); err != nil {
		return fmt.Errorf("%s: %w", fmt.Sprintf(statement, quoted...), err)
	}
	return nil
}

// url is the base URL with another database, in either of libpq's two forms.
func (c *cluster) url(database string) (string, error) {
	if !strings.HasPrefix(c.base, "postgres://") && !strings.HasPrefix(c.base, "postgresql://") {
		return c.base + " dbname=" + database, nil // of two, the last one counts
	}
	u, err := url.Parse(c.base)
	if err != nil {
		return "", fmt.Errorf("%s is not a URL", URLVariable) // the error would quote it, and its password
	}
	u.Path = "/" + database
	return u.String(), nil
}
