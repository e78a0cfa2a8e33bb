//go:build !unix

package plane

import "os/exec"

// Without signals, the end of its standard input tells the helper to stop.

func separate(*exec.Cmd) {}

func terminate(*exec.Cmd) {}
