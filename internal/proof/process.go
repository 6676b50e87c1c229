package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one `server serve`, as a process of its own.
type Process struct {
	Name string
	URL  string // of its HTTP interface, once it is ready

	cmd   *exec.Cmd
	fired chan struct{} // closed when its crash point has fired
	ended chan struct{} // closed when it is gone and its log is read

	mu     sync.Mutex
	paused bool
	log    []string
}

// launch starts a server and returns at once; ready waits.
func launch(name, binary string, env []string) (*Process, <-chan string, error) {
	p := &Process{Name: name, fired: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), binary, "serve") // it ends by our hand alone
	p.cmd.Env = env
	p.cmd.SysProcAttr = diesWithParent()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = p.cmd.Start()
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	serving := make(chan string, 1)
	go func() {
		defer close(p.ended)
		p.follow(read, serving)
		_ = p.cmd.Wait() // its state says how it ended
	}()
	return p, serving, nil
}

// ready waits until the server takes requests, or has come to its crash point.
func (p *Process) ready(serving <-chan string) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case addr := <-serving:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.URL = "http://" + addr
		return nil
	case <-p.fired:
		return nil
	case <-p.ended:
		return fmt.Errorf("%s ended at its start: %s\n%s", p.Name, p.cmd.ProcessState, p.Tail(20))
	case <-timer.C:
		return fmt.Errorf("%s is not ready after %v\n%s", p.Name, patience, p.Tail(20))
	}
}

// follow keeps the log, and finds the address and the crash point in it.
func (p *Process) follow(log *os.File, serving chan<- string) {
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.log = append(p.log, line)
		p.mu.Unlock()
		if strings.HasPrefix(line, "crashpoint fired: ") {
			p.mu.Lock()
			p.paused = true
			p.mu.Unlock()
			close(p.fired)
			continue
		}
		var entry struct{ Msg, Addr string }
		if strings.Contains(line, `"serving"`) && json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			serving <- entry.Addr
		}
	}
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Fired is closed when the crash point this process was armed with was reached.
func (p *Process) Fired() <-chan struct{} { return p.fired }

// Ended is closed when the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Gone reports whether the process has ended.
func (p *Process) Gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// answers reports whether there is a point in sending it a request.
func (p *Process) answers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.paused && p.URL != "" && !p.Gone()
}

func (p *Process) pause(paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = paused
}

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.ended
}

// Stop suspends the process (SIGSTOP): it holds its sockets and does nothing.
func (p *Process) Stop() error {
	p.pause(true)
	return p.cmd.Process.Signal(syscall.SIGSTOP)
}

// Cont wakes it (SIGCONT).
func (p *Process) Cont() error {
	p.pause(false)
	return p.cmd.Process.Signal(syscall.SIGCONT)
}

// Term asks the process to drain and waits for it; it must end by itself, with
// status 0, within [patience].
func (p *Process) Term() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		return fmt.Errorf("%s did not end within %v of SIGTERM\n%s", p.Name, patience, p.Tail(20))
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %s\n%s", p.Name, p.cmd.ProcessState, p.Tail(20))
	}
	return nil
}

// Log is everything it has printed so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// Tail is the last n lines of its log.
func (p *Process) Tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log[max(0, len(p.log)-n):], "\n")
}
