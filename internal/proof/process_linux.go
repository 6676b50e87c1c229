package proof

import "syscall"

// diesWithParent has the kernel kill a server whose test process was killed: a
// stopped one would stay for good. A group of its own keeps Ctrl-C away from it.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
