package up

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the child end when we do, even when we are killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
