package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// build compiles the server of the module that this program is part of.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "server")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/gerbang-id/gerbang/cmd/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// command runs the binary to its end and returns what it printed.
func command(ctx context.Context, binary string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("server %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// process is a running `server serve`.
type process struct {
	name string
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended and all of its log is read
	err  error         // how it ended, once done

	mu  sync.Mutex
	log []string
}

// closing is how long a server may take to end before it is killed.
const closing = 20 * time.Second

// serve starts a server and returns when it takes requests. GERBANG_ADDR may
// have the port 0: the log says which one it became.
func serve(ctx context.Context, name, binary string, env []string) (*process, error) {
	p := &process{name: name, done: make(chan struct{}), cmd: exec.Command(binary, "serve")}
	p.cmd.Env = env
	// A Ctrl-C is for the demo alone, which ends its servers in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = p.cmd.Start()
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	serving := make(chan string, 1)
	go func() {
		defer close(p.done)
		p.follow(read, serving)
		p.err = p.cmd.Wait()
	}()
	select {
	case address := <-serving:
		p.url = "http://" + address
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended at its start: %w\n%s", name, p.err, p.tail(""))
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("%s is not ready: %w\n%s", name, context.Cause(ctx), p.tail("")), p.stop())
	}
}

// follow keeps the log and finds the address in it.
func (p *process) follow(log *os.File, serving chan<- string) {
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			select {
			case serving <- entry.Addr:
			default:
			}
		}
	}
}

// tail is the end of the log, of what mentions an onboarding where one is given.
func (p *process) tail(about string) string {
	const most = 15
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []string
	for _, line := range p.log {
		if strings.Contains(line, about) {
			kept = append(kept, "    "+line+"\n")
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "  log of " + p.name + ":\n" + strings.Join(kept[max(0, len(kept)-most):], "")
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(closing):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %v\n%s", p.name, closing, p.tail(""))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, p.err, p.tail(""))
	}
	return nil
}
