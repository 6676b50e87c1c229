// Package devpg runs a private Postgres from the binaries already installed on
// the machine: a durable one for `make run`, throwaway ones for tests.
//
// The server listens on a Unix socket only, in a directory of mode 0700, and
// trusts whoever reaches it: on a shared laptop the file system keeps everybody
// else out, there is no password to leak and no TCP port to find or to collide
// on. A URL from [Server.URL] works as it is in pgx and in psql.
//
// It imports nothing of ours and knows no table, no migration and no caller.
package devpg

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the role every URL logs in as.
const Superuser = "postgres"

// socketPort names the socket file (.s.PGSQL.5432); nothing listens on TCP.
const socketPort = "5432"

// supervise is the parent of Postgres; see there why it is not us.
//
//go:embed supervise.sh
var supervise string

// Options say what kind of server to start.
type Options struct {
	// Dir is where a durable cluster lives. It is made if missing, is used by
	// nothing else, and is re-used on the next start. Under root, where Dir may
	// be out of the unprivileged user's reach, /var/tmp takes its place and the
	// log says so. Empty: a throwaway cluster in a temporary directory, with
	// every safeguard against a crash turned off, in memory where there is
	// room, removed when it ends.
	Dir string
	// Log receives what a person at the terminal should know; nil is silent.
	// Postgres writes its own log to postgres.log beside the data.
	Log *slog.Logger
}

// Server is a running Postgres. Keep it reachable for as long as the database
// is needed: it holds the pipe whose closing ends the server.
type Server struct {
	dir    string
	socket string
	pid    int
	alive  *os.File
	stop   sync.Once
	ended  chan struct{}
}

// Start finds the binaries, makes the cluster if there is none, and returns
// when the server answers. The context bounds the start only, not the server's
// life: that ends at Stop, or with this process, however this process ends.
//
// A server that is still shutting down in the same Dir is waited for; one that
// keeps running is an error, and so is a cluster of a major version for which no
// binaries are found.
func Start(ctx context.Context, o Options) (*Server, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	found, err := findAll(os.Getenv, beforePath, afterPath)
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	place, err := prepare(o.Dir, as, log)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, found, place, o.Dir != "", as)
	if err != nil {
		// The supervisor has removed it already if it came to life; where it
		// did not, this does.
		place.discard()
		return nil, err
	}
	return s, nil
}

func start(ctx context.Context, found []installation, at place, durable bool, as *account) (*Server, error) {
	lock, err := lockDir(ctx, at.dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	bin, err := choose(found, at.data())
	if err != nil {
		return nil, err
	}
	s, err := launch(at, bin, durable, as, lock)
	if err != nil {
		return nil, fmt.Errorf("start the supervisor of Postgres: %w", err)
	}
	if err := s.awaitReady(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// launch starts the supervising shell, which makes the cluster if need be and
// runs Postgres in it.
func launch(at place, bin string, durable bool, as *account, lock *os.File) (*Server, error) {
	// Under root the directory belongs to the unprivileged user, so a link in
	// it must not lead root's hand elsewhere.
	log, err := os.OpenFile(at.log(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	eof, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer eof.Close()

	signal, initdb := "QUIT", "--no-sync"
	if durable {
		signal, initdb = "INT", ""
	}
	args := []string{"-c", supervise, "gerbang-postgres"}
	for _, setting := range settings(durable, at.socket) {
		args = append(args, "-c", setting)
	}
	cmd := as.command("/bin/sh", args...)
	// No PG* variable of the user's may change what is started here. A valid
	// LC_ALL is what macOS needs to let Postgres start at all.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C",
		"BIN=" + bin, "DATA=" + at.data(), "REMOVE=" + at.remove,
		"SIGNAL=" + signal, "INITDB_FLAGS=" + initdb,
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{eof, lock}
	if err := cmd.Start(); err != nil {
		alive.Close()
		return nil, err
	}
	s := &Server{dir: at.dir, socket: at.socket, alive: alive, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // why it ended is in postgres.log
		close(s.ended)
	}()
	return s, nil
}

// settings are passed on the command line, where they outrank the files of a
// cluster somebody may have edited.
func settings(durable bool, socket string) []string {
	set := []string{
		"listen_addresses=",
		"port=" + socketPort,
		"unix_socket_directories=" + socket,
		"unix_socket_permissions=0700",
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		// A failed statement or a violated constraint would print a customer's
		// data into the log, in STATEMENT and DETAIL.
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
	}
	if durable {
		return append(set, "fsync=on", "synchronous_commit=on", "full_page_writes=on")
	}
	return append(set,
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"wal_level=minimal", "max_wal_senders=0", "shared_buffers=32MB",
		"max_wal_size=128MB", // it may lie in memory
		// Clones live for seconds; its workers would only hold up their
		// creation and change plans under a test.
		"autovacuum=off", "jit=off", "log_checkpoints=off",
	)
}

func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			_ = conn.Close(ctx)
			return s.readPID()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("start Postgres in %s: %s", s.dir, lastLines(filepath.Join(s.dir, "postgres.log")))
		case <-ctx.Done():
			return fmt.Errorf("start Postgres in %s: %w (last: %w)", s.dir, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (s *Server) readPID() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("read Postgres's process id: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if s.pid, err = strconv.Atoi(first); err != nil {
		return fmt.Errorf("read Postgres's process id: %w", err)
	}
	return nil
}

// URL names a database of this server, for pgx and for psql. Its host is the
// socket's directory.
func (s *Server) URL(database string) string {
	// libpq reads "+" as itself, not as a space; slashes are left legible.
	host := strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s.socket))
	return "postgres://" + Superuser + "@/" + url.PathEscape(database) + "?host=" + host + "&port=" + socketPort
}

// PID is the process id of Postgres's postmaster.
func (s *Server) PID() int { return s.pid }

// Dir is where the cluster really lives, which under root may not be
// [Options.Dir]; postgres.log is in it.
func (s *Server) Dir() string { return s.dir }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Stop ends the server and returns when it is gone: a durable one by Postgres's
// fast shutdown (sessions are cut off, everything is written), a throwaway one
// at once, with its directory. Stopping twice is harmless.
func (s *Server) Stop() {
	s.stop.Do(func() { _ = s.alive.Close() })
	<-s.ended
}

// CreateDatabase makes the database unless it exists.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	const duplicateDatabase = "42P04"
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// lastLines is the end of a log that never grew long: the server did not start.
func lastLines(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "it ended, and its log is gone"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}
