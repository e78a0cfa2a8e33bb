// Package entry runs one component of a Kubernetes control plane as the current
// process: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, KWOK
// (which plays the nodes) and kubectl.
//
// It owns how each is entered, and nothing else: it picks no flag, no port and
// no file. Each component assumes that it has the process to itself, so a
// process runs one of them, once. Only this package and main link them, which
// keeps the tests of all others small.
package entry

import (
	"fmt"
	"os"

	"github.com/kedago/keda/localplane/internal/component"
)

// Run becomes the named component, with args as its command line, and returns
// its exit code. os.Args is replaced, since a component reads its arguments there.
func Run(name string, args []string) int {
	os.Args = append([]string{name}, args...)
	switch name {
	case component.Etcd:
		return runEtcd(os.Args)
	case component.APIServer:
		return runAPIServer()
	case component.ControllerManager:
		return runControllerManager()
	case component.Scheduler:
		return runScheduler()
	case component.KWOK:
		return runKWOK()
	case component.Kubectl:
		return runKubectl(os.Args)
	}
	fmt.Fprintf(os.Stderr, "unknown component %q\n", name)
	return 2
}
