package devpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// begin starts a server that ends with the test.
func begin(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// tempDir is t.TempDir, open to the user Postgres runs as under root.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// query returns the single text value of a statement, or of its last one.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

// eventually polls what another process does; nothing signals it to us.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func missing(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}

func TestDurableClusterIsDurableAndReused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	s := begin(t, dir)
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C",
	} {
		if got := query(t, s.URL("postgres"), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	for range 2 { // the second time it exists
		if err := s.CreateDatabase(t.Context(), `odd "name" & co`); err != nil {
			t.Fatal(err)
		}
	}
	url := s.URL(`odd "name" & co`)
	query(t, url, "CREATE TABLE kept AS SELECT 'still here' AS word")
	s.Stop()
	s.Stop()
	if !gone(s.PID()) {
		t.Fatalf("process %d is alive after Stop", s.PID())
	}

	begin(t, dir)
	if got := query(t, url, "SELECT word FROM kept"); got != "still here" {
		t.Errorf("after a restart the table holds %q", got)
	}
}

func TestDurableClusterRecoversFromACrash(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	s := begin(t, dir)
	query(t, s.URL("postgres"), "CREATE TABLE kept AS SELECT 'still here' AS word")
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("Done is still open ten seconds after the postmaster was killed")
	}
	if missing(filepath.Join(dir, "data", "postmaster.pid")) {
		t.Fatal("no stale postmaster.pid: this was no crash")
	}
	begin(t, dir)
	if got := query(t, s.URL("postgres"), "SELECT word FROM kept"); got != "still here" {
		t.Errorf("after a crash the table holds %q", got)
	}
}

func TestThrowawayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "")
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes", "autovacuum"} {
		if got := query(t, s.URL("postgres"), "SHOW "+setting); got != "off" {
			t.Errorf("%s is %s", setting, got)
		}
	}
	info, err := os.Stat(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's directory has mode %v: others can log in", info.Mode().Perm())
	}
	s.Stop()
	if !gone(s.PID()) || !missing(s.Dir()) {
		t.Errorf("after Stop: process gone %v, directory gone %v", gone(s.PID()), missing(s.Dir()))
	}
}

func TestOneServerPerDirectory(t *testing.T) {
	t.Parallel()
	s := begin(t, filepath.Join(tempDir(t), "postgres"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Options{Dir: s.Dir()})
	if err == nil || !strings.Contains(err.Error(), "another Postgres is running in "+s.Dir()) {
		t.Errorf("the second start says: %v", err)
	}
	if got := query(t, s.URL("postgres"), "SELECT 'alive'"); got != "alive" {
		t.Errorf("the first server answers %q", got)
	}
}

func TestLongPathAndPsql(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "a b+c&d,"+strings.Repeat("long", 30))
	s := begin(t, dir)
	if s.socket == s.Dir() {
		t.Fatalf("a socket in %s is longer than the system allows", s.socket)
	}
	s.Stop()
	if !missing(s.socket) {
		t.Errorf("the socket's directory %s is left behind", s.socket)
	}
	if missing(dir) {
		t.Error("the durable cluster was removed")
	}

	s = begin(t, filepath.Join(tempDir(t), "a b+c&d"))
	bin, err := FindBinaries()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(bin, "psql"), s.URL("postgres"), "-XAtc", "SELECT 'psql too'").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "psql too" {
		t.Errorf("psql %s: %v\n%s", s.URL("postgres"), err, out)
	}
}

func TestRefusesAnotherMajorVersion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is of Postgres 9, but the one found") {
		t.Errorf("got: %v", err)
	}
}

func TestFailedStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	begin(t, dir).Stop()
	if err := os.Remove(filepath.Join(dir, "data", "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("got: %v", err)
	}
}

// Under root the wanted directory may be closed to the user Postgres runs as.
// Anybody else is that user and gets what was asked for.
func TestUnreachableDirectory(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	s := begin(t, dir)
	if os.Geteuid() != 0 {
		if s.Dir() != dir {
			t.Errorf("uses %s instead of %s", s.Dir(), dir)
		}
		return
	}
	t.Cleanup(func() { s.Stop(); _ = os.RemoveAll(s.Dir()) })
	if !strings.HasPrefix(s.Dir(), "/var/tmp/gerbang-") {
		t.Errorf("uses %s", s.Dir())
	}
	query(t, s.URL("postgres"), "CREATE TABLE kept AS SELECT 1")
	s.Stop()
	begin(t, dir)
	query(t, s.URL("postgres"), "SELECT * FROM kept")
}

func TestRefusesALinkInPlaceOfItsDirectory(t *testing.T) {
	t.Parallel()
	target := tempDir(t)
	dir := filepath.Join(tempDir(t), "postgres")
	if err := os.Symlink(target, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got: %v", err)
	}
}

// A violated constraint is the way personal data gets into a database's log.
func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	s := begin(t, "")
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const secret = "invented-person"
	script := fmt.Sprintf("CREATE TABLE people (name text UNIQUE CHECK (name <> '')); INSERT INTO people VALUES ('%[1]s'); INSERT INTO people VALUES ('%[1]s')", secret)
	if _, err := conn.PgConn().Exec(t.Context(), script).ReadAll(); err == nil {
		t.Fatal("the constraint was not violated")
	}
	log, err := os.ReadFile(filepath.Join(s.Dir(), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "duplicate key") {
		t.Errorf("the failure is not in the log:\n%s", log)
	}
	if strings.Contains(string(log), secret) {
		t.Errorf("the value is in the log:\n%s", log)
	}
}

func TestTempDirPassesOverWhatCannotHoldASocket(t *testing.T) {
	t.Parallel()
	as, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(tempDir(t), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	last := tempDir(t)
	dir, err := as.tempDir([]string{"/nonexistent", long, last})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(dir) != last {
		t.Errorf("chose %s", dir)
	}
	if left, _ := filepath.Glob(filepath.Join(long, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
