package devpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is the user Postgres runs as when we are root, which Postgres
// refuses to be. A nil account is ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// unprivileged picks the account: ourselves, or under root "postgres", else
// "nobody". initdb wants a user that has a name, so a bare number will not do.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("read the ids of user %s: %w", name, err)
		}
		return &account{name, uint32(uid), uint32(gid)}, nil
	}
	return nil, errors.New("run Postgres: it refuses to run as root, and there is neither a user postgres nor a user nobody")
}

// command is run as the account, in a session of its own so that a Ctrl-C in
// the terminal reaches us alone and the database outlives our draining.
func (a *account) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/" // ours may be closed to the account
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// reaches tries rather than reads mode bits: a parent may be closed by them, by
// an ACL or by a mount.
func (a *account) reaches(dir string) bool {
	return a.command("/bin/sh", "-c", `cd "$1" && test -w .`, "sh", dir).Run() == nil
}

// take makes dir the account's alone, creating it if need be. A link, or a
// directory of somebody else's, is refused: in /var/tmp anybody may have put
// it there.
func (a *account) take(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner != uint32(os.Geteuid()) && (a == nil || owner != a.uid) {
		return fmt.Errorf("%s belongs to the user with id %d: run as that user, or remove it", dir, owner)
	}
	if err := os.Chmod(dir, 0o700); err != nil || a == nil {
		return err
	}
	return os.Lchown(dir, int(a.uid), int(a.gid))
}

// place is where one server lives.
type place struct {
	dir    string // the lock, the log and data/
	socket string // the socket's directory: dir, or a shorter one
	remove string // removed when the server ends, or empty
}

func (p place) data() string { return filepath.Join(p.dir, "data") }
func (p place) log() string  { return filepath.Join(p.dir, "postgres.log") }

func (p place) discard() {
	if p.remove != "" {
		_ = os.RemoveAll(p.remove) // temporary; the system clears it in the end
	}
}

// prepare makes the place for a durable server, or, with dir empty, for a
// throwaway one.
func prepare(dir string, as *account, log *slog.Logger) (place, error) {
	if dir == "" {
		temp, err := as.tempDir(append(memory(), temporary()...))
		return place{dir: temp, socket: temp, remove: temp}, err
	}
	dir, err := as.durableDir(dir, log)
	if err != nil {
		return place{}, fmt.Errorf("prepare Postgres's directory: %w", err)
	}
	if socketFits(dir) {
		return place{dir: dir, socket: dir}, nil
	}
	temp, err := as.tempDir(temporary())
	return place{dir: dir, socket: temp, remove: temp}, err
}

func (a *account) durableDir(want string, log *slog.Logger) (string, error) {
	dir, err := filepath.Abs(want)
	if err != nil {
		return "", err
	}
	if err := a.take(dir); err != nil {
		return "", err
	}
	if a.reaches(dir) {
		return dir, nil
	}
	_ = os.Remove(dir) // only if it is empty, as when we have just made it
	sum := sha256.Sum256([]byte(dir))
	instead := fmt.Sprintf("/var/tmp/gerbang-%x", sum[:6])
	if err := a.take(instead); err != nil {
		return "", err
	}
	if !a.reaches(instead) {
		return "", fmt.Errorf("neither %s nor %s can be reached by the user Postgres runs as", dir, instead)
	}
	log.Info("Postgres does not run as root, and its user cannot reach the wanted directory; using another",
		"user", a.name, "wanted", dir, "dir", instead)
	return instead, nil
}

// temporary lists where a temporary directory may be made. TMPDIR, the first,
// may be out of the account's reach, or too long for a socket.
func temporary() []string { return []string{os.TempDir(), "/tmp", "/var/tmp"} }

// memory is Linux's file system in memory, if there is room for a test run. Even
// with fsync off, the checkpoints around a CREATE DATABASE make ext4 write to the
// disk: a clone was measured at 4 ms here, and at 6 ms to 200 ms on a disk,
// depending on what else wrote to it. A container's usual 64 MB would not do.
func memory() []string {
	const dir, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || uint64(fs.Bavail)*uint64(fs.Bsize) < room {
		return nil
	}
	return []string{dir}
}

// tempDir makes a directory of the account's that can hold a socket, in the
// first of the places that allows it.
func (a *account) tempDir(bases []string) (string, error) {
	var tried []error
	for _, base := range bases {
		dir, err := os.MkdirTemp(base, "gerbang-pg-")
		if err != nil {
			tried = append(tried, err)
			continue
		}
		if err := a.take(dir); err == nil && a.reaches(dir) && socketFits(dir) {
			return dir, nil
		}
		tried = append(tried, fmt.Errorf("%s cannot be used", base))
		_ = os.Remove(dir)
	}
	return "", fmt.Errorf("make a temporary directory for Postgres: %w", errors.Join(tried...))
}

// socketFits says whether Postgres can open its socket in dir. A socket's path
// has 104 bytes on macOS and 108 on Linux, the closing NUL among them; a comma
// or a quote would be read as Postgres's list syntax.
func socketFits(dir string) bool {
	const longest = 104 - 1
	return len(dir)+len("/.s.PGSQL.")+len(socketPort) <= longest && !strings.ContainsAny(dir, `,"`)
}

// lockWait is how long a server that is ending is waited for; a fast shutdown
// writes at most what shared_buffers holds.
const lockWait = 5 * time.Second

// lockDir takes the directory's lock, which the children inherit: it is free
// when the last process of an earlier server is gone.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock Postgres's directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			lock.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, fmt.Errorf("another Postgres is running in %s: stop it first", dir)
		case <-tick.C:
		}
	}
}
