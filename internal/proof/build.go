package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// root is the module's directory: a test runs in its package's.
const root = "../.."

// Build says which server to build.
type Build struct {
	// Tags of the build. CrashpointTag arms the crash points.
	Tags string
	// Mutations are applied on the way to the compiler; no file is touched.
	Mutations []Mutation
	// Dir is the module to build from; empty means this one.
	Dir string
}

// CrashpointTag is the build tag that arms the crash points.
const CrashpointTag = "crashpoints"

// Armed is the server with crash points.
var Armed = Build{Tags: CrashpointTag}

// Mutation replaces a text in a file of the module. The text must be there
// exactly once.
type Mutation struct {
	File string // from the module's root
	Old  string
	New  string
}

func (b Build) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", b))
	return hex.EncodeToString(sum[:8])
}

// binaries are those this process has built.
var binaries = struct {
	sync.Mutex
	dir   string
	built map[string]func() (string, error)
}{built: map[string]func() (string, error){}}

// Binary builds a server, once per process, and returns its path. It is gone
// when the tests are, by removeBinaries.
func Binary(b Build) (string, error) {
	binaries.Lock()
	defer binaries.Unlock()
	if binaries.dir == "" {
		dir, err := os.MkdirTemp("", "gerbang-proof-")
		if err != nil {
			return "", err
		}
		binaries.dir = dir
	}
	once, ok := binaries.built[b.key()]
	if !ok {
		dir := binaries.dir
		once = sync.OnceValues(func() (string, error) { return b.compile(filepath.Join(dir, b.key())) })
		binaries.built[b.key()] = once
	}
	binaries.Unlock()
	defer binaries.Lock()
	return once()
}

// removeBinaries ends what Binary began.
func removeBinaries() {
	binaries.Lock()
	defer binaries.Unlock()
	_ = os.RemoveAll(binaries.dir)
}

func (b Build) compile(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "server")
	// Without symbols it links in a third of the time.
	args := []string{"build", "-ldflags=-s -w", "-tags=" + b.Tags, "-o", binary}
	if len(b.Mutations) > 0 {
		overlay, err := b.overlay(dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "./cmd/server")...) //nolint:gosec // G204: the arguments are ours
	cmd.Dir = root
	if b.Dir != "" {
		cmd.Dir = b.Dir
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// overlay writes the mutated files and the list that tells the compiler to read
// them instead.
func (b Build) overlay(dir string) (string, error) {
	base, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	texts := map[string]string{}
	for _, m := range b.Mutations {
		text, ok := texts[m.File]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(base, m.File))
			if err != nil {
				return "", err
			}
			text = string(raw)
		}
		if texts[m.File], err = m.apply(text); err != nil {
			return "", err
		}
	}
	replace := map[string]string{}
	for file, text := range texts {
		mutated := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(mutated, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(base, file)] = mutated
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}

// apply replaces the old text, which must be there exactly once: a mutation
// whose place is gone proves nothing.
func (m Mutation) apply(text string) (string, error) {
	if n := strings.Count(text, m.Old); n != 1 {
		return "", fmt.Errorf("%s holds %d times: %q", m.File, n, m.Old)
	}
	return strings.Replace(text, m.Old, m.New, 1), nil
}
