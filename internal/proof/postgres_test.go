package proof

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/devpg"
	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/store"
)

// postgres is a server of the test's own, which may be stopped and killed.
type postgres struct {
	t   *testing.T
	dir string
	srv *devpg.Server
}

const database = "gerbang"

// newPostgres starts one, with what makes it survive a crash turned on.
func newPostgres(t *testing.T) *postgres {
	t.Helper()
	base := "/dev/shm" // fsync costs nothing there, and a crash of Postgres loses nothing
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "gerbang-proof-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755)) // Postgres may run as another user; it keeps its own part to itself
	p := &postgres{t: t, dir: dir}
	p.start()
	t.Cleanup(func() {
		p.srv.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	must(t, p.srv.CreateDatabase(t.Context(), database))
	must(t, template.Migrate(t.Context(), p.url()))
	return p
}

func (p *postgres) start() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	var err error
	p.srv, err = devpg.Start(ctx, devpg.Options{Dir: filepath.Join(p.dir, "pg")})
	must(p.t, err)
}

// kill ends the postmaster as a power cut would, and waits until its backends
// have noticed.
func (p *postgres) kill() {
	p.t.Helper()
	must(p.t, syscall.Kill(p.srv.PID(), syscall.SIGKILL))
	<-p.srv.Done()
}

func (p *postgres) url() string { return p.srv.URL(database) }

// newOn is a stack on a Postgres of its own. Its own eyes on the database call
// themselves "proof", so that they can be told from its servers.
func newOn(t *testing.T, p *postgres, o Options) *Stack {
	t.Helper()
	o.Env = append([]string{"DATABASE_URL=" + p.url()}, o.Env...)
	s := New(t, o)
	watched := p.url() + "&application_name=proof"
	pool, err := pgxpool.New(t.Context(), watched)
	must(t, err)
	s.DB = &pgtest.DB{URL: p.url(), Pool: pool}
	keyring, err := store.NewKeyring(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	must(t, err)
	s.Store, err = store.Open(t.Context(), watched, keyring, store.Options{MaxConns: 4})
	must(t, err)
	t.Cleanup(pool.Close)
	t.Cleanup(s.Store.Close)
	t.Cleanup(s.KillAll) // before the database goes
	s.createKeys(t)
	return s
}

// sql runs a statement as the superuser.
func (s *Stack) sql(statement string, args ...any) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.T.Context()), 10*time.Second)
	defer cancel()
	if _, err := s.DB.Pool.Exec(ctx, statement, args...); err != nil {
		s.T.Fatalf("%s: %v", statement, err)
	}
}

// playThrough plays a case although the proof's own eyes on the database fail
// with it now and then.
func (s *Stack) playThrough(ctx context.Context, c Case) error {
	for {
		err := s.Play(ctx, c)
		if !errors.Is(err, store.ErrUnavailable) || pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
		c.Verdict = false // it was brought before anybody looked
	}
}

// sameOwner gives a directory to whoever another one belongs to.
func sameOwner(like, dir string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	of := info.Sys().(*syscall.Stat_t)
	return os.Chown(dir, int(of.Uid), int(of.Gid))
}
