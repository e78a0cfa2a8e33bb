//go:build unix

package plane

import (
	"os/exec"
	"syscall"
)

// separate keeps Ctrl-C from the helper, so that its user can still talk to the
// plane while shutting down.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) }
