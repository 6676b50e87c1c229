package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
)

// binary is the real thing, built once.
var binary string

// databases are empty: schemas come from the binary's own migrations.
var databases pgtest.Template

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gerbang-server-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the binary: %v\n%s", err, out))
	}
	pgtest.Main(m)
}

// patience bounds every wait for another process.
const patience = 30 * time.Second

// process is a running binary.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          chan struct{}
}

// start runs the binary with exactly these variables, and kills what is left of
// it when the test ends.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, cmd: exec.Command(binary, args...),
		stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{}),
	}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its state says how it ended
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// result is a process that ended.
type result struct {
	code           int
	stdout, stderr string
}

func (p *process) wait() result {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("it did not end; it said:\n%s%s", p.stdout, p.stderr)
	}
	return result{p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
}

// runs the binary to its end.
func runs(t *testing.T, env []string, args ...string) result {
	t.Helper()
	return start(t, env, args...).wait()
}

// awaits returns the rest of the first line that holds prefix.
func (p *process) awaits(o *output, prefix string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	line, err := o.awaits(ctx, p.ended, prefix)
	if err != nil {
		p.t.Fatalf("%q never came: %v\n%s%s", prefix, err, p.stdout, p.stderr)
	}
	return line
}

// output collects what a process writes and wakes who waits for it.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	change chan struct{}
}

var _ io.Writer = (*output)(nil)

func newOutput() *output { return &output{change: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.change)
	o.change = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) awaits(ctx context.Context, ended <-chan struct{}, prefix string) (string, error) {
	for {
		o.mu.Lock()
		text, change := o.text.String(), o.change
		o.mu.Unlock()
		if _, after, ok := strings.Cut(text, prefix); ok {
			if line, _, whole := strings.Cut(after, "\n"); whole {
				return strings.TrimSpace(line), nil
			}
		}
		select {
		case <-change:
		case <-ended:
			if !strings.Contains(o.String(), prefix) {
				return "", errors.New("it ended")
			}
			ended = nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
