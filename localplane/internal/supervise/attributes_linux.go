package supervise

import "syscall"

// KernelKills tells whether the kernel ends children when this process is gone,
// however it went. Where it does not, children must watch their parent.
const KernelKills = true

// childAttributes has the kernel kill the child when the supervisor is gone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
