// Package component names the parts of a local control plane. The names are
// the sub-commands of the binary too; package entry runs them.
package component

import "slices"

// The components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	KWOK              = "kwok"
	Kubectl           = "kubectl"
)

// Names lists the components in a stable order.
func Names() []string {
	return []string{Etcd, APIServer, ControllerManager, Scheduler, KWOK, Kubectl}
}

// Known tells whether name is a component.
func Known(name string) bool { return slices.Contains(Names(), name) }
