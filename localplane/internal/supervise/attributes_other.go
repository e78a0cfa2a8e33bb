//go:build unix && !linux

package supervise

import "syscall"

// KernelKills tells whether the kernel ends children when this process is gone,
// however it went. Where it does not, children must watch their parent.
const KernelKills = false

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
