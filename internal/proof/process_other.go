//go:build !linux

package proof

import "syscall"

// diesWithParent: here a server ends when it finds nobody reading its log.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
