//go:build crashpoints

package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// armed is the point that GERBANG_CRASHPOINT names; nil without one.
var armed = arm(os.Getenv("GERBANG_CRASHPOINT"))

// trace is the file that GERBANG_CRASHPOINT_TRACE names; nil without one.
var trace = open(os.Getenv("GERBANG_CRASHPOINT_TRACE"))

type point struct {
	name   string
	at     int64 // fires at this hit, from 1
	signal syscall.Signal
	hits   atomic.Int64
}

// arm panics on what it cannot read: a proof that does nothing proves nothing.
func arm(text string) *point {
	if text == "" {
		return nil
	}
	part := strings.Split(text, ":")
	if len(part) != 3 {
		panic("GERBANG_CRASHPOINT is not name:n:kill or name:n:stop")
	}
	n, err := strconv.ParseInt(part[1], 10, 64)
	signal, known := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}[part[2]]
	if err != nil || n < 1 || !known {
		panic("GERBANG_CRASHPOINT is not name:n:kill or name:n:stop")
	}
	return &point{name: part[0], at: n, signal: signal}
}

func open(file string) *os.File {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // G703: whoever starts a test names its files
	if err != nil {
		panic(err)
	}
	return f
}

// Hit marks a place where a test may end or stop the process.
func Hit(name string) {
	if trace != nil {
		_, _ = trace.WriteString(name + "\n") // one write, so lines do not mix
	}
	p := armed
	if p == nil || p.name != name || p.hits.Add(1) != p.at {
		return
	}
	fmt.Fprintf(os.Stderr, "crashpoint fired: %s\n", name)
	_ = syscall.Kill(os.Getpid(), p.signal)
	// A signal to oneself may land a moment later; nothing must be done before.
	// For a stopped process the moment ends when it is woken.
	time.Sleep(50 * time.Millisecond)
}
