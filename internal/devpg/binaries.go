package devpg

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// BinariesVariable names the environment variable that, when set, is the
	// only directory looked in.
	BinariesVariable = "GERBANG_PG_BIN"

	oldestMajor = 15 // the schema needs what 15 brought; so does CREATE DATABASE … STRATEGY
)

// errNoBinaries is what scripts/ensure-postgres prints too.
var errNoBinaries = errors.New("no Postgres 15 or later found: run `brew install postgresql@17` or `sudo apt-get install postgresql`, or set " + BinariesVariable + " to its bin directory")

// Where installers put Postgres without putting it on the PATH.
var (
	beforePath = []string{
		"/usr/lib/postgresql/*/bin", // Debian and Ubuntu
		"/usr/pgsql-*/bin",          // postgresql.org's packages for Fedora and RHEL
	}
	afterPath = []string{
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	}
)

// installation is a complete set of binaries.
type installation struct {
	dir   string
	major int
}

// FindBinaries returns the directory of a Postgres of version 15 or later with
// initdb, postgres and pg_ctl in it. It looks at $GERBANG_PG_BIN and nothing
// else if that is set; else where Debian's packages put it, on the PATH, and
// where Homebrew puts it, and takes the first of these places that has one and
// the highest version there. The error says in one line what to install.
func FindBinaries() (dir string, err error) {
	found, err := findAll(os.Getenv, beforePath, afterPath)
	if err != nil {
		return "", err
	}
	return found[0].dir, nil
}

// choose returns the binaries that fit the cluster in data, or the preferred
// ones where there is no cluster yet.
func choose(found []installation, data string) (string, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return found[0].dir, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the cluster's version: %w", err)
	}
	version := strings.TrimSpace(string(text))
	for _, in := range found {
		if strconv.Itoa(in.major) == version {
			return in.dir, nil
		}
	}
	return "", fmt.Errorf("the cluster in %s is of Postgres %s, but the one found in %s is %d: install Postgres %s, or remove the directory to begin anew",
		data, version, found[0].dir, found[0].major, version)
}

// findAll returns every usable installation, the preferred one first, and at
// least one.
func findAll(getenv func(string) string, before, after []string) ([]installation, error) {
	if dir := getenv(BinariesVariable); dir != "" {
		in, err := inspect(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", BinariesVariable, err)
		}
		return []installation{in}, nil
	}
	var found []installation
	for _, pattern := range before {
		found = append(found, glob(pattern)...)
	}
	for _, dir := range filepath.SplitList(getenv("PATH")) {
		if in, err := inspect(dir); err == nil {
			found = append(found, in)
		}
	}
	for _, pattern := range after {
		found = append(found, glob(pattern)...)
	}
	if len(found) == 0 {
		return nil, errNoBinaries
	}
	return found, nil
}

// glob returns the usable installations matching the pattern, highest first.
func glob(pattern string) []installation {
	dirs, _ := filepath.Glob(pattern) // its only error is a malformed pattern
	var found []installation
	for _, dir := range dirs {
		if in, err := inspect(dir); err == nil {
			found = append(found, in)
		}
	}
	slices.SortStableFunc(found, func(a, b installation) int { return cmp.Compare(b.major, a.major) })
	return found
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect accepts only a complete set: distributions put some of the binaries
// on the PATH without the others.
func inspect(dir string) (installation, error) {
	if !filepath.IsAbs(dir) {
		return installation{}, fmt.Errorf("%q is not an absolute path", dir)
	}
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return installation{}, fmt.Errorf("no usable %s in %s", name, dir)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, fmt.Errorf("ask %s for its version: %w", filepath.Join(dir, "postgres"), err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return installation{}, fmt.Errorf("%s does not name a Postgres version", filepath.Join(dir, "postgres"))
	}
	major, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return installation{}, fmt.Errorf("read the version of %s: %w", dir, err)
	}
	if major < oldestMajor {
		return installation{}, fmt.Errorf("%s holds Postgres %d, older than %d", dir, major, oldestMajor)
	}
	return installation{dir, major}, nil
}
