//go:build !linux

package up

import (
	"os/exec"
	"syscall"
)

// dieWithParent keeps the terminal's Ctrl-C from reaching the child directly;
// it is stopped by Stop.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
